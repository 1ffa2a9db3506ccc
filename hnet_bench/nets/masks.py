"""Masks over the weights of a network: |tanh| of what a hypernetwork generates, without the smallest values.

Książek & Spurek 2023 (arXiv 2310.00113).
"""

from __future__ import annotations

import math

import numpy
import torch
from torch import Tensor

from hnet_bench.nets.layout import Layout


def mask(generated: Tensor, layout: Layout, percentile: float) -> Tensor:
    """Values in [0, 1) for weights (layout.parameters,): |tanh(generated)|, and 0 for those of each tensor that lie
    below its percentile. Gradients reach what is not 0; where the percentile lies is a constant to them.
    """
    values = generated.tanh().abs()
    if percentile == 0:
        return values
    kept = torch.empty_like(values)
    for tensor, kept_of_tensor in zip(layout.views(values.detach()), layout.views(kept), strict=True):
        torch.ge(tensor, _least_kept(tensor, percentile), out=kept_of_tensor)
    return values * kept


def _least_kept(tensor: Tensor, percentile: float) -> float:
    """The smallest value that does not lie below the percentile: whatever is interpolated between two neighbours lies
    above the lower one. (NumPy selects an order statistic ten times as fast as torch.)"""
    values = tensor.cpu().numpy().ravel()
    index = math.ceil(percentile / 100 * (len(values) - 1))
    return float(numpy.partition(values, index)[index])
