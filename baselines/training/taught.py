"""What methods share that replay inputs with what the classifier said of them before the present experience."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn
from torch.nn import functional

from baselines.distillation_settings import DistillationSettings
from baselines.training.replay import ReplayTemplate
from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.distillation import distillation_loss


class TaughtTemplate(ReplayTemplate):
    """The teacher is a frozen copy of the classifier; its outputs are targets, hard (its decisions) or soft.

    In TASK every old head speaks about every replayed input, and the loss is the mean over old heads. In CLASS the
    teacher speaks about the classes seen before where only seen classes compete, about all otherwise.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        distillation: DistillationSettings | None,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._distillation = distillation  # None: hard targets
        self._teacher: nn.Module | None = None
        self._known: list[int] = []  # columns that the teacher speaks about
        self._said: Tensor | None = None  # by the teacher, of the inputs that are being replayed
        super().__init__(setup=setup, plugins=plugins, evaluator=evaluator)

    def replayed(self) -> tuple[Tensor | None, Tensor]:
        """What to replay, as `replayed_inputs`, and what `said_before` gives for it."""
        raise NotImplementedError

    def replayed_inputs(self) -> Tensor | None:
        inputs, self._said = self.replayed()
        return inputs

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also appoints the teacher of the experience that begins; the first has none."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        if self.task == 0:
            return
        self._teacher = copy.deepcopy(self.model).eval().requires_grad_(False)
        self._known = list(range(self.setup.outputs))
        if self.scenario is Scenario.TASK:
            self._known = list(range(self.task * self.setup.facts.classes_per_experience))
        elif self._only_seen_compete:
            self._known = sorted({label for classes in self.classes_of[:-1] for label in classes})

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self._teacher = self._said = None

    def said_before(self, x: Tensor) -> Tensor:
        """The teacher's outputs (batch, known columns) for these inputs (batch, ...)."""
        if self._teacher is None:
            raise RuntimeError("There is no teacher before the second experience, nor between experiences.")
        with torch.no_grad():
            return _columns(self.all_outputs(x, self._teacher), self._known)

    def replayed_loss(self, outputs: Tensor) -> Tensor:
        if self._said is None:
            raise RuntimeError("Nothing was replayed whose loss could be asked for.")
        student, teacher, positions = outputs, self._said, self._known
        self._said = None
        if self.scenario is Scenario.TASK:
            # One row for each sample and head, so that the mean over rows is the mean over both.
            classes = self.setup.facts.classes_per_experience
            student = _columns(outputs, self._known).reshape(-1, classes)
            teacher, positions = teacher.reshape(-1, classes), list(range(classes))
        elif self._only_seen_compete:
            student = _columns(outputs, self.classes_seen)
            positions = [self.classes_seen.index(label) for label in self._known]
        if self._distillation is None:
            return decided_loss(student, teacher, positions)
        return distillation_loss(
            student,
            teacher,
            self._distillation.temperature,
            known=positions,
            reduction=self._distillation.reduction,
            times_temperature_squared=self._distillation.times_temperature_squared,
        )

    @property
    def _only_seen_compete(self) -> bool:
        return self.scenario is Scenario.CLASS and self.setup.protocol.active_classes == "seen"


def decided_loss(student: Tensor, teacher: Tensor, known: Sequence[int]) -> Tensor:
    """Mean cross-entropy of the student's logits (batch, classes) where labels are the teacher's decisions.

    `known` are the student's classes that the teacher knows, in the order of the teacher's columns (batch, known).
    """
    labels = teacher.argmax(dim=1)
    if list(known) != list(range(len(known))):
        labels = torch.tensor(known, device=labels.device)[labels]
    return functional.cross_entropy(student, labels)


def _columns(outputs: Tensor, chosen: list[int]) -> Tensor:
    """These columns; a view where they are the first."""
    if chosen == list(range(len(chosen))):
        return outputs[:, : len(chosen)]
    return outputs[:, chosen]
