"""Generated convolutional networks: one step by plain autograd, statistics of tasks, resuming, who refuses what."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.conformance.smoke_run import SmokeRun
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError
from hnet_bench.strategies.hnet import Hnet
from hnet_bench.strategies.hnet_conv import HnetConv
from hnet_bench.strategies.hnet_embedding_space import HnetEmbeddingSpace

IMAGES = Synthetic(image_side=12, train_per_class=20, test_per_class=8)
SIZES = {"chunk_size": 7000, "hidden_units": (), "task_embedding_size": 6, "chunk_embedding_size": 5}


def protocol_of(network, iterations=2, **changes):
    return TrainingProtocol(
        **{"iterations": iterations, "batch_size": 8, "network": network, "learning_rate": 1e-3, **changes}
    )


def built(network="resnet32", cls=HnetConv, stream=IMAGES, protocol=None, **settings):
    torch.manual_seed(0)
    protocol = protocol or protocol_of(network)
    setup = Setup(scenario=Scenario.TASK, facts=stream.facts, protocol=protocol, seed=1)
    return cls(**{**SIZES, "regularisation_strength": 0.5, **settings}).build(setup)


def trained(experiences, **changes):
    template = built(**changes)
    for experience in list(IMAGES.build(scenario=Scenario.TASK, seed=1).avalanche.train_stream)[:experiences]:
        template.train(experience, eval_streams=[])
    return template


class BeforeLastStep:
    """Copies the model, the optimiser's state and the batch before the second step."""

    def __init__(self):
        self.count = 0

    def before_forward(self, strategy, **kwargs):
        self.count += 1
        if self.count == 2:
            self.model = copy.deepcopy(strategy.model)
            self.batch = strategy.mb_x.clone(), strategy.mb_y.clone()
            self.state = copy.deepcopy(strategy.optimizer.state_dict()["state"])


@pytest.mark.parametrize("lookahead", [True, False])
def test_one_step_is_that_of_the_paper_with_masked_heads(lookahead):
    """Repeats a step on task 2 in float64 with plain autograd and an Adam written out."""
    protocol = protocol_of("resnet32", beta1=0.5)
    template = trained(2, lookahead=lookahead, protocol=protocol)
    hypernetwork = template.classifier.hypernetworks[0]
    with torch.no_grad():
        targets = [hypernetwork(task).double() for task in range(2)]
    snapshot = BeforeLastStep()
    template.plugins.append(snapshot)
    template.train(IMAGES.build(scenario=Scenario.TASK, seed=1).avalanche.train_stream[2], eval_streams=[])

    model = snapshot.model.double()
    before = model.hypernetworks[0]
    x, y = snapshot.batch[0].double(), snapshot.batch[1]
    parameters = [*before.theta, before.task_embeddings[2]]
    loss = functional.cross_entropy(model.target(x, before.chunks(2), 2)[:, 4:6], y)
    gradients = torch.autograd.grad(loss, parameters)

    def adam(parameter, gradient, index):
        first = 0.5 * snapshot.state[index]["exp_avg"].double() + 0.5 * gradient
        second = 0.999 * snapshot.state[index]["exp_avg_sq"].double() + 0.001 * gradient**2
        return parameter - 1e-3 * first / (1 - 0.5**2) / ((second / (1 - 0.999**2)).sqrt() + 1e-8)

    theta = before.theta
    at = [adam(p, g, i) for i, (p, g) in enumerate(zip(theta, gradients[:-1], strict=True))] if lookahead else theta
    at = [tensor.detach().requires_grad_() for tensor in at]
    regulariser = 0
    for task, target in enumerate(targets):
        generated = (before.hidden(before.task_embeddings[task].detach().unsqueeze(0), at)[0] @ at[-1]).flatten()
        change = (generated[: len(target)] - target).square()
        # The outputs come last: 6 x 64 weights, then 6 biases; task t has outputs 2t and 2t + 1.
        weights, biases = change[-6 * 65 : -6].view(6, 64), change[-6:]
        own = slice(2 * task, 2 * task + 2)
        regulariser = regulariser + change[: -6 * 65].sum() + weights[own].sum() + biases[own].sum()
    extra = torch.autograd.grad(0.5 / 2 * regulariser, at)
    assert max(tensor.abs().max() for tensor in extra) > 0
    totals = [g + e for g, e in zip(gradients[:-1], extra, strict=True)] + [gradients[-1]]
    expected = [adam(p, g, i) for i, (p, g) in enumerate(zip(parameters, totals, strict=True))]
    found = [*hypernetwork.theta, hypernetwork.task_embeddings[2]]
    moved = sum((e - p).square().sum() for e, p in zip(expected, parameters, strict=True)).sqrt()
    apart = sum((f.double() - e).square().sum() for f, e in zip(found, expected, strict=True)).sqrt()
    assert apart < 1e-3 * moved


