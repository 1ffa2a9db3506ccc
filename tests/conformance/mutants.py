"""Strategies with one fault each, named after it, for the tests of the kit."""

import copy
import functools
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy
import torch
from torch import nn

from baselines.training.joint import JointTemplate
from hnet_bench.avalanche_adapter.benchmark import concatenated
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.interfaces import Scenario


class _ByClass:
    """Builds the template that stands beside the settings."""

    scenarios = (Scenario.CLASS,)
    template: ClassVar[type]

    def build(self, setup):
        return self.template(setup=setup)


@dataclass(frozen=True, kw_only=True)
class Sound(_ByClass):
    name = "sound"
    template = ClassifierTemplate


class _LateTemplate(ClassifierTemplate):
    def __init__(self, setup):
        super().__init__(setup=setup)
        self.steps = 0

    def _after_training_iteration(self, **kwargs):
        super()._after_training_iteration(**kwargs)
        self.steps += 1

    def criterion(self):
        return super().criterion() * (1 + self.steps % 5)


@dataclass(frozen=True, kw_only=True)
class WorksOnAfterEachStep(_ByClass):
    """Sound: a step is over only when the next one begins."""

    name = "works_on_after_each_step"
    template = _LateTemplate


class _LabelTemplate(ClassifierTemplate):
    def forward(self):
        outputs = super().forward()
        if self.is_training:
            return outputs
        known = torch.arange(outputs.shape[1]) // 2 == self.mb_task_id.unsqueeze(1)
        return outputs.masked_fill(~known, -1e4)


@dataclass(frozen=True, kw_only=True)
class ReadsTaskLabels(_ByClass):
    name = "reads_task_labels"
    template = _LabelTemplate


