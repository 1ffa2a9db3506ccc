"""Which samples stand for their class: herding, and the mean that they are chosen by (Rebuffi et al. 2017)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def normalised_mean(features: Tensor) -> Tensor:
    """The mean (d,) of features (n, d), scaled to length 1."""
    return functional.normalize(features.mean(dim=0), dim=0)


def herd(features: Tensor, count: int) -> Tensor:
    """Positions (min(count, n),) of the chosen ones among normalised features (n, d), the most telling first.

    Each is the one that brings the mean of all chosen so far nearest to the normalised mean of the class; none is
    chosen twice, and of equals the first comes first.
    """
    count = min(count, len(features))
    mean = normalised_mean(features)
    # |(s + f) / k - m|^2 is least where |f|^2 + 2 f.(s - k m) is, with s the sum of those chosen before: one
    # matrix-vector product for each choice.
    squared = features.square().sum(dim=1)
    excess = -mean  # s - k m
    chosen = torch.empty(count, dtype=torch.int64, device=features.device)
    for position in range(count):
        best = torch.argmin(torch.addmv(squared, features, excess, alpha=2)).view(1)
        chosen[position] = best[0]
        squared = squared.index_fill(0, best, torch.inf)
        excess = excess + features.index_select(0, best)[0] - mean
    return chosen
