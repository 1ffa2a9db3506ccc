"""LwF: its loss and gradients from the papers' formulas in float64, and that it keeps what it should."""

import copy
import pickle

import pytest
import torch
from torch.nn import functional

from baselines.finetune import Finetune
from baselines.lwf import Lwf
from hnet_bench.avalanche_adapter.benchmark import in_memory_benchmark
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError

PAPER_2019 = ({}, "seen")
PAPER_2022 = ({"weighting": "experiences", "times_temperature_squared": False}, "all")
MEAN = ({"temperature": 3.0, "reduction": "mean"}, "seen")


def built(strategy, scenario, benchmark=None, active="seen", iterations=12):
    torch.manual_seed(0)
    protocol = TrainingProtocol(
        iterations=iterations, batch_size=16, hidden_units=(20,), learning_rate=1e-2, active_classes=active
    )
    facts = (benchmark or Synthetic()).facts
    return strategy.build(Setup(scenario=scenario, facts=facts, protocol=protocol, seed=1))


def stream_of(scenario):
    return list(Synthetic().build(scenario=scenario, seed=1).avalanche.train_stream)


def outputs(model, x):
    return getattr(model, "mlp", model)(x)


class ThirdStep:
    """What a training step began with, and the loss and gradients that it found. Old and new differ by then."""

    def __init__(self, template):
        self.steps = 0
        template.plugins.append(self)

    def before_forward(self, strategy, **kwargs):
        self.steps += 1
        if self.steps == 3:
            self.x, self.y = strategy.mb_x.flatten(1).double(), strategy.mb_y
            self.model = copy.deepcopy(strategy.model).double()

    def after_backward(self, strategy, **kwargs):
        if self.steps == 3:
            self.loss = strategy.loss.item()
            self.gradients = [parameter.grad.clone() for parameter in strategy.model.parameters()]


def distilled(student, teacher, settings):
    """-sum p log q, the teacher's classes being the first of the student's; the others have p = 0."""
    p = torch.zeros_like(student)
    p[:, : teacher.shape[1]] = (teacher / settings.temperature).softmax(1)
    terms = -p * (student / settings.temperature).log_softmax(1)
    value = terms.sum(1).mean() if settings.reduction == "sum" else terms.mean()
    return value * settings.temperature**2 if settings.times_temperature_squared else value


def papers_loss(step, old, task, scenario, settings, active):
    """Loss in experience number `task`, from 0, of two classes each."""
    student, teacher = outputs(step.model, step.x), outputs(old.double(), step.x).detach()
    if scenario is Scenario.TASK:
        heads = [slice(2 * head, 2 * head + 2) for head in range(task + 1)]
        current = functional.cross_entropy(student[:, heads[-1]], step.y)
        replayed = sum(distilled(student[:, head], teacher[:, head], settings) for head in heads[:-1]) / task
    elif scenario is Scenario.CLASS and active == "seen":
        seen = student[:, : 2 * (task + 1)]
        current, replayed = functional.cross_entropy(seen, step.y), distilled(seen, teacher[:, : 2 * task], settings)
    else:
        current, replayed = functional.cross_entropy(student, step.y), distilled(student, teacher, settings)
    if settings.weighting == "shares":
        return current / (task + 1) + (1 - 1 / (task + 1)) * replayed
    return current + (1 if scenario is Scenario.CLASS else task) * replayed


@pytest.mark.parametrize("task", [1, 2])
@pytest.mark.parametrize("scenario", list(Scenario))
@pytest.mark.parametrize(("changes", "active"), [PAPER_2019, PAPER_2022, MEAN])
def test_a_step_is_that_of_the_papers(task, scenario, changes, active):
    settings, stream = Lwf(**changes), stream_of(scenario)
    template = built(settings, scenario, active=active)
    template.train(stream[:task], eval_streams=[])
    old, step = copy.deepcopy(template.model), ThirdStep(template)
    template.train(stream[task], eval_streams=[])

    expected = papers_loss(step, old, task, scenario, settings, active)
    assert step.loss == pytest.approx(expected.item(), rel=1e-5)
    expected.backward()
    for found, parameter in zip(step.gradients, step.model.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad.float(), rtol=1e-4, atol=1e-6)


