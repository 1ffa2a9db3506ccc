"""DGR, with and without distillation: both networks' losses from the papers' formulas; what is replayed, and kept."""

import copy
import pickle

import pytest
import torch
from torch.nn import functional

from baselines.dgr import Dgr
from baselines.dgr_distill import DgrDistill
from baselines.finetune import Finetune
from baselines.training.taught import decided_loss
from baselines.training.vae import LATENT
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import BenchmarkFacts, Scenario, Setup, TrainingProtocol

BATCH = 16


def built(strategy, scenario, facts=None, **changes):
    torch.manual_seed(0)
    settings = {"iterations": 12, "batch_size": BATCH, "hidden_units": (20,), "learning_rate": 1e-2, **changes}
    protocol = TrainingProtocol(**settings)
    return strategy.build(Setup(scenario=scenario, facts=facts or Synthetic().facts, protocol=protocol, seed=1))


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
            self.vae = copy.deepcopy(strategy.generator.vae).double()
            self.noise = copy.deepcopy(strategy.generator._noise)

    def after_update(self, strategy, **kwargs):
        if self.steps == 3:
            self.loss = strategy.loss.item()
            self.gradients = [parameter.grad.clone() for parameter in strategy.model.parameters()]
            self.vae_gradients = [parameter.grad.clone() for parameter in strategy.generator.vae.parameters()]


def third_step(strategy, scenario, task, active="seen"):
    """That step in experience number `task`, the replayed inputs that belong to it, and the classifier before it."""
    stream = stream_of(scenario)
    template = built(strategy, scenario, active_classes=active)
    template.train(stream[:task], eval_streams=[])
    old, decoder = copy.deepcopy(template.model).double(), copy.deepcopy(template.generator.vae.decoder).double()
    latent = torch.randn(3 * BATCH, LATENT, generator=copy.deepcopy(template.generator._latent))
    step = ThirdStep(template)
    template.train(stream[task], eval_streams=[])
    return step, decoder(latent[2 * BATCH :].double()).sigmoid().detach(), old


def replayed_loss(student, teacher, strategy):
    """The teacher's classes are the first of the student's."""
    if isinstance(strategy, Dgr):
        return functional.cross_entropy(student, teacher.argmax(1))
    p = torch.zeros_like(student)
    p[:, : teacher.shape[1]] = (teacher / strategy.temperature).softmax(1)
    terms = -p * (student / strategy.temperature).log_softmax(1)
    value = terms.sum(1).mean() if strategy.reduction == "sum" else terms.mean()
    return value * strategy.temperature**2 if strategy.times_temperature_squared else value


def papers_loss(step, replayed, old, task, scenario, strategy, active):
    """Loss in experience number `task`, from 0, of two classes each."""
    real, student, teacher = outputs(step.model, step.x), outputs(step.model, replayed), outputs(old, replayed).detach()
    if scenario is Scenario.TASK:
        heads = [slice(2 * head, 2 * head + 2) for head in range(task + 1)]
        real = real[:, heads[-1]]
        second = sum(replayed_loss(student[:, head], teacher[:, head], strategy) for head in heads[:-1]) / task
    elif scenario is Scenario.CLASS and active == "seen":
        real = real[:, : 2 * (task + 1)]
        second = replayed_loss(student[:, : 2 * (task + 1)], teacher[:, : 2 * task], strategy)
    else:
        second = replayed_loss(student, teacher, strategy)
    return functional.cross_entropy(real, step.y) / (task + 1) + (1 - 1 / (task + 1)) * second


STRATEGIES = [Dgr(), DgrDistill(), DgrDistill(temperature=3.0, reduction="mean", times_temperature_squared=False)]


