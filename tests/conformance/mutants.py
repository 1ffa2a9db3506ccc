"""Strategies with one fault each, named after it, for the tests of the kit."""

import copy
import functools
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy
import torch
from torch import nn

from baselines.joint import Joint
from hnet_bench.avalanche_adapter.benchmark import concatenated
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.interfaces import Scenario


class _ByClass:
    """Builds the template that stands beside the settings."""

    scenarios = (Scenario.CLASS,)
    template: ClassVar[type]

    def build(self, setup):
        return self.template(setup=setup)


def mutant(template=None, *, scenarios=(Scenario.CLASS,)):
    """Puts the strategy that builds a template in the template's place."""
    if template is None:
        return functools.partial(mutant, scenarios=scenarios)
    attributes = {"name": template.__name__, "scenarios": scenarios, "template": template, "__module__": __name__}
    return dataclass(frozen=True, kw_only=True)(type(template.__name__, (_ByClass,), attributes))


@mutant
class Sound(ClassifierTemplate):
    pass


@mutant
class WorksOnAfterEachStep(ClassifierTemplate):
    """Sound: a step is over only when the next one begins."""

    def __init__(self, setup):
        super().__init__(setup=setup)
        self.steps = 0

    def _after_training_iteration(self, **kwargs):
        super()._after_training_iteration(**kwargs)
        self.steps += 1

    def criterion(self):
        return super().criterion() * (1 + self.steps % 5)


@mutant
class FreezesItsFirstLayer(ClassifierTemplate):
    """Sound: counts it all the same."""

    def end_experience(self):
        super().end_experience()
        for parameter in next(self.model.children()).parameters():
            parameter.requires_grad_(False)


@mutant
class ReadsTaskLabels(ClassifierTemplate):
    def forward(self):
        outputs = super().forward()
        if self.is_training:
            return outputs
        known = torch.arange(outputs.shape[1]) // 2 == self.mb_task_id.unsqueeze(1)
        return outputs.masked_fill(~known, -1e4)


