"""LwF and DGR: losses and gradients from the papers' formulas in float64; what is replayed, and what is kept."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional

from baselines.dgr import Dgr, DgrDistill
from baselines.lwf import Lwf
from baselines.training.distillation import hard_distillation_loss
from baselines.training.generator import LATENT, SymmetricVae
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import BenchmarkFacts, Scenario

BATCH = 16
METHODS = {
    "lwf 2019": (Lwf(), "seen"),
    "lwf 2022": (Lwf(weighting="experiences", times_temperature_squared=False), "all"),
    "lwf mean": (Lwf(temperature=3.0, reduction="mean"), "seen"),
    "dgr hard": (Dgr(), "seen"),
    "dgr hard, all": (Dgr(), "all"),
    "dgr soft": (DgrDistill(), "seen"),
    "dgr mean": (DgrDistill(temperature=3.0, reduction="mean", times_temperature_squared=False), "all"),
}


def outputs(model, x):
    return getattr(model, "network", model)(x)


@pytest.fixture
def third_step(learnt, stream_of, recorded):
    """That step in experience number `task`, when old and new differ, the replayed inputs that belong to it, and the
    classifier before the experience."""

    def make(strategy, scenario, task, active="seen"):
        template = learnt(strategy, scenario, experiences=task, active_classes=active)
        old, generator = copy.deepcopy(template.model).double(), getattr(template, "generator", None)
        if generator is None:
            steps = recorded(template)
            template.train(stream_of(scenario)[task], eval_streams=[])
            return steps[2], steps[2].x.flatten(1).double(), old
        decoder = copy.deepcopy(generator.vae.decoder).double()
        latent = torch.randn(3 * BATCH, LATENT, generator=copy.deepcopy(generator._latent))
        steps = recorded(
            template,
            before=lambda strategy: (strategy.generator.vae, strategy.generator._noise),
            after=lambda strategy: [parameter.grad for parameter in strategy.generator.vae.parameters()],
        )
        template.train(stream_of(scenario)[task], eval_streams=[])
        return steps[2], decoder(latent[2 * BATCH :].double()).sigmoid().detach(), old

    return make


def distilled(student, teacher, strategy):
    """-sum p log q, the teacher's classes being the first of the student's; the others have p = 0."""
    if isinstance(strategy, Dgr):
        return functional.cross_entropy(student, teacher.argmax(1))
    p = torch.zeros_like(student)
    p[:, : teacher.shape[1]] = (teacher / strategy.temperature).softmax(1)
    terms = -p * (student / strategy.temperature).log_softmax(1)
    value = terms.sum(1).mean() if strategy.reduction == "sum" else terms.mean()
    return value * strategy.temperature**2 if strategy.times_temperature_squared else value


def papers_loss(step, replayed, old, task, scenario, strategy, active):
    """Loss in experience number `task`, from 0, of two classes each."""
    model = step.model.double()
    real, student = outputs(model, step.x.flatten(1).double()), outputs(model, replayed)
    teacher = outputs(old, replayed).detach()
    if scenario is Scenario.TASK:
        heads = [slice(2 * head, 2 * head + 2) for head in range(task + 1)]
        current = functional.cross_entropy(real[:, heads[-1]], step.y)
        past = sum(distilled(student[:, head], teacher[:, head], strategy) for head in heads[:-1]) / task
    elif scenario is Scenario.CLASS and active == "seen":
        seen = slice(0, 2 * (task + 1))
        current = functional.cross_entropy(real[:, seen], step.y)
        past = distilled(student[:, seen], teacher[:, : 2 * task], strategy)
    else:
        current, past = functional.cross_entropy(real, step.y), distilled(student, teacher, strategy)
    if getattr(strategy, "weighting", "shares") == "shares":
        return current / (task + 1) + (1 - 1 / (task + 1)) * past
    return current + (1 if scenario is Scenario.CLASS else task) * past


@pytest.mark.parametrize("task", [1, 2])
@pytest.mark.parametrize("scenario", list(Scenario))
@pytest.mark.parametrize("method", METHODS)
def test_a_step_is_that_of_the_papers(task, scenario, method, third_step):
    strategy, active = METHODS[method]
    step, replayed, old = third_step(strategy, scenario, task, active)
    expected = papers_loss(step, replayed, old, task, scenario, strategy, active)
    assert step.loss == pytest.approx(expected.item(), rel=1e-5)
    expected.backward()
    for found, parameter in zip(step.gradients, step.model.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad.float(), rtol=1e-4, atol=1e-6)


def test_where_classes_come_in_any_order_the_loss_is_the_same(built, recorded):
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
        template = built(Lwf(reduction="mean"))
        if benchmark is renamed:
            with torch.no_grad():
                for parameter in template.model.output.parameters():
                    parameter[names] = parameter.clone()
        steps = recorded(template)
        template.train(benchmark.avalanche.train_stream, eval_streams=[])
        losses.append([step.loss for step in steps])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_decisions_of_a_teacher_that_knows_some_classes_in_any_order():
    """Its first column is class 2, its second class 0: it decides for 2, then for 0."""
    teacher, student = torch.tensor([[3.0, 1.0], [0.0, 1.0]]), torch.randn(2, 4, dtype=torch.float64)
    log_q = student.log_softmax(1)
    torch.testing.assert_close(hard_distillation_loss(student, teacher, [2, 0]), -(log_q[0, 2] + log_q[1, 0]) / 2)


@pytest.mark.parametrize("task", [0, 1, 2])
def test_a_step_of_the_generator_learns_from_the_same_current_and_replayed_inputs(task, third_step, negative_elbo):
    step, replayed, _ = third_step(Dgr(), Scenario.CLASS, task)
    vae, generator = step.before
    vae, x = vae.double(), step.x.flatten(1).double()
    noise = torch.randn((2 if task else 1) * BATCH, LATENT, generator=generator).double()
    expected = negative_elbo(vae, x, noise[:BATCH]) / (task + 1)
    if task:
        expected = expected + (1 - 1 / (task + 1)) * negative_elbo(vae, replayed, noise[BATCH:])
    expected.backward()
    for found, parameter in zip(step.after, vae.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad.float(), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("hidden_units", [(), (7,), (7, 5)])
def test_the_generators_way_back_has_the_same_widths_and_ends_without_an_activation(hidden_units):
    vae = SymmetricVae(9, hidden_units)
    there = [layer.out_features for layer in vae.encoder if isinstance(layer, torch.nn.Linear)]
    back = [layer.out_features for layer in vae.decoder if isinstance(layer, torch.nn.Linear)]
    assert there == list(hidden_units)
    assert back == [*hidden_units[::-1], 9]
    assert isinstance(vae.decoder[-1], torch.nn.Linear)


def test_the_generators_adam_goes_on_from_experience_to_experience(learnt):
    template = learnt(Dgr(), experiences=2)
    assert {int(state["step"]) for state in template.generator._optimiser.state.values()} == {24}


class Patterns:
    """Three experiences of so many classes: black and white patterns of 40 pixels, of which 2 % are inverted. Grey ones
    would be cheaper to describe by their mean than one by one, so a VAE would generate nothing else."""

    def __init__(self, classes):
        generator = torch.Generator().manual_seed(0)
        self.centres = (torch.rand(3 * classes, 40, generator=generator) < 0.5).float()
        self.facts = BenchmarkFacts(experiences=3, classes_per_experience=classes, input_shape=(40,))

        def draw(experience):
            y = torch.arange(experience * classes, (experience + 1) * classes).repeat_interleave(100)
            inverted = torch.rand(len(y), 40, generator=generator) < 0.02
            return Samples((self.centres[y] - inverted.float()).abs(), y)

        train, test = ([draw(experience) for experience in range(3)] for _ in range(2))
        self.data = in_memory_benchmark(facts=self.facts, scenario=Scenario.CLASS, train=train, test=test, data_sums={})


def test_the_generator_generates_all_that_was_seen(built, negative_elbo):
    """Also after the second experience there are samples of the first; two patterns differ in about 20 pixels."""
    patterns = Patterns(classes=1)
    template = built(Dgr(), stream=patterns, iterations=600, hidden_units=(100, 50), learning_rate=3e-3)
    for seen, experience in enumerate(patterns.data.avalanche.train_stream[:2], 1):
        x, vae = patterns.data.train[seen - 1].x, template.generator.vae
        noise = torch.randn(len(x), LATENT, generator=torch.Generator().manual_seed(0))
        before = negative_elbo(vae, x, noise).item()
        template.train(experience, eval_streams=[])
        assert negative_elbo(vae, x, noise).item() < 0.5 * before
        samples = torch.from_numpy(template.artefacts()["generated_samples"]).float() / 255
        distances, nearest = torch.cdist(samples, patterns.centres, p=1).min(1)
        assert (nearest.bincount(minlength=3)[:seen] >= 6).all()
        assert distances.median() < 7


@pytest.mark.parametrize("strategy", [Dgr(), DgrDistill()])
def test_generated_samples_beat_forgetting(strategy, built):
    """Fine-tuning knows the last experience alone: one third."""
    patterns = Patterns(classes=2)
    template = built(strategy, stream=patterns, iterations=200, hidden_units=(50,))
    template.train(patterns.data.avalanche.train_stream, eval_streams=[])
    assert min(Evaluator(patterns.data).evaluate(template).score) > 0.8


def test_generated_samples_are_the_same_whenever_they_are_asked_for(built):
    facts = BenchmarkFacts(experiences=1, classes_per_experience=2, input_shape=(1, 3, 4))
    template = built(Dgr(), stream=SimpleNamespace(facts=facts))
    first, again = (template.artefacts()["generated_samples"] for _ in range(2))
    assert first.shape == (40, 1, 3, 4)
    assert first.dtype == "uint8"
    assert (first == again).all()