@pytest.mark.parametrize("task", [1, 2])
@pytest.mark.parametrize(
    ("scenario", "active"),
    [(Scenario.TASK, "seen"), (Scenario.DOMAIN, "seen"), (Scenario.CLASS, "seen"), (Scenario.CLASS, "all")],
)
@pytest.mark.parametrize("strategy", STRATEGIES, ids=["hard", "soft", "mean"])
def test_a_step_of_the_classifier_is_that_of_the_papers(task, scenario, active, strategy):
    step, replayed, old = third_step(strategy, scenario, task, active)
    expected = papers_loss(step, replayed, old, task, scenario, strategy, active)
    assert step.loss == pytest.approx(expected.item(), rel=1e-5)
    expected.backward()
    for found, parameter in zip(step.gradients, step.model.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad.float(), rtol=1e-4, atol=1e-6)


def test_decisions_of_a_teacher_that_knows_some_classes_in_any_order():
    """Its first column is class 2, its second class 0: it decides for 2, then for 0."""
    teacher, student = torch.tensor([[3.0, 1.0], [0.0, 1.0]]), torch.randn(2, 4, dtype=torch.float64)
    log_q = student.log_softmax(1)
    torch.testing.assert_close(decided_loss(student, teacher, [2, 0]), -(log_q[0, 2] + log_q[1, 0]) / 2)


def vae_loss(vae, x, noise):
    """Mean over samples of [sum over pixels of BCE + KL] / pixels."""
    hidden = vae.encoder(x)
    mean, deviation = vae.mean(hidden), (vae.log_variance(hidden) / 2).exp()
    found = vae.decoder(mean + noise * deviation).sigmoid()
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(
        normal(mean, deviation), normal(torch.zeros_like(mean), torch.ones_like(mean))
    )
    bce = functional.binary_cross_entropy(found, x, reduction="none")
    return ((bce.sum(1) + divergence.sum(1)) / x.shape[1]).mean()


@pytest.mark.parametrize("task", [1, 2])
def test_a_step_of_the_generator_learns_from_the_same_current_and_replayed_inputs(task):
    step, replayed, _ = third_step(Dgr(), Scenario.CLASS, task)
    noise = torch.randn(2 * BATCH, LATENT, generator=step.noise).double()
    expected = vae_loss(step.vae, step.x, noise[:BATCH]) / (task + 1)
    expected = expected + (1 - 1 / (task + 1)) * vae_loss(step.vae, replayed, noise[BATCH:])
    expected.backward()
    for found, parameter in zip(step.vae_gradients, step.vae.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad.float(), rtol=1e-4, atol=1e-7)


def test_in_the_first_experience_the_generator_learns_and_the_classifier_is_that_of_fine_tuning():
    step = third_step(Dgr(), Scenario.CLASS, 0)[0]
    vae_loss(step.vae, step.x, torch.randn(BATCH, LATENT, generator=step.noise).double()).backward()
    for found, parameter in zip(step.vae_gradients, step.vae.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad.float(), rtol=1e-4, atol=1e-7)
    learnt = []
    for strategy in (Finetune(), Dgr(), DgrDistill()):
        template = built(strategy, Scenario.CLASS)
        template.train(stream_of(Scenario.CLASS)[0], eval_streams=[])
        learnt.append(list(template.model.parameters()))
    for plain, *others in zip(*learnt, strict=True):
        assert all(torch.equal(plain, other) for other in others)


def test_the_generators_adam_goes_on_from_experience_to_experience():
    template = built(Dgr(), Scenario.CLASS)
    template.train(stream_of(Scenario.CLASS)[:2], eval_streams=[])
    assert {int(state["step"]) for state in template.generator._optimiser.state.values()} == {24}


def patterns(classes):
    """Three experiences of so many classes: black and white patterns of 40 pixels, of which 2 % are inverted. Grey ones
    would be cheaper to describe by their mean than one by one, so a VAE would generate nothing else."""
    generator = torch.Generator().manual_seed(0)
    centres = (torch.rand(3 * classes, 40, generator=generator) < 0.5).float()

    def draw(experience):
        y = torch.arange(experience * classes, (experience + 1) * classes).repeat_interleave(100)
        inverted = torch.rand(len(y), 40, generator=generator) < 0.02
        return Samples((centres[y] - inverted.float()).abs(), y)

    parts = [[draw(experience) for experience in range(3)] for _ in range(2)]
    facts = BenchmarkFacts(experiences=3, classes_per_experience=classes, input_shape=(40,))
    return centres, in_memory_benchmark(
        facts=facts, scenario=Scenario.CLASS, train=parts[0], test=parts[1], data_sums={}
    )


