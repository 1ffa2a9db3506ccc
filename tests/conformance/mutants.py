"""Strategies with one fault each, named after it, for the tests of the kit."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy
import torch
from torch import nn

from baselines.training.joint import JointTemplate
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