@dataclass(frozen=True, kw_only=True)
class AsksTheBatch(_ByClass):
    name = "AsksTheBatch"

    def build(self, setup):
        class BatchTemplate(type(Joint().build(setup))):
            def forward(self):
                outputs = super().forward()
                if self.is_training:
                    return outputs
                # Most samples of a batch are of one task, if nobody mixed them.
                classes = setup.facts.classes_per_experience
                task = outputs.unflatten(1, (-1, classes)).amax(2).mean(0).argmax()
                return outputs.masked_fill(torch.arange(outputs.shape[1]) // classes != task, -1e4)

        return BatchTemplate(setup=setup)


@mutant
class FailsOnASingleSample(ClassifierTemplate):
    def forward(self):
        outputs = super().forward()
        # Nothing is left of a single sample without the mean of its batch.
        return outputs if len(outputs) > 1 else outputs - outputs.mean(dim=0)


@mutant
class CentresLargeBatches(ClassifierTemplate):
    def forward(self):
        outputs = super().forward()
        # As whoever does without what too few samples would tell.
        return outputs if self.is_training or len(outputs) < 32 else outputs - outputs.mean(dim=0)


@mutant
class ForgotTheSeed(ClassifierTemplate):
    def criterion(self):
        return super().criterion() * (0.5 + numpy.random.default_rng().random())


@mutant
class SharesState(ClassifierTemplate):
    steps_of_all_runs: ClassVar[list[int]] = []

    def criterion(self):
        self.steps_of_all_runs.append(1)
        return super().criterion() * (1 if len(self.steps_of_all_runs) < 100 else 0.5)


@mutant
class KnowsOneSeed(ClassifierTemplate):
    def __init__(self, setup):
        torch.manual_seed(0)
        super().__init__(setup=setup)
        self._data_order.manual_seed(0)


@mutant
class BuffersTestData(ClassifierTemplate):
    def __init__(self, setup):
        super().__init__(setup=setup)
        self.hoard = []

    def forward(self):
        if not self.is_training:
            self.hoard = [self.mb_x.clone()]
        return super().forward()

    def criterion(self):
        loss = super().criterion()
        if self.is_training and self.hoard:
            loss = loss + self.model(self.hoard[0]).square().mean()
        return loss


@mutant
class BuffersValidationData(BuffersTestData.template):
    """Does so in trials of a search alone, where there is no test data."""

    def forward(self):
        outputs = super().forward()
        if not self.setup.protocol.validation:
            self.hoard = []
        return outputs


@mutant
class NormalisesWithTestData(ClassifierTemplate):
    """Its parameters never know."""

    def __init__(self, setup):
        super().__init__(setup=setup)
        self.shown = None

    def forward(self):
        outputs = super().forward()
        if self.is_training:
            return outputs
        if self.shown is None:
            self.shown = outputs.mean(dim=0)
        return outputs - 10 * self.shown


@mutant
class AnswersByChance(ClassifierTemplate):
    """With weights beside its model, which no seed decides and nobody trains."""

    def __init__(self, setup):
        super().__init__(setup=setup)
        size = (setup.facts.inputs, 99)
        self.weights = torch.tensor(numpy.random.default_rng().normal(size=size), dtype=torch.float32)

    def forward(self):
        outputs = super().forward()
        if self.is_training:
            return outputs
        return outputs + 50 * self.mb_x.flatten(1) @ self.weights[:, : outputs.shape[1]]


@mutant
class CountsEvaluations(ClassifierTemplate):
    def __init__(self, setup):
        super().__init__(setup=setup)
        self.calls = 0

    def forward(self):
        self.calls += 1
        return super().forward()

    def criterion(self):
        return super().criterion() * (1 + self.calls % 5)


@mutant
class Miscounts(ClassifierTemplate):
    def parameter_counts(self):
        return {"trained": 10, "target": 10}


@mutant
class CountsWhatIsNotThere(ClassifierTemplate):
    def parameter_counts(self):
        counts = super().parameter_counts()
        return {**counts, "trained": 2 * counts["trained"]}


@mutant
class KeepsAClosure(ClassifierTemplate):
    def __init__(self, setup):
        super().__init__(setup=setup)
        self.weight_of = lambda task: 1 / (1 + task)


@mutant
class HidesState(ClassifierTemplate):
    old: ClassVar[dict[int, Any]] = {}

    def criterion(self):
        loss = super().criterion()
        if not self.is_training:
            return loss
        seen = self.old.setdefault(id(self), set())
        seen.add(self.task)
        return loss * len(seen)


@mutant
class TrainsNothing(ClassifierTemplate):
    def criterion(self):
        return super().criterion() * 0


@mutant
class Overflows(ClassifierTemplate):
    def criterion(self):
        return super().criterion() * float("nan")


@mutant
class MixesUpColumns(ClassifierTemplate):
    def forward(self):
        outputs = super().forward()
        return outputs if self.is_training else outputs.roll(1, dims=1)


@mutant
class ExpectsTwoClasses(ClassifierTemplate):
    def criterion(self):
        first, second = self.classes_of[0] if self.is_training else (0, 1)
        return super().criterion() + 0 * (first + second)


@mutant
class Crashes(ClassifierTemplate):
    def criterion(self):
        return self.no_such_loss


@dataclass
class IsNotFrozen(_ByClass):
    name = "is_not_frozen"
    template = ClassifierTemplate


@dataclass(frozen=True, kw_only=True)
class HasNoName(_ByClass):
    template = ClassifierTemplate


@dataclass(frozen=True, kw_only=True)
class NamesScenariosAsText(_ByClass):
    name = "names_scenarios_as_text"
    scenarios = ("class",)
    template = ClassifierTemplate


@dataclass(frozen=True, kw_only=True)
class HasAHyperparameterWithoutAType(_ByClass):
    name = "has_a_hyperparameter_without_a_type"
    template: ClassVar = ClassifierTemplate
    strength = 0.5


@dataclass(frozen=True, kw_only=True)
class HasAFunctionAsHyperparameter(_ByClass):
    name = "has_a_function_as_hyperparameter"
    template = ClassifierTemplate
    activation: Any = nn.functional.relu


@dataclass(frozen=True, kw_only=True)
class ChangesItsSettings(_ByClass):
    name = "changes_its_settings"
    template = ClassifierTemplate
    strength: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "strength", self.strength + 1)


@mutant
class TakesTheLogarithmOfZero(ClassifierTemplate):
    def criterion(self):
        loss = super().criterion()
        if not self.is_training:
            return loss
        probabilities = torch.softmax(self.mb_output, dim=1)
        return loss - 0.01 * (probabilities * probabilities.log()).sum(1).mean()


@mutant
class TakesMoreSteps(ClassifierTemplate):
    @property
    def iterations(self):
        return 5 * super().iterations


@mutant
class StepsManyTimes(ClassifierTemplate):
    """With one gradient."""

    def optimizer_step(self):
        for _ in range(5):
            super().optimizer_step()


@mutant
class TrainsCopies(ClassifierTemplate):
    """Trains other copies of its network than the one that it keeps."""

    def optimizer_step(self):
        super().optimizer_step()
        for _ in range(3):
            other = copy.deepcopy(self.model)
            optimiser = torch.optim.Adam(other.parameters(), lr=self.setup.protocol.learning_rate)
            self._criterion(self.active(other(self.mb_x)), self.mb_y).backward()
            optimiser.step()
            self.model.load_state_dict(other.state_dict())


@mutant
class StepsByHand(ClassifierTemplate):
    def optimizer_step(self):
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter -= 0.1 * parameter.grad


def _with_protocol(**changes):
    class Changed(ClassifierTemplate):
        def __init__(self, setup):
            super().__init__(setup=replace(setup, protocol=replace(setup.protocol, **changes)))

    return Changed


