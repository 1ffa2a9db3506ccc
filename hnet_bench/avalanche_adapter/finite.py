"""Losses, outputs and parameters that are not finite end a run: no score stands for what they lead to.

Comparisons with NaN are false, so what overflows would go on as an answer, most often that of guessing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.reachable import reached
from hnet_bench.interfaces import UserError

# Reading a loss waits for an accelerator, so there not every step is looked at; parameters tell in the end.
_STEPS_BETWEEN_LOOKS = 100
_ADVICE = (
    "look for an overflow, a logarithm of 0 or a division by 0 in what is trained, or for a learning rate that is too "
    "large."
)


class NotFinite(UserError):
    """Where a run met NaN or infinity: one sentence."""


def require_finite_loss(loss: Tensor, experience: str, step: int, what: str) -> None:
    """Raises NotFinite if the loss of a step of `what`, counted from 1, is not finite."""
    if loss.device.type != "cpu" and step % _STEPS_BETWEEN_LOOKS:
        return
    value = loss.item()
    if not math.isfinite(value):
        raise NotFinite(f"In {experience}, at step {step} of {what}, the loss is {value}: {_ADVICE}")


def require_finite_parameters(owners: Iterable[Any], experience: str, without: Iterable[Any]) -> None:
    """Raises NotFinite if a parameter that the owners, a template and its plugins, hold somewhere is not finite."""
    for owner in owners:
        for name, value in vars(owner).items():
            held = (one for one in reached(value, without=without) if isinstance(one, nn.Parameter))
            if not _are_finite(held):
                raise NotFinite(
                    f"After {experience} parameters in {type(owner).__name__}.{name} are not finite: {_ADVICE}"
                )


def require_finite_outputs(decisive: Tensor, when: str) -> None:
    """Raises NotFinite unless all these numbers, which decide about predictions, are finite."""
    if not decisive.isfinite().all():
        raise NotFinite(
            f"{when} outputs for test samples are not finite: a logit may be -inf, which excludes a class, but none "
            "may be NaN or inf, and some class must be left."
        )


def _are_finite(parameters: Iterator[nn.Parameter]) -> bool:
    # One pass that stays on the device: NaN and infinities survive the multiplication.
    with torch.no_grad():
        sums = [(parameter.detach() * 0).sum() for parameter in parameters if parameter.is_floating_point()]
    return not sums or bool(torch.stack([one.cpu().double() for one in sums]).isfinite().all())
