"""EWC, Online EWC, SI and MAS: whole runs repeated in float64 with plain autograd, one sample at a time."""

import copy
import pickle

import pytest
import torch
from torch.nn import functional

from baselines.ewc import Ewc
from baselines.mas import Mas
from baselines.online_ewc import OnlineEwc
from baselines.si import Si
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol

DATA = Synthetic(train_per_class=15, features=6)
ITERATIONS = 8


def setup_of(scenario, active_classes="seen", facts=DATA.facts, **changes):
    settings = {"iterations": ITERATIONS, "batch_size": 10, "hidden_units": (5,), "learning_rate": 1e-2, **changes}
    protocol = TrainingProtocol(active_classes=active_classes, **settings)
    return Setup(scenario=scenario, facts=facts, protocol=protocol, seed=3)


def stream_of(scenario):
    """The experiences, with inputs in float64."""
    drawn = DATA.build(scenario=scenario, seed=1)
    train = [Samples(samples.x.double(), samples.y) for samples in drawn.train]
    made = in_memory_benchmark(facts=DATA.facts, scenario=scenario, train=train, test=train, data_sums={})
    return list(made.avalanche.train_stream)


def built(settings, setup):
    torch.manual_seed(0)
    template = settings.build(setup)
    template.model.double()
    return template


class Batches:
    """Keeps every batch that is trained on."""

    def __init__(self):
        self.kept = []

    def before_forward(self, strategy, **kwargs):
        self.kept.append((strategy.mb_x, strategy.mb_y))


class Plain:
    """The methods as their papers write them: penalties kept apart, autograd for everything."""

    def __init__(self, settings, setup, model):
        self.settings, self.setup, self.model = settings, setup, model
        self.parameters = list(model.parameters())
        self.optimiser = torch.optim.Adam(self.parameters, lr=setup.protocol.learning_rate)
        self.start = self.weights()
        self.terms = []  # pairs of importances and anchors
        self.path = [0.0 for _ in self.parameters]

    def weights(self):
        return [parameter.detach().clone() for parameter in self.parameters]

    def outputs(self, x, task):
        network = getattr(self.model, "mlp", self.model)
        said = network.output(network.hidden(x))
        if self.setup.scenario is Scenario.TASK:
            return said[:, 2 * task : 2 * task + 2]
        seen = self.setup.scenario is Scenario.CLASS and self.setup.protocol.active_classes == "seen"
        return said[:, : 2 * task + 2] if seen else said

    def penalty(self):
        """Strength, halves and decays as in the specification; the sum over terms is left as it is."""
        factor = self.settings.strength
        if isinstance(self.settings, (Ewc, OnlineEwc)):
            factor /= 2
        if isinstance(self.settings, OnlineEwc) and self.settings.decay_in_penalty:
            factor *= self.settings.decay
        return factor * sum(
            (f * (now - anchor) ** 2).sum()
            for importance, anchors in self.terms
            for f, now, anchor in zip(importance, self.parameters, anchors, strict=True)
        )

    def step(self, x, y, task):
        loss = functional.cross_entropy(self.outputs(x, task), y) + self.penalty()
        gradients = torch.autograd.grad(loss, self.parameters)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        before = self.weights()
        self.optimiser.step()
        moves = [new - old for new, old in zip(self.weights(), before, strict=True)]
        self.path = [w - g * move for w, g, move in zip(self.path, gradients, moves, strict=True)]

    def finish(self, samples, task):
        importance = self.importance(samples, task)
        if not isinstance(self.settings, Ewc):
            old = self.terms[0][0] if self.terms else [0.0] * len(importance)
            decay = getattr(self.settings, "decay", 1.0)
            importance = [decay * before + new for before, new in zip(old, importance, strict=True)]
            self.terms = []
        self.terms.append((importance, self.weights()))
        self.start, self.path = self.weights(), [0.0 for _ in self.parameters]

    def importance(self, samples, task):
        if isinstance(self.settings, Si):
            moves = [now - then for now, then in zip(self.weights(), self.start, strict=True)]
            return [w / (move**2 + self.settings.damping) for w, move in zip(self.path, moves, strict=True)]
        totals = [torch.zeros_like(parameter) for parameter in self.parameters]
        for x, label in zip(samples.x, samples.y, strict=True):
            said = self.outputs(x.unsqueeze(0), task)[0]
            for weight, function in self.functions(said, label):
                gradients = torch.autograd.grad(function, self.parameters, retain_graph=True, allow_unused=True)
                for total, gradient in zip(totals, gradients, strict=True):
                    total += weight * (gradient.abs() if isinstance(self.settings, Mas) else gradient**2)
        return [total / len(samples) for total in totals]

    def functions(self, said, label):
        if isinstance(self.settings, Mas):
            return [(1.0, (said**2).sum())]
        logs = torch.log_softmax(said, 0)
        if self.settings.fisher == "exact":
            return [(log.exp().detach(), log) for log in logs]
        return [(1.0, logs[label] if self.settings.fisher == "true" else logs.max())]


METHODS = [
    Ewc(strength=300.0),
    Ewc(strength=300.0, fisher="exact"),
    Ewc(strength=300.0, fisher="true"),
    OnlineEwc(strength=300.0, decay=0.6),
    OnlineEwc(strength=300.0, decay=0.6, decay_in_penalty=False, fisher="exact"),
    Si(strength=10.0, damping=0.05),
    Mas(strength=3.0),
]
CASES = [(Scenario.TASK, "seen"), (Scenario.DOMAIN, "seen"), (Scenario.CLASS, "seen"), (Scenario.CLASS, "all")]