def test_where_classes_come_in_any_order_the_loss_is_the_same():
    """Labels 0..5 renamed: the outputs of a network whose rows are renamed too give the same losses throughout."""
    names = torch.tensor([4, 1, 5, 0, 2, 3])
    plain = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    renamed = in_memory_benchmark(
        facts=plain.facts,
        scenario=Scenario.CLASS,
        train=[samples.labelled(names[samples.y]) for samples in plain.train],
        test=plain.test,
        data_sums={},
    )
    losses = []
    for benchmark in (plain, renamed):
        template = built(Lwf(reduction="mean"), Scenario.CLASS)
        if benchmark is renamed:
            with torch.no_grad():
                for parameter in template.model.output.parameters():
                    parameter[names] = parameter.clone()
        found = []

        class Listen:
            def before_backward(self, strategy, found=found, **kwargs):
                found.append(strategy.loss.item())

        template.plugins.append(Listen())
        template.train(benchmark.avalanche.train_stream, eval_streams=[])
        losses.append(found)
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


@pytest.mark.parametrize(
    ("weighting", "scenario", "expected"),
    [
        ("shares", Scenario.TASK, (1 / 3, 2 / 3)),
        ("shares", Scenario.CLASS, (1 / 3, 2 / 3)),
        ("experiences", Scenario.TASK, (1, 2)),
        ("experiences", Scenario.DOMAIN, (1, 2)),
        ("experiences", Scenario.CLASS, (1, 1)),
    ],
)
def test_weights_in_the_third_experience(weighting, scenario, expected):
    template = built(Lwf(weighting=weighting), scenario)
    template.tasks_seen = 3
    assert template.weights() == pytest.approx(expected)


def test_the_first_experience_is_fine_tuning_bit_for_bit():
    learnt = []
    for strategy in (Finetune(), Lwf()):
        template = built(strategy, Scenario.CLASS)
        template.train(stream_of(Scenario.CLASS)[0], eval_streams=[])
        learnt.append(list(template.model.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(*learnt, strict=True))


def test_old_heads_keep_what_they_say_of_the_current_inputs():
    benchmark = Synthetic().build(scenario=Scenario.TASK, seed=1)
    drift = {}
    for strategy in (Finetune(), Lwf()):
        template = built(strategy, Scenario.TASK, iterations=100)
        template.train(list(benchmark.avalanche.train_stream)[:2], eval_streams=[])
        x = benchmark.train[2].x
        before = outputs(template.model, x).detach()[:, :4]
        template.train(benchmark.avalanche.train_stream[2], eval_streams=[])
        drift[strategy.name] = (outputs(template.model, x)[:, :4] - before).abs().mean().item()
    assert drift["lwf"] < 0.2 * drift["finetune"]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda template: pickle.loads(pickle.dumps(template))])
def test_between_experiences_a_copy_goes_on_as_the_original_would(copied):
    stream = stream_of(Scenario.CLASS)
    template = built(Lwf(), Scenario.CLASS)
    template.train(stream[:2], eval_streams=[])
    other = copied(template)
    for one in (template, other):
        one.train(stream[2], eval_streams=[])
    for one, same in zip(template.model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(one, same)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_one_class_per_experience_and_fewer_samples_than_a_batch(scenario):
    benchmark = Synthetic(classes_per_experience=1, train_per_class=5)
    template = built(Lwf(), scenario, benchmark)
    template.train(benchmark.build(scenario=scenario, seed=1).avalanche.train_stream, eval_streams=[])
    assert all(parameter.isfinite().all() for parameter in template.model.parameters())


def test_a_temperature_that_is_not_positive_is_refused():
    with pytest.raises(UserError, match=r"temperature must be positive, found 0\."):
        Lwf(temperature=0)