def test_the_generator_generates_all_that_was_seen():
    """Also after the second experience there are samples of the first; two patterns differ in about 20 pixels."""
    centres, data = patterns(classes=1)
    template = built(Dgr(), Scenario.CLASS, data.facts, iterations=600, hidden_units=(100, 50), learning_rate=3e-3)
    for seen, experience in enumerate(data.avalanche.train_stream[:2], 1):
        x, vae = data.train[seen - 1].x, template.generator.vae
        noise = torch.randn(len(x), LATENT, generator=torch.Generator().manual_seed(0))
        before = vae_loss(vae, x, noise).item()
        template.train(experience, eval_streams=[])
        assert vae_loss(vae, x, noise).item() < 0.5 * before
        samples = torch.from_numpy(template.artefacts()["generated_samples"]).float() / 255
        distances, nearest = torch.cdist(samples, centres, p=1).min(1)
        assert (nearest.bincount(minlength=3)[:seen] >= 6).all()
        assert distances.median() < 7


def test_generated_samples_are_the_same_whenever_they_are_asked_for():
    facts = BenchmarkFacts(experiences=1, classes_per_experience=2, input_shape=(1, 3, 4))
    template = built(Dgr(), Scenario.CLASS, facts)
    first, again = (template.artefacts()["generated_samples"] for _ in range(2))
    assert first.shape == (40, 1, 3, 4)
    assert first.dtype == "uint8"
    assert (first == again).all()


@pytest.mark.parametrize("strategy", [Dgr(), DgrDistill()])
def test_replay_beats_forgetting(strategy):
    """Fine-tuning knows the last experience alone: one third."""
    _, data = patterns(classes=2)
    template = built(strategy, Scenario.CLASS, data.facts, iterations=200, hidden_units=(50,))
    template.train(data.avalanche.train_stream, eval_streams=[])
    assert min(Evaluator(data).evaluate(template).score) > 0.8


@pytest.mark.parametrize(
    ("pixels", "units", "experiences", "classes", "classifier", "generator"),
    [(784, 400, 5, 2, 478_410, 1_069_684), (1024, 1000, 10, 10, 2_126_100, 4_353_124)],
)
def test_parameters_are_as_many_as_in_the_papers(pixels, units, experiences, classes, classifier, generator):
    facts = BenchmarkFacts(experiences=experiences, classes_per_experience=classes, input_shape=(pixels,))
    template = built(Dgr(), Scenario.CLASS, facts, hidden_units=(units, units))
    assert template.parameter_counts() == {"trained": classifier, "target": classifier, "generator": generator}


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda template: pickle.loads(pickle.dumps(template))])
def test_between_experiences_a_copy_goes_on_as_the_original_would(copied):
    stream = stream_of(Scenario.CLASS)
    template = built(DgrDistill(), Scenario.CLASS)
    template.train(stream[:2], eval_streams=[])
    other = copied(template)
    for one in (template, other):
        one.train(stream[2], eval_streams=[])
    for networks in ((template.model, other.model), (template.generator.vae, other.generator.vae)):
        for one, same in zip(*(network.parameters() for network in networks), strict=True):
            assert torch.equal(one, same)


@pytest.mark.parametrize("scenario", list(Scenario))
@pytest.mark.parametrize("strategy", [Dgr(), DgrDistill()])
def test_one_class_per_experience_and_fewer_samples_than_a_batch(strategy, scenario):
    benchmark = Synthetic(classes_per_experience=1, train_per_class=5)
    template = built(strategy, scenario, benchmark.facts)
    template.train(benchmark.build(scenario=scenario, seed=1).avalanche.train_stream, eval_streams=[])
    assert all(parameter.isfinite().all() for parameter in template.model.parameters())
