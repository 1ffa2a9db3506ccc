"""EWC, Online EWC, SI and MAS: whole runs repeated in float64 with plain autograd, one sample at a time."""

import copy

import pytest
import torch
from torch.nn import functional

from baselines.ewc import Ewc, OnlineEwc
from baselines.finetune import Finetune
from baselines.mas import Mas
from baselines.si import Si
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario

DATA = Synthetic(train_per_class=15, features=6)
SMALL = {"stream": DATA, "seed": 3, "iterations": 8, "batch_size": 10, "hidden_units": (5,)}


def doubles(scenario):
    """The experiences, with inputs in float64."""
    drawn = DATA.build(scenario=scenario, seed=1)
    train = [Samples(samples.x.double(), samples.y) for samples in drawn.train]
    made = in_memory_benchmark(facts=DATA.facts, scenario=scenario, train=train, test=train, data_sums={})
    return list(made.avalanche.train_stream)


class Plain:
    """The methods as their papers write them: penalties kept apart, autograd for everything."""

    def __init__(self, settings, setup, model, one_by_one):
        self.settings, self.setup, self.model, self.one_by_one = settings, setup, model, one_by_one
        self.parameters = list(model.parameters())
        self.optimiser = torch.optim.Adam(self.parameters, lr=setup.protocol.learning_rate)
        self.start = self.weights()
        self.terms = []  # pairs of importances and anchors
        self.path = [0.0 for _ in self.parameters]

    def weights(self):
        return [parameter.detach().clone() for parameter in self.parameters]

    def outputs(self, x, task):
        network = getattr(self.model, "network", self.model)
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
        return self.one_by_one(
            self.parameters,
            lambda x, label: self.functions(self.outputs(x.unsqueeze(0), task)[0], label),
            samples.x,
            samples.y,
            size=torch.abs if isinstance(self.settings, Mas) else torch.square,
        )

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
@pytest.mark.parametrize("strategy", METHODS, ids=lambda strategy: strategy.name)
def test_a_run_equals_the_plain_one(strategy, scenario, active, built, recorded, one_by_one):
    template = built(strategy, scenario, active_classes=active, **SMALL)
    template.model.double()
    plain = Plain(strategy, template.setup, copy.deepcopy(template.model), one_by_one)
    steps = recorded(template)
    for task, experience in enumerate(doubles(scenario)):
        template.train(experience, eval_streams=[])
        for step in steps:
            plain.step(step.x, step.y, task)
        steps.clear()
        for found, expected in zip(template.model.parameters(), plain.weights(), strict=True):
            torch.testing.assert_close(found.detach(), expected, rtol=1e-6, atol=1e-8)
        if task < 2:
            plain.finish(experience.in_memory, task)
    # The penalty counts: by the last experience it has turned the weights to another way.
    value = template.penalty.value(template.trained_parameters())
    assert value.item() == pytest.approx(plain.penalty().item(), rel=1e-5)
    assert value.abs() > 3e-4
    free = built(Finetune(), scenario, active_classes=active, **SMALL)
    free.model.double()
    free.train(doubles(scenario), eval_streams=[])
    assert max((a - b).abs().max() for a, b in zip(free.model.parameters(), plain.weights(), strict=True)) > 0.01


@pytest.mark.parametrize("strategy", [Ewc(), OnlineEwc(), Si(), Mas()], ids=lambda s: s.name)
def test_what_is_kept_does_not_grow_with_experiences_and_is_counted(strategy, learnt):
    for experiences in (1, 2):
        template = learnt(strategy, experiences=experiences, **SMALL)
        kept = sum(tensor.numel() for tensor in template.penalty.importance + template.penalty.centre)
        assert template.parameter_counts() == {"trained": 71, "target": 71, "stored_values": kept}


@pytest.mark.parametrize("strategy", [Ewc(), Si(), Mas()], ids=lambda s: s.name)
def test_nothing_is_estimated_after_the_last_experience(strategy, built, stream_of):
    """It would protect what nothing is learnt after."""
    template = built(strategy, Scenario.DOMAIN, **SMALL)
    consolidated = []
    template.consolidate = lambda: consolidated.append(template.task)
    for experience in stream_of(Scenario.DOMAIN, DATA):
        template.train(experience, eval_streams=[])
    assert consolidated == [0, 1]


PATH = {"stream": Synthetic(train_per_class=8, experiences=2), "hidden_units": (5,), "learning_rate": 1e-4}


def test_importances_of_si_by_hand_and_without_a_clamp(learnt):
    template = learnt(Si(damping=0.5), Scenario.DOMAIN, experiences=1, **PATH)
    # 3 / (2^2 + 0.5) and -1 / (0 + 0.5), for the first two biases.
    parameters = template.trained_parameters()
    template._start = [parameter.detach().clone() for parameter in parameters]
    template._gain = [torch.zeros_like(parameter) for parameter in parameters]
    template._start[1][0] -= 2
    template._gain[1][0] = 3
    template._gain[1][1] = -1
    before = template.penalty.importance[1].clone()
    template.consolidate()
    grown = template.penalty.importance[1] - before
    assert grown.tolist() == pytest.approx([3 / 4.5, -2, 0, 0, 0], abs=1e-5)
    assert all(torch.equal(one, two) for one, two in zip(template.penalty.centre, parameters, strict=True))


def test_importances_of_mas_may_be_those_of_some_samples(learnt):
    few, every = (
        learnt(strategy, Scenario.TASK, experiences=1, **SMALL).penalty.importance
        for strategy in (Mas(importance_samples=2), Mas())
    )
    assert [one.shape for one in few] == [one.shape for one in every]
    assert not torch.equal(few[0], every[0])
    many = learnt(Mas(importance_samples=1000), Scenario.TASK, experiences=1, **SMALL).penalty.importance
    for one, other in zip(many, every, strict=True):
        torch.testing.assert_close(one, other)
