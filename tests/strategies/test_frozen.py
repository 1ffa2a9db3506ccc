"""What HNET may hold, or leave as it is: parameters weighted by their Fisher information, a frozen hypernetwork."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from hnet_bench.conformance.smoke_run import SmokeRun
from hnet_bench.interfaces import Scenario, TrainingProtocol
from hnet_bench.nets.fisher import fisher_diagonal
from hnet_bench.nets.target import mlp
from hnet_bench.strategies.hnet import Hnet
from hnet_bench.strategies.hnet_ent import HnetEnt

SIZES = {"chunk_size": 100, "hidden_units": (8, 6), "task_embedding_size": 5, "chunk_embedding_size": 4}
HOLDING = [{"fisher_weighted": True}, {"frozen_after": 1}]


def small(cls=Hnet, **changes):
    return cls(**{**SIZES, "regularisation_strength": 0.5, **changes})


def moved(before, after):
    """Of theta as a whole, and of each embedding."""
    theta = not all(map(torch.equal, before.theta, after.theta))
    return [
        theta,
        *(not torch.equal(*pair) for pair in zip(before.task_embeddings, after.task_embeddings, strict=True)),
    ]


def test_a_frozen_hypernetwork_learns_new_tasks_by_their_embeddings_alone(learnt, stream_of):
    strategy = small(HnetEnt, frozen_after=2)
    template = learnt(strategy, Scenario.CLASS, experiences=1, iterations=5)
    for experience, expected in enumerate([[True, False, True, False], [False, False, False, True]], start=1):
        before = copy.deepcopy(template.classifier.hypernetwork)
        template.train(stream_of(Scenario.CLASS)[experience], eval_streams=[])
        assert moved(before, template.classifier.hypernetwork) == expected
    (group,) = template.optimizer.param_groups
    assert [one is template.classifier.hypernetwork.task_embeddings[2] for one in group["params"]] == [True]


def test_one_step_with_fisher_weights_is_that_of_the_formula(learnt, stream_of, recorded, papers_step):
    """Importances of old tasks are those of right after each was learnt: by `fisher_diagonal`, which tests of nets hold
    to autograd."""
    scenario, stream = Scenario.CLASS, stream_of(Scenario.CLASS)
    template = learnt(small(HnetEnt, fisher_weighted=True), scenario, experiences=0, iterations=2)
    weights = []
    for task in range(2):
        template.train(stream[task], eval_streams=[])
        flat, x = template.classifier.hypernetwork(task).detach().double(), stream[task].in_memory.x.double()
        fisher = fisher_diagonal([x], flat, template.classifier.target.shape, slice(2 * task, 2 * task + 2))
        weights.append(fisher / fisher.mean())
    with torch.no_grad():
        targets = [template.classifier.hypernetwork(task).double() for task in range(2)]
    steps = recorded(template)
    template.train(stream[2], eval_streams=[])
    model = steps[1].model.double()
    hypernetwork = model.hypernetwork

    def regulariser(theta):
        total = 0
        for task, (weight, target) in enumerate(zip(weights, targets, strict=True)):
            embedding = hypernetwork.task_embeddings[task].detach().view(1, -1)
            generated = (hypernetwork.hidden(embedding, theta)[0] @ theta[-1]).flatten()[: len(target)]
            total = total + (weight * (generated - target).square()).sum()
        return 0.5 * total / 2

    outputs = mlp(steps[1].x.double(), hypernetwork(2), model.target.shape)
    papers_step(
        template,
        steps[1],
        functional.cross_entropy(outputs[:, 4:6], steps[1].y - 4),
        regulariser,
        lookahead=True,
    )


PARTIAL = [{"generated_layers": 2}, {"generated_layers": 2, "shared_layers": "learnt"}]


@pytest.mark.parametrize("settings", [*HOLDING, {**HOLDING[0], "generated_layers": 1}, *PARTIAL])
def test_a_run_goes_on_bit_for_bit_within_an_experience(settings):
    protocol = TrainingProtocol(iterations=6, batch_size=8, hidden_units=(10, 8))
    smoke_run = SmokeRun(strategy=small(HnetEnt, **settings), scenario=Scenario.CLASS, protocol=protocol)
    expected = smoke_run.run()
    stopped = replace(smoke_run, stop_every=4, stop_after=(0, 1)).run()
    assert stopped.same_parameters(expected)
    assert stopped.evaluations == expected.evaluations


def test_importances_that_are_kept_are_counted(built):
    plain = built(small(), Scenario.TASK).parameter_counts()
    counts = built(small(fisher_weighted=True), Scenario.TASK).parameter_counts()
    assert counts == {**plain, "stored_values": 2 * plain["target"]}
