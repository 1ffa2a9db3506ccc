"""Losses, outputs and parameters that are not finite end a run: no score stands for what they lead to.

Comparisons with NaN are false, so what overflows would go on as an answer, most often that of guessing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.reachable import reached
from hnet_bench.interfaces import UserError

if TYPE_CHECKING:
    from hnet_bench.avalanche_adapter.template import InMemoryTemplate

# Reading a loss waits for an accelerator, so there not every step is looked at; parameters tell in the end.
_STEPS_BETWEEN_LOOKS = 100


class NotFinite(UserError):
    """Where a run met NaN or infinity: one sentence."""


def require_finite_loss(template: InMemoryTemplate, loss: Tensor, left: int, what: str) -> None:
    """Raises NotFinite if the loss of a step is not finite; `left` is how many steps are still to come after it."""
    if loss.device.type != "cpu" and left % _STEPS_BETWEEN_LOOKS:
        return
    value = loss.item()
    if not math.isfinite(value):
        raise NotFinite(
            f"In {_experience(template)}, at step {template.iterations - left} of {what}, the loss is {value}: look "
            "for an overflow, a logarithm of 0 or a division by 0 in what is trained, or for a learning rate that is "
            "too large."
        )


def require_finite_parameters(template: InMemoryTemplate) -> None:
    """Raises NotFinite if a parameter that the template holds somewhere, its plugins and phases included, is not
    finite. For the end of an experience."""
    for owner in (template, *template.method_plugins):
        for name, value in vars(owner).items():
            held = reached(value, without=[template, *template.plugins])
            if not _are_finite([one for one in held if isinstance(one, nn.Parameter)]):
                raise NotFinite(
                    f"After {_experience(template)} parameters in {type(owner).__name__}.{name} are not finite: look "
                    "for an overflow, a logarithm of 0 or a division by 0 in what is trained, or for a learning rate "
                    "that is too large."
                )


def require_finite_outputs(template: InMemoryTemplate, telling: Tensor) -> None:
    """Raises NotFinite unless all these numbers, which decide about answers, are finite."""
    if not telling.isfinite().all():
        when = "Before the first experience" if template.tasks_seen == 0 else f"After {_experience(template)}"
        raise NotFinite(
            f"{when} outputs for test samples are not finite: a logit may be -inf, which excludes a class, but none "
            "may be NaN or inf, and some class must be left."
        )


def _experience(template: InMemoryTemplate) -> str:
    return f"experience {template.task + 1} of {template.setup.facts.experiences}"


def _are_finite(parameters: list[nn.Parameter]) -> bool:
    # One pass that stays on the device: NaN and infinities survive the multiplication.
    with torch.no_grad():
        sums = [(parameter.detach() * 0).sum() for parameter in parameters if parameter.is_floating_point()]
    return not sums or bool(torch.stack([one.cpu().double() for one in sums]).isfinite().all())
