"""Distillation: the outputs of one classifier, the teacher, are soft targets of another, the student."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Reduction = Literal["sum", "mean"]


def distillation_loss(
    student: Tensor,
    teacher: Tensor,
    temperature: float = 2.0,
    *,
    known: Sequence[int] | None = None,
    reduction: Reduction = "sum",
    times_temperature_squared: bool = True,
) -> Tensor:
    """Cross-entropy between softmax(teacher / T) and softmax(student / T) for logits (batch, classes), over the batch
    its mean (Hinton et al. 2015).

    `known` are the student's classes that the teacher knows, in the order of the teacher's columns (None: all); the
    others have target 0. Over classes it is summed, or averaged over all of the student's; times T^2 keeps the size of
    gradients whatever T is.
    """
    log_student = torch.log_softmax(student / temperature, dim=1)
    classes = student.shape[1]
    if known is not None and list(known) != list(range(classes)):
        prefix = list(known) == list(range(len(known)))
        log_student = log_student[:, : len(known)] if prefix else log_student[:, list(known)]
    target = torch.softmax(teacher / temperature, dim=1)
    loss = -(target * log_student).sum(dim=1).mean()
    if reduction == "mean":
        loss = loss / classes
    return loss * temperature**2 if times_temperature_squared else loss
