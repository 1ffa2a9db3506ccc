"""Masks over the weights of a network: |tanh| of what a hypernetwork generates, without the smallest values.

Książek & Spurek 2023 (arXiv 2310.00113).
"""

from __future__ import annotations

import math
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.nn import functional

from hnet_bench.nets.layout import Layout


def mask(generated: Tensor, layout: Layout, percentile: float, *, unmasked: int = 0) -> Tensor:
    """Values in [0, 1) for weights (layout.parameters,): |tanh(generated)|, and 0 for those of each tensor that lie
    below its percentile; behind them a 1 for each of so many that have no mask. Gradients reach, once, what is not 0;
    where the percentile lies is a constant to them.
    """
    values: Tensor = _Mask.apply(generated, layout, percentile, unmasked)
    return values


class _Mask(torch.autograd.Function):
    """In place, where autograd would have new memory for every step of it."""

    @staticmethod
    def forward(ctx: Any, generated: Tensor, layout: Layout, percentile: float, unmasked: int) -> Tensor:
        values = generated.new_ones(layout.parameters + unmasked)
        masked = values[: layout.parameters]
        torch.tanh(generated, out=masked).abs_()
        if percentile > 0:
            for tensor in layout.views(masked):
                functional.threshold_(tensor, _largest_cut(tensor, percentile), 0.0)
        ctx.save_for_backward(generated, values)
        return values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        generated, values = ctx.saved_tensors
        masked, gradient = values[: len(generated)], gradient[: len(generated)]
        signed = torch.copysign(masked, generated)
        # sign(tanh) (1 - tanh^2), and 0 where the mask is.
        result = signed.sign().addcmul_(signed, masked, value=-1).mul_(gradient)
        return result, None, None, None


def _largest_cut(tensor: Tensor, percentile: float) -> float:
    """A number that what lies below the percentile does not exceed, and all else does: whatever is interpolated between
    two neighbours lies above the lower one. (NumPy selects an order statistic ten times as fast as torch.)"""
    values = tensor.cpu().numpy().ravel()
    index = math.ceil(percentile / 100 * (len(values) - 1))
    return float(numpy.nextafter(numpy.partition(values, index)[index], values.dtype.type(-1)))
