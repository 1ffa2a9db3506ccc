"""Distillation from the classifier as it was before the present experience, on inputs that are replayed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.distillation_settings import DistillationSettings
from hnet_bench.avalanche_adapter.classifier import MultiHead
from hnet_bench.avalanche_adapter.replay import ReplayTemplate, frozen_copy
from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.distillation import distillation_loss


class DistillationTemplate(ReplayTemplate):
    """The teacher is a frozen copy of the classifier; its outputs are targets, hard (its decisions) or soft.

    In TASK the teacher has every old head answer for every replayed input, and the loss is the mean over old heads. In
    CLASS it answers for the classes seen before where only seen classes compete, for all otherwise.
    """

    _teacher: nn.Module | None = None

    def __init__(
        self, *, setup: Setup, distillation: DistillationSettings | None, network: nn.Module | None = None
    ) -> None:
        self._distillation = distillation  # None: hard targets
        self._known: list[int] = []  # columns that the teacher answers for
        super().__init__(setup=setup, network=network)

    def begin_experience(self) -> None:
        super().begin_experience()
        if self.task == 0:
            return
        self._teacher = frozen_copy(self.model)
        self._known = list(range(self.setup.outputs))
        if self.scenario is Scenario.TASK:
            self._known = list(range(self.task * self.setup.facts.classes_per_experience))
        elif self._only_seen_compete:
            self._known = sorted({label for classes in self.classes_of[:-1] for label in classes})

    def end_experience(self) -> None:
        super().end_experience()
        self._teacher = None

    def teacher_outputs(self, x: Tensor) -> Tensor:
        """The teacher's outputs (batch, known columns) for these inputs (batch, ...), from the second experience on."""
        with torch.no_grad():
            return _columns(self.all_outputs(x, self._teacher), self._known)

    def all_outputs(self, x: Tensor, model: nn.Module | None = None, task_labels: Tensor | None = None) -> Tensor:
        """Where a network has batch statistics for each task, every old head answers by those of its own, as it will
        when it is tested; so they are of the function that is to stay. They do not change by it."""
        model = self.model if model is None else model
        if self.task == 0 or not (isinstance(model, MultiHead) and model.tasks_apart):
            return super().all_outputs(x, model, task_labels)
        old = model.old_heads(x, self.task)
        if model is self._teacher:
            return old
        present = super().all_outputs(x, model, task_labels)
        return torch.cat([old, present[:, old.shape[1] :]], dim=1)

    def replayed_loss(self, outputs: Tensor, targets: list[Tensor]) -> Tensor:
        """The distillation loss; the targets are `teacher_outputs`."""
        student, (teacher,), positions = outputs, targets, self._known
        if self.scenario is Scenario.TASK:
            # One row for each sample and head, so that the mean over rows is the mean over both.
            classes = self.setup.facts.classes_per_experience
            student = _columns(outputs, self._known).reshape(-1, classes)
            teacher, positions = teacher.reshape(-1, classes), list(range(classes))
        elif self._only_seen_compete:
            student = _columns(outputs, self.classes_seen)
            positions = [self.classes_seen.index(label) for label in self._known]
        if self._distillation is None:
            return hard_distillation_loss(student, teacher, positions)
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


def hard_distillation_loss(student: Tensor, teacher: Tensor, known: Sequence[int]) -> Tensor:
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
