"""Baselines on networks that convolve: each learns them and goes on bit for bit; whose batch statistics are used
when."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from hnet_bench import catalog
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.conformance.smoke_run import SmokeRun
from hnet_bench.interfaces import Scenario, TrainingProtocol

IMAGES = Synthetic(image_side=12, train_per_class=10, test_per_class=2)
ABLE = ("finetune", "joint", "multi_task", "from_scratch", "ewc", "online_ewc", "si", "mas", "lwf", "er", "agem")
# Of a size that shows in so few steps, and does not blow up.
FEW = {"ewc": {"fisher_samples": 8}, "er": {"per_class": 3}, "agem": {"per_class": 3}}
SHORT = {"stream": IMAGES, "network": "resnet32", "iterations": 2, "batch_size": 8, "learning_rate": 1e-3}


def strategy_of(name):
    return catalog.build("strategies", name, FEW.get(name, {}), where="a test")


def buffers_of(template):
    return [buffer.clone() for buffer in template.model.buffers()]


def smoke_run(name, network):
    """Two tasks, three steps and two, with a learning rate that falls."""
    schedule = {"later_iterations": 2, "learning_rate_steps": ((0.5, 0.1),)}
    protocol = TrainingProtocol(iterations=3, batch_size=4, network=network, **schedule)
    stream = replace(IMAGES, experiences=2, train_per_class=6, test_per_class=2)
    return SmokeRun(strategy=strategy_of(name), scenario=Scenario.TASK, stream=stream, protocol=protocol)


@pytest.mark.parametrize("network", ["resnet32", "zenke"])
@pytest.mark.parametrize("name", ABLE)
def test_all_of_these_train_them(name, network):
    outcome = replace(smoke_run(name, network), evaluate=False).run()
    assert outcome.template.clock.train_iterations == 3 + 2
    assert not any(map(torch.equal, outcome.initial, outcome.final))
    assert all(parameter.isfinite().all() for parameter in outcome.final)


@pytest.mark.parametrize(
    ("name", "network"), [("lwf", "resnet32"), ("er", "resnet32"), ("online_ewc", "resnet32"), ("mas", "zenke")]
)
def test_a_run_goes_on_bit_for_bit_within_an_experience(name, network):
    """Also batch statistics, dropout and augmentation."""
    expected = smoke_run(name, network).run()
    stopped = replace(smoke_run(name, network), stop_every=2, stop_after=(0,)).run()
    assert stopped.same_parameters(expected)
    assert stopped.evaluations == expected.evaluations
    assert all(map(torch.equal, buffers_of(stopped.template), buffers_of(expected.template)))


def statistics_that_move(template, experience):
    """For every task whether its statistics are others after one more experience."""
    before = [one.mean.clone() for one in template.model.network.statistics]
    template.train(experience, eval_streams=[])
    return [not torch.equal(one.mean, old) for one, old in zip(template.model.network.statistics, before, strict=True)]


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("finetune", [False, True, False]),
        ("online_ewc", [False, True, False]),
        ("lwf", [False, True, False]),
        # Stored samples are normalised as a batch of their own task, whose statistics follow.
        ("er", [True, True, False]),
        ("agem", [True, True, False]),
        ("joint", [True, True, False]),
    ],
)
def test_training_moves_the_statistics_of_the_tasks_that_it_sees(name, moved, learnt, stream_of):
    template = learnt(strategy_of(name), Scenario.TASK, experiences=1, **SHORT)
    assert statistics_that_move(template, stream_of(Scenario.TASK, IMAGES)[1]) == moved


def test_er_normalises_every_task_by_itself(learnt, stream_of, recorded):
    template = learnt(strategy_of("er"), Scenario.TASK, experiences=2, **SHORT)
    steps = recorded(template)
    template.train(stream_of(Scenario.TASK, IMAGES)[2], eval_streams=[])
    x, y, stored, stored_y, tasks, _ = steps[0].mbatch
    assert tasks.tolist() == [0] * 4 + [1] * 4
    network = steps[0].model.network.double().train()

    def loss(x, y, task):
        return functional.cross_entropy(network(x.double(), task)[:, 2 * task : 2 * task + 2], y)

    old = (loss(stored[:4], stored_y[:4], 0) + loss(stored[4:], stored_y[4:], 1)) / 2
    assert steps[0].loss == pytest.approx((loss(x, y, 2) / 3 + 2 / 3 * old).item(), rel=1e-4)


def test_lwf_holds_old_heads_as_they_will_be_tested(learnt, stream_of, recorded):
    """Teacher and classifier both answer on an old head by the batch statistics of its task."""
    template = learnt(strategy_of("lwf"), Scenario.TASK, experiences=2, **SHORT)
    steps = recorded(template)
    template.train(stream_of(Scenario.TASK, IMAGES)[2], eval_streams=[])
    first, second = steps[0], steps[1]

    def old_heads(model, x):
        network = model.network.double().eval()
        return [network(x.double(), task)[:, 2 * task : 2 * task + 2] for task in range(2)]

    targets = old_heads(first.model, second.x)
    given = second.mbatch[3].double()
    torch.testing.assert_close(given, torch.cat(targets, dim=1), rtol=1e-4, atol=1e-5)
    students = old_heads(second.model, second.x)
    # KD of temperature 2, times its square, the mean over old heads (distillation_loss); a third is the current batch.
    kd = sum(
        -4 * (target.div(2).softmax(1) * student.div(2).log_softmax(1)).sum(1).mean()
        for target, student in zip(targets, students, strict=True)
    )
    network = second.model.network.train()
    current = functional.cross_entropy(network(second.x.double(), 2)[:, 4:6], second.y)
    assert second.loss == pytest.approx((current / 3 + 2 / 3 * kd / 2).item(), rel=1e-4)


@pytest.mark.parametrize("network", ["resnet32", "zenke"])
@pytest.mark.parametrize("fisher", ["predicted", "exact"])
def test_the_fisher_matrix_is_that_of_single_samples_without_dropout(network, fisher, learnt, one_by_one):
    from baselines.ewc import Ewc

    template = learnt(Ewc(fisher=fisher), Scenario.TASK, experiences=2, **{**SHORT, "network": network})
    found = template.fisher()
    model = template.model.double().eval()
    apart = (1,) if network == "resnet32" else ()

    def functions(x):
        likelihoods = model.network(x.double().unsqueeze(0), *apart)[0, 2:4].log_softmax(0)
        weights = likelihoods.detach().exp() if fisher == "exact" else likelihoods.detach() == likelihoods.max()
        return zip(weights, likelihoods, strict=True)

    expected = one_by_one(list(model.parameters()), functions, template.experience.in_memory.x)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-3 * other.abs().max().item())
    if network == "resnet32":
        assert all(tensor.any() for tensor in found[:-2])
