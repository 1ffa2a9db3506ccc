"""Distillation: a classifier is to say what another said, with its doubts."""

from __future__ import annotations

import torch
from torch import Tensor


def distillation_loss(student: Tensor, teacher: Tensor, temperature: float = 2.0) -> Tensor:
    """Cross-entropy between softmax(teacher / T) and softmax(student / T), times T^2, for logits (batch, classes).

    Summed over classes, mean over the batch (Hinton et al. 2015, as in von Oswald et al. 2020).
    """
    log_said = torch.log_softmax(student / temperature, dim=1)
    target = torch.softmax(teacher / temperature, dim=1)
    return -(target * log_said).sum(dim=1).mean() * temperature**2
