"""Generated convolutional networks: one step by plain autograd, statistics of tasks, resuming."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.conformance.smoke_run import SmokeRun
from hnet_bench.interfaces import Scenario, TrainingProtocol
from hnet_bench.nets.networks import NETWORKS
from hnet_bench.strategies.hnet import Hnet
from hnet_bench.strategies.hnet_conv import HnetConv

IMAGES = Synthetic(image_side=12, train_per_class=20, test_per_class=8)
SIZES = {"chunk_size": 7000, "hidden_units": (), "task_embedding_size": 6, "chunk_embedding_size": 5}
SHORT = {"stream": IMAGES, "network": "resnet32", "iterations": 2, "batch_size": 8, "learning_rate": 1e-3}


def small(**changes):
    return HnetConv(**{**SIZES, "regularisation_strength": 0.5, **changes})


@pytest.mark.parametrize("lookahead", [True, False])
def test_one_step_is_that_of_the_paper_with_masked_heads(lookahead, learnt, stream_of, recorded, papers_step):
    template = learnt(small(lookahead=lookahead), Scenario.TASK, experiences=2, beta1=0.5, **SHORT)
    hypernetwork = template.classifier.hypernetwork
    with torch.no_grad():
        targets = [hypernetwork(task).double() for task in range(2)]
    steps = recorded(template)
    template.train(stream_of(Scenario.TASK, IMAGES)[2], eval_streams=[])
    model = steps[1].model.double()
    before = model.hypernetwork

    def regulariser(theta):
        total = 0
        for task, target in enumerate(targets):
            embedding = before.task_embeddings[task].detach().unsqueeze(0)
            generated = (before.hidden(embedding, theta)[0] @ theta[-1]).flatten()
            change = (generated[: len(target)] - target).square()
            # The outputs come last: 6 x 64 weights, then 6 biases; task t has outputs 2t and 2t + 1.
            weights, biases = change[-6 * 65 : -6].view(6, 64), change[-6:]
            own = slice(2 * task, 2 * task + 2)
            total = total + change[: -6 * 65].sum() + weights[own].sum() + biases[own].sum()
        return 0.5 / 2 * total

    papers_step(
        template,
        steps[1],
        functional.cross_entropy(model.target(steps[1].x.double(), before.chunks(2), 2)[:, 4:6], steps[1].y),
        regulariser,
        lookahead=lookahead,
        learning_rate=1e-3,
        beta1=0.5,
    )


def statistics_of(template):
    return [(one.mean.clone(), one.variance.clone()) for one in template.classifier.target.statistics]


def test_training_moves_the_statistics_of_its_own_task_alone(learnt, stream_of):
    template = learnt(small(), Scenario.TASK, experiences=1, **SHORT)
    before = statistics_of(template)
    template.train(stream_of(Scenario.TASK, IMAGES)[1], eval_streams=[])
    after = statistics_of(template)
    assert [torch.equal(one[0], other[0]) for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert not after[2][0].any()
    assert (after[2][1] == 1).all()


def test_without_statistics_of_tasks_all_have_those_of_the_latest(learnt, stream_of):
    strategy = small(statistics_per_task=False, regularisation_strength=0.0)
    template = learnt(strategy, Scenario.TASK, experiences=1, **SHORT)
    (before,) = statistics_of(template)
    template.train(stream_of(Scenario.TASK, IMAGES)[1], eval_streams=[])
    (after,) = statistics_of(template)
    assert not torch.equal(before[0], after[0])


def test_from_scratch_later_training_changes_no_answer_of_earlier_tasks(learnt, stream_of):
    x = IMAGES.build(scenario=Scenario.TASK, seed=1).test[0].x
    template = learnt(small(from_scratch=True, regularisation_strength=0.0), Scenario.TASK, experiences=1, **SHORT)

    def answers():
        template.classifier.eval()
        with torch.no_grad():
            return template.classifier.head(x, 0)

    before = answers()
    template.train(stream_of(Scenario.TASK, IMAGES)[1], eval_streams=[])
    assert torch.equal(answers(), before)
    # 54 outputs fewer than on CIFAR, and 67 chunks as there.
    one = (6 + 5 + 1) * 7000 + 67 * 5 + 6
    assert template.parameter_counts() == {"trained": 3 * one, "target": 468_540 - 54 * 65}


def test_a_perceptron_is_trained_as_by_hnet_bit_for_bit():
    settings = {**SIZES, "chunk_size": 300, "hidden_units": (5,), "regularisation_strength": 0.5}
    protocol = TrainingProtocol(iterations=20, batch_size=8, hidden_units=(10,), learning_rate=1e-2)
    outcomes = [
        SmokeRun(strategy=strategy, scenario=Scenario.TASK, stream=Synthetic(), protocol=protocol).run()
        for strategy in (Hnet(**settings), HnetConv(**settings, own_head_only=False))
    ]
    assert outcomes[0].same_parameters(outcomes[1])
    assert outcomes[0].evaluations == outcomes[1].evaluations


@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "mlp"])
@pytest.mark.parametrize("change", [{}, {"from_scratch": True, "regularisation_strength": 0.0}])
def test_a_run_goes_on_bit_for_bit_within_an_experience(network, change):
    """Statistics, dropout, augmentation and the learning rate are where they were."""
    options = {"later_iterations": 4, "learning_rate_steps": ((0.5, 0.1),)}
    protocol = TrainingProtocol(iterations=6, batch_size=8, network=network, **options)
    strategy = HnetConv(**{**SIZES, **change})
    smoke_run = SmokeRun(strategy=strategy, scenario=Scenario.TASK, stream=IMAGES, protocol=protocol)
    expected = smoke_run.run()
    stopped = replace(smoke_run, stop_every=3, stop_after=(0, 1)).run()
    assert stopped.same_parameters(expected)
    assert stopped.evaluations == expected.evaluations
    assert stopped.template.planned_steps == 6 + 4 + 4 == stopped.template.clock.train_iterations
    for one, other in zip(statistics_of(stopped.template), statistics_of(expected.template), strict=True):
        assert all(map(torch.equal, one, other))