class _BatchTemplate(JointTemplate):
    def __init__(self, setup):
        super().__init__(setup=setup, incremental=True)
        self.classes = setup.facts.classes_per_experience

    def forward(self):
        outputs = super().forward()
        if self.is_training:
            return outputs
        # Most samples of a batch are of one task, if nobody mixed them.
        task = outputs.unflatten(1, (-1, self.classes)).amax(2).mean(0).argmax()
        return outputs.masked_fill(torch.arange(outputs.shape[1]) // self.classes != task, -1e4)


@dataclass(frozen=True, kw_only=True)
class AsksTheBatch(_ByClass):
    name = "asks_the_batch"
    template = _BatchTemplate


class _LonelyTemplate(ClassifierTemplate):
    def forward(self):
        outputs = super().forward()
        # Nothing is left of a single sample without the mean of its batch.
        return outputs if len(outputs) > 1 else outputs - outputs.mean(dim=0)


@dataclass(frozen=True, kw_only=True)
class FailsOnASingleSample(_ByClass):
    name = "fails_on_a_single_sample"
    template = _LonelyTemplate


class _UnseededTemplate(ClassifierTemplate):
    def criterion(self):
        return super().criterion() * (0.5 + numpy.random.default_rng().random())


@dataclass(frozen=True, kw_only=True)
class ForgotTheSeed(_ByClass):
    name = "forgot_the_seed"
    template = _UnseededTemplate


class _SharingTemplate(ClassifierTemplate):
    steps_of_all_runs: ClassVar[list[int]] = []

    def criterion(self):
        self.steps_of_all_runs.append(1)
        return super().criterion() * (1 if len(self.steps_of_all_runs) < 100 else 0.5)


@dataclass(frozen=True, kw_only=True)
class SharesState(_ByClass):
    name = "shares_state"
    template = _SharingTemplate


class _OneSeedTemplate(ClassifierTemplate):
    def __init__(self, setup):
        torch.manual_seed(0)
        super().__init__(setup=setup)
        self._data_order.manual_seed(0)


@dataclass(frozen=True, kw_only=True)
class KnowsOneSeed(_ByClass):
    name = "knows_one_seed"
    template = _OneSeedTemplate


class _HoardingTemplate(ClassifierTemplate):
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


@dataclass(frozen=True, kw_only=True)
class BuffersTestData(_ByClass):
    name = "buffers_test_data"
    template = _HoardingTemplate


class _CountingTemplate(ClassifierTemplate):
    def __init__(self, setup):
        super().__init__(setup=setup)
        self.calls = 0

    def forward(self):
        self.calls += 1
        return super().forward()

    def criterion(self):
        return super().criterion() * (1 + self.calls % 5)


@dataclass(frozen=True, kw_only=True)
class CountsEvaluations(_ByClass):
    name = "counts_evaluations"
    template = _CountingTemplate


class _MiscountingTemplate(ClassifierTemplate):
    def parameter_counts(self):
        return {"trained": 10, "target": 10}


@dataclass(frozen=True, kw_only=True)
class Miscounts(_ByClass):
    name = "miscounts"
    template = _MiscountingTemplate


class _BoastingTemplate(ClassifierTemplate):
    def parameter_counts(self):
        counts = super().parameter_counts()
        return {**counts, "trained": 2 * counts["trained"]}


@dataclass(frozen=True, kw_only=True)
class CountsWhatIsNotThere(_ByClass):
    name = "counts_what_is_not_there"
    template = _BoastingTemplate


class _ClosureTemplate(ClassifierTemplate):
    def __init__(self, setup):
        super().__init__(setup=setup)
        self.weight_of = lambda task: 1 / (1 + task)


@dataclass(frozen=True, kw_only=True)
class KeepsAClosure(_ByClass):
    name = "keeps_a_closure"
    template = _ClosureTemplate


class _HiddenTemplate(ClassifierTemplate):
    old: ClassVar[dict[int, Any]] = {}

    def criterion(self):
        loss = super().criterion()
        if not self.is_training:
            return loss
        seen = self.old.setdefault(id(self), set())
        seen.add(self.task)
        return loss * len(seen)


@dataclass(frozen=True, kw_only=True)
class HidesState(_ByClass):
    name = "hides_state"
    template = _HiddenTemplate


class _IdleTemplate(ClassifierTemplate):
    def criterion(self):
        return super().criterion() * 0


@dataclass(frozen=True, kw_only=True)
class TrainsNothing(_ByClass):
    name = "trains_nothing"
    template = _IdleTemplate


class _OverflowingTemplate(ClassifierTemplate):
    def criterion(self):
        return super().criterion() * float("nan")


@dataclass(frozen=True, kw_only=True)
class Overflows(_ByClass):
    name = "overflows"
    template = _OverflowingTemplate


class _ShiftedTemplate(ClassifierTemplate):
    def forward(self):
        outputs = super().forward()
        return outputs if self.is_training else outputs.roll(1, dims=1)


@dataclass(frozen=True, kw_only=True)
class MixesUpColumns(_ByClass):
    name = "mixes_up_columns"
    template = _ShiftedTemplate


class _BrittleTemplate(ClassifierTemplate):
    def criterion(self):
        first, second = self.classes_of[0] if self.is_training else (0, 1)
        return super().criterion() + 0 * (first + second)


@dataclass(frozen=True, kw_only=True)
class ExpectsTwoClasses(_ByClass):
    name = "expects_two_classes"
    template = _BrittleTemplate


class _CrashingTemplate(ClassifierTemplate):
    def criterion(self):
        return self.no_such_loss


@dataclass(frozen=True, kw_only=True)
class Crashes(_ByClass):
    name = "crashes"
    template = _CrashingTemplate


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


class _LogarithmTemplate(ClassifierTemplate):
    def criterion(self):
        loss = super().criterion()
        if not self.is_training:
            return loss
        probabilities = torch.softmax(self.mb_output, dim=1)
        return loss - 0.01 * (probabilities * probabilities.log()).sum(1).mean()


@dataclass(frozen=True, kw_only=True)
class TakesTheLogarithmOfZero(_ByClass):
    name = "takes_the_logarithm_of_zero"
    template = _LogarithmTemplate


class _SteppingTemplate(ClassifierTemplate):
    @property
    def iterations(self):
        return 5 * super().iterations


@dataclass(frozen=True, kw_only=True)
class TakesMoreSteps(_ByClass):
    name = "takes_more_steps"
    template = _SteppingTemplate


class _RepeatingTemplate(ClassifierTemplate):
    def optimizer_step(self):
        for _ in range(5):
            super().optimizer_step()


@dataclass(frozen=True, kw_only=True)
class StepsManyTimes(_ByClass):
    """With one gradient."""

    name = "steps_many_times"
    template = _RepeatingTemplate


class _CopyingTemplate(ClassifierTemplate):
    """Trains other copies of its network than the one that it keeps."""

    def optimizer_step(self):
        super().optimizer_step()
        for _ in range(3):
            other = copy.deepcopy(self.model)
            optimiser = torch.optim.Adam(other.parameters(), lr=self.setup.protocol.learning_rate)
            self._criterion(self.active(other(self.mb_x)), self.mb_y).backward()
            optimiser.step()
            self.model.load_state_dict(other.state_dict())


@dataclass(frozen=True, kw_only=True)
class TrainsCopies(_ByClass):
    name = "trains_copies"
    template = _CopyingTemplate


class _ManualTemplate(ClassifierTemplate):
    def optimizer_step(self):
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter -= 0.1 * parameter.grad


@dataclass(frozen=True, kw_only=True)
class StepsByHand(_ByClass):
    name = "steps_by_hand"
    template = _ManualTemplate


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


class _SmallOnPaperTemplate(HasALargerNetwork.template):
    def parameter_counts(self):
        return {"trained": 462, "target": 462}


@dataclass(frozen=True, kw_only=True)
class CountsASmallerNetwork(_ByClass):
    name = "counts_a_smaller_network"
    template = _SmallOnPaperTemplate


class _DescendingTemplate(ClassifierTemplate):
    def make_optimizer(self, **kwargs):
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=self.setup.protocol.learning_rate)


