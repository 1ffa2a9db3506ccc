"""The penalty of FROMP, on what a network says of stored samples."""

from __future__ import annotations

import torch
from torch import Tensor

# Of the largest entry of a kernel: what float64 cannot tell from 0 after sums over all weights.
_RESOLVED = 1e-12


def functional_penalty(probabilities: Tensor, old: Tensor, kernels: Tensor, noise: float) -> Tensor:
    """Half the sum over classes c of (m_c - m_c*)^T (K_c + noise)^-1 (m_c - m_c*), for probabilities m and m*, both
    (n, C), and kernels (C, n, n) in float64."""
    away = (probabilities - old).double().T.unsqueeze(2)  # (C, n, 1)
    diagonal = kernels.diagonal(dim1=1, dim2=2)  # (C, n)
    least = noise + _RESOLVED * diagonal.amax(1, keepdim=True)
    factors = torch.linalg.cholesky(kernels + torch.diag_embed(least.expand_as(diagonal)))
    penalty = 0.5 * (away * torch.cholesky_solve(away, factors)).sum()
    return penalty.to(probabilities.dtype)