@pytest.mark.parametrize(("scenario", "active"), CASES)
@pytest.mark.parametrize("settings", METHODS, ids=lambda settings: settings.name)
def test_a_run_equals_the_plain_one(settings, scenario, active):
    setup = setup_of(scenario, active)
    template = built(settings, setup)
    plain = Plain(settings, setup, copy.deepcopy(template.model))
    for task, experience in enumerate(stream_of(scenario)):
        batches = Batches()
        template.plugins.append(batches)
        template.train(experience, eval_streams=[])
        template.plugins.remove(batches)
        for x, y in batches.kept:
            plain.step(x, y, task)
        for found, expected in zip(template.model.parameters(), plain.weights(), strict=True):
            torch.testing.assert_close(found.detach(), expected, rtol=1e-6, atol=1e-8)
        # The penalty counts: by the last experience it has turned the weights to another way.
        if task == 2:
            value = template.penalty.value(template.trained_parameters())
            assert value.item() == pytest.approx(plain.penalty().item(), rel=1e-5)
            assert value.abs() > 3e-4
            free = trained_without_penalty(scenario, active)
            assert max((a - b).abs().max() for a, b in zip(free, plain.weights(), strict=True)) > 0.01
        else:
            plain.finish(experience.in_memory, task)


def trained_without_penalty(scenario, active):
    """Weights after the same stream."""
    torch.manual_seed(0)
    template = ClassifierTemplate(setup=setup_of(scenario, active))
    template.model.double()
    for experience in stream_of(scenario):
        template.train(experience, eval_streams=[])
    return [parameter.detach() for parameter in template.model.parameters()]


@pytest.mark.parametrize("settings", [Ewc(fisher_samples=7), OnlineEwc(), Si(), Mas()], ids=lambda s: s.name)
def test_between_experiences_a_template_can_be_copied_and_pickled(settings):
    stream = stream_of(Scenario.CLASS)
    template = built(settings, setup_of(Scenario.CLASS))
    template.train(stream[:2], eval_streams=[])
    others = [copy.deepcopy(template), pickle.loads(pickle.dumps(template))]
    template.train(stream[2], eval_streams=[])
    for other in others:
        other.train(stream[2], eval_streams=[])
        for one, two in zip(template.model.parameters(), other.model.parameters(), strict=True):
            assert torch.equal(one, two)


@pytest.mark.parametrize("settings", [Ewc(), OnlineEwc(), Si(), Mas()], ids=lambda s: s.name)
def test_what_is_kept_does_not_grow_with_experiences_and_is_counted(settings):
    template = built(settings, setup_of(Scenario.CLASS))
    for experience in stream_of(Scenario.CLASS)[:2]:
        template.train(experience, eval_streams=[])
        kept = sum(tensor.numel() for tensor in template.penalty.importance + template.penalty.centre)
        assert template.parameter_counts() == {"trained": 71, "target": 71, "stored_values": kept}


@pytest.mark.parametrize("settings", [Ewc(), Si(), Mas()], ids=lambda s: s.name)
def test_nothing_is_estimated_after_the_last_experience(settings):
    template = built(settings, setup_of(Scenario.DOMAIN))
    consolidated = []
    template.consolidate = lambda: consolidated.append(template.task)
    for experience in stream_of(Scenario.DOMAIN):
        template.train(experience, eval_streams=[])
    assert consolidated == [0, 1]


def test_estimating_after_the_last_experience_would_change_nothing():
    stream = stream_of(Scenario.DOMAIN)
    outcomes = []
    for forced in (False, True):
        template = built(Ewc(), setup_of(Scenario.DOMAIN))
        for experience in stream[:2]:
            template.train(experience, eval_streams=[])
        if forced:
            finish = template._after_training_exp
            template._after_training_exp = lambda finish=finish, template=template, **kw: (
                finish(**kw),
                template.consolidate(),
            )
        template.train(stream[2], eval_streams=[])
        weights = torch.cat([parameter.detach().flatten() for parameter in template.model.parameters()])
        outcomes.append((weights, torch.get_rng_state(), template.parameter_counts()))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert torch.equal(outcomes[0][1], outcomes[1][1])
    assert outcomes[0][2] == outcomes[1][2]


def final_score(build):
    """Mean accuracy in TASK after five experiences in float32, on a network that is too small not to forget."""
    data = Synthetic(classes_per_experience=4, experiences=5, train_per_class=40)
    benchmark = data.build(scenario=Scenario.TASK, seed=3)
    torch.manual_seed(0)
    template = build(setup_of(Scenario.TASK, facts=data.facts, iterations=200, batch_size=20, hidden_units=(10,)))
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    return sum(Evaluator(benchmark).evaluate(template).score) / 5


def test_every_method_forgets_less_than_fine_tuning():
    plain = final_score(lambda setup: ClassifierTemplate(setup=setup))
    for settings in (Ewc(strength=100.0), OnlineEwc(strength=100.0), Si(strength=0.5), Mas(strength=0.03)):
        assert final_score(settings.build) > plain + 0.05, settings.name