def statistics_of(template):
    return [(one.mean.clone(), one.variance.clone()) for one in template.classifier.target.statistics]


def test_training_moves_the_statistics_of_its_own_task_alone():
    begun = trained(1)
    stream = IMAGES.build(scenario=Scenario.TASK, seed=1).avalanche.train_stream
    before = statistics_of(begun)
    begun.train(stream[1], eval_streams=[])
    after = statistics_of(begun)
    assert [torch.equal(one[0], other[0]) for one, other in zip(before, after, strict=True)] == [True, False, True]
    assert not after[2][0].any()
    assert (after[2][1] == 1).all()


def test_without_statistics_of_tasks_all_have_those_of_the_latest():
    template = trained(1, statistics_per_task=False, regularisation_strength=0.0)
    (before,) = statistics_of(template)
    template.train(IMAGES.build(scenario=Scenario.TASK, seed=1).avalanche.train_stream[1], eval_streams=[])
    (after,) = statistics_of(template)
    assert not torch.equal(before[0], after[0])


def test_from_scratch_later_training_changes_no_answer_of_earlier_tasks():
    benchmark = IMAGES.build(scenario=Scenario.TASK, seed=1)
    template = trained(1, from_scratch=True, regularisation_strength=0.0)

    def answers():
        template.classifier.eval()
        with torch.no_grad():
            return template.classifier.head(benchmark.test[0].x, 0)

    before = answers()
    template.train(benchmark.avalanche.train_stream[1], eval_streams=[])
    assert torch.equal(answers(), before)
    # 54 outputs fewer than on CIFAR, and 67 chunks as there.
    one = (6 + 5 + 1) * 7000 + 67 * 5 + 6
    assert template.parameter_counts() == {"trained": 3 * one, "target": 468_540 - 54 * 65}


def test_a_perceptron_is_trained_as_by_hnet_bit_for_bit():
    stream = Synthetic()
    settings = {**SIZES, "chunk_size": 300, "hidden_units": (5,), "regularisation_strength": 0.5}
    protocol = protocol_of("mlp", iterations=20, hidden_units=(10,), learning_rate=1e-2)
    outcomes = [
        SmokeRun(strategy=strategy, scenario=Scenario.TASK, stream=stream, protocol=protocol).run()
        for strategy in (Hnet(**settings), HnetConv(**settings, own_head_only=False))
    ]
    assert outcomes[0].same_parameters(outcomes[1])
    assert outcomes[0].evaluations == outcomes[1].evaluations


@pytest.mark.parametrize("network", ["resnet32", "zenke"])
@pytest.mark.parametrize("change", [{}, {"from_scratch": True, "regularisation_strength": 0.0}])
def test_a_run_goes_on_bit_for_bit_within_an_experience(network, change):
    """Statistics, dropout, augmentation and the learning rate are where they were."""
    protocol = protocol_of(network, iterations=6, later_iterations=4, learning_rate_steps=((0.5, 0.1),))
    strategy = HnetConv(**{**SIZES, **change})
    smoke_run = SmokeRun(strategy=strategy, scenario=Scenario.TASK, stream=IMAGES, protocol=protocol)
    expected = smoke_run.run()
    stopped = replace(smoke_run, stop_every=3, stop_after=(0, 1)).run()
    assert stopped.same_parameters(expected)
    assert stopped.evaluations == expected.evaluations
    assert stopped.template.planned_steps == 6 + 4 + 4 == stopped.template.clock.train_iterations
    for one, other in zip(statistics_of(stopped.template), statistics_of(expected.template), strict=True):
        assert all(map(torch.equal, one, other))


@pytest.mark.parametrize(
    ("cls", "network", "stream", "words"),
    [
        (Hnet, "resnet32", IMAGES, "HypernetworkTemplate does not learn with resnet32"),
        (HnetEmbeddingSpace, "zenke", IMAGES, "EmbeddingSpaceTemplate does not learn with zenke"),
        (HnetConv, "resnet32", Synthetic(), "resnet32 needs images of at least 1 x 1 pixels, found inputs of shape"),
        (HnetConv, "zenke", Synthetic(image_side=9), "zenke needs images of at least 10 x 10 pixels"),
    ],
)
def test_what_cannot_be_learnt_is_refused(cls, network, stream, words):
    changes = {"task_embedding_size": 2} if cls is HnetEmbeddingSpace else {}
    with pytest.raises(UserError, match=words):
        built(network, cls, stream, **changes)


def test_from_scratch_has_nothing_to_regularise():
    with pytest.raises(UserError, match="set regularisation_strength to 0"):
        HnetConv(from_scratch=True)