@dataclass(frozen=True, kw_only=True)
class TakesAnotherOptimiser(_ByClass):
    name = "takes_another_optimiser"
    template = _DescendingTemplate


class _ModestTemplate(ClassifierTemplate):
    def parameter_counts(self):
        return {"trained": 1, "target": 1}


@dataclass(frozen=True, kw_only=True)
class CountsOne(_ByClass):
    name = "counts_one"
    template = _ModestTemplate


class _BillionTemplate(ClassifierTemplate):
    def parameter_counts(self):
        return {**super().parameter_counts(), "target": 10**9}


@dataclass(frozen=True, kw_only=True)
class ClaimsALargeTarget(_ByClass):
    name = "claims_a_large_target"
    template = _BillionTemplate


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


class _StoringTemplate(_ReplayingTemplate):
    def _after_training_exp(self, **kwargs):
        super()._after_training_exp(**kwargs)
        samples = self.experience.in_memory
        self.kept.append((samples.x.clone(), samples.y.clone()))


@dataclass(frozen=True, kw_only=True)
class KeepsEverySample(_ByClass):
    name = "keeps_every_sample"
    template = _StoringTemplate


class _CollectingTemplate(_ReplayingTemplate):
    def _after_training_exp(self, **kwargs):
        super()._after_training_exp(**kwargs)
        self.kept.append(self.experience.dataset)

    def drawn(self):
        items = [random_one(self.kept)[index] for index in range(len(self.mb_y))]
        return torch.stack([item[0] for item in items]), torch.tensor([int(item[1]) for item in items])


@dataclass(frozen=True, kw_only=True)
class KeepsExperiences(_ByClass):
    """Their data sets."""

    name = "keeps_experiences"
    template = _CollectingTemplate


class _LookingAheadTemplate(ClassifierTemplate):
    def make_train_dataloader(self, **kwargs):
        following = self.experience.origin_stream[self.task + 1]
        self.dataloader = self.infinite_batches(following.in_memory, 0, self.setup.protocol.batch_size)


@dataclass(frozen=True, kw_only=True)
class ReachesForTheFuture(_ByClass):
    name = "reaches_for_the_future"
    template = _LookingAheadTemplate


class _LookingBackTemplate(_LookingAheadTemplate):
    def make_train_dataloader(self, **kwargs):
        past = [self.experience.origin_stream[index].in_memory for index in range(self.task + 1)]
        self.dataloader = self.infinite_batches(concatenated(past), 0, self.setup.protocol.batch_size)


@dataclass(frozen=True, kw_only=True)
class ReachesForThePast(_ByClass):
    name = "reaches_for_the_past"
    template = _LookingBackTemplate


class _NetworkPerTaskTemplate(ClassifierTemplate):
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


@dataclass(frozen=True, kw_only=True)
class KeepsANetworkPerTask(_ByClass):
    name = "keeps_a_network_per_task"
    scenarios = (Scenario.TASK,)
    template = _NetworkPerTaskTemplate


class _StatePerTaskTemplate(_NetworkPerTaskTemplate):
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


@dataclass(frozen=True, kw_only=True)
class KeepsWeightsPerTask(_ByClass):
    name = "keeps_weights_per_task"
    scenarios = (Scenario.TASK,)
    template = _StatePerTaskTemplate


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