@dataclass(frozen=True, kw_only=True)
class LearnsFaster(_ByClass):
    name = "learns_faster"
    template = _with_protocol(learning_rate=0.03)


@dataclass(frozen=True, kw_only=True)
class HasALargerNetwork(_ByClass):
    name = "has_a_larger_network"
    template = _with_protocol(hidden_units=(120,))


@dataclass(frozen=True, kw_only=True)
class TakesLargerBatches(_ByClass):
    name = "takes_larger_batches"
    template = _with_protocol(batch_size=160)


@mutant
class CountsASmallerNetwork(HasALargerNetwork.template):
    def parameter_counts(self):
        return {"trained": 462, "target": 462}


@mutant
class TakesAnotherOptimiser(ClassifierTemplate):
    def make_optimizer(self, **kwargs):
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.setup.protocol.learning_rate)


@mutant
class CountsOne(ClassifierTemplate):
    def parameter_counts(self):
        return {"trained": 1, "target": 1}


@mutant
class ClaimsALargeTarget(ClassifierTemplate):
    def parameter_counts(self):
        return {**super().parameter_counts(), "target": 10**9}


class _ReplayingTemplate(ClassifierTemplate):
    """Replays whatever it has kept."""

    def __init__(self, setup):
        super().__init__(setup=setup)
        self.kept = []

    def criterion(self):
        loss = super().criterion()
        if not self.is_training or not self.kept:
            return loss
        x, y = self.drawn()
        return loss + self._criterion(self.active(self.model(x)), y)

    def drawn(self):
        x, y = random_one(self.kept)
        return x[: len(self.mb_y)], y[: len(self.mb_y)]


def random_one(kept):
    return kept[int(torch.randint(len(kept), ()))]


@mutant
class KeepsEverySample(_ReplayingTemplate):
    def _after_training_exp(self, **kwargs):
        super()._after_training_exp(**kwargs)
        samples = self.experience.in_memory
        self.kept.append((samples.x.clone(), samples.y.clone()))


@mutant
class KeepsExperiences(_ReplayingTemplate):
    """Their data sets."""

    def _after_training_exp(self, **kwargs):
        super()._after_training_exp(**kwargs)
        self.kept.append(self.experience.dataset)

    def drawn(self):
        items = [random_one(self.kept)[index] for index in range(len(self.mb_y))]
        return torch.stack([item[0] for item in items]), torch.tensor([int(item[1]) for item in items])


@mutant
class ReachesForTheFuture(ClassifierTemplate):
    def make_train_dataloader(self, **kwargs):
        following = self.experience.origin_stream[self.task + 1]
        self.dataloader = self.infinite_batches(following.in_memory, 0, self.setup.protocol.batch_size)


@mutant
class ReachesForThePast(ReachesForTheFuture.template):
    def make_train_dataloader(self, **kwargs):
        past = [self.experience.origin_stream[index].in_memory for index in range(self.task + 1)]
        self.dataloader = self.infinite_batches(concatenated(past), 0, self.setup.protocol.batch_size)


@mutant(scenarios=(Scenario.TASK,))
class KeepsANetworkPerTask(ClassifierTemplate):
    """Answers each task with a network of its own, and counts one."""

    def __init__(self, setup):
        super().__init__(setup=setup)
        self.networks = []

    def _after_training_exp(self, **kwargs):
        super()._after_training_exp(**kwargs)
        self.networks.append(self.remembered())

    def remembered(self):
        return copy.deepcopy(self.model)

    def recalled(self, number):
        return self.networks[number]

    def forward(self):
        if self.is_training or not self.networks:
            return super().forward()
        answers = [self.recalled(number)(self.mb_x, self.mb_task_id) for number in range(len(self.networks))]
        return torch.stack(answers)[self.mb_task_id.clamp(max=len(answers) - 1), torch.arange(len(self.mb_x))]


@mutant(scenarios=(Scenario.TASK,))
class KeepsWeightsPerTask(KeepsANetworkPerTask.template):
    def remembered(self):
        return {name: value.clone() for name, value in self.model.state_dict().items()}

    def recalled(self, number):
        return functools.partial(torch.func.functional_call, self.model, self.networks[number])

    def forward(self):
        if self.is_training or not self.networks:
            return ClassifierTemplate.forward(self)
        inputs = (self.mb_x, self.mb_task_id)
        answers = [self.recalled(number)(inputs) for number in range(len(self.networks))]
        return torch.stack(answers)[self.mb_task_id.clamp(max=len(answers) - 1), torch.arange(len(self.mb_x))]


class _SettingsTemplate(ClassifierTemplate):
    def __init__(self, *, setup, settings):
        self.settings = settings
        super().__init__(setup=setup)


@dataclass(frozen=True, kw_only=True)
class KeepsItsSettings(_ByClass):
    """Sound: the natural way to hand hyperparameters on."""

    name = "keeps_its_settings"

    def build(self, setup):
        return _SettingsTemplate(setup=setup, settings=self)
