"""The penalty of FROMP, on what a network says of stored samples."""

from __future__ import annotations

import torch
from torch import Tensor

# Of the largest entry of a kernel: what float64 cannot tell from 0 after sums over all weights.
_RESOLVED = 1e-12


def inverse_kernels(kernels: Tensor, noise: float) -> Tensor:
    """(K_c + noise)^-1 for kernels (C, n, n) in float64."""
    diagonal = kernels.diagonal(dim1=1, dim2=2)  # (C, n)
    least = noise + _RESOLVED * diagonal.amax(1, keepdim=True)
    return torch.cholesky_inverse(torch.linalg.cholesky(kernels + torch.diag_embed(least.expand_as(diagonal))))


def functional_penalty(probabilities: Tensor, old: Tensor, inverses: Tensor) -> Tensor:
    """Half the sum over classes c of (m_c - m_c*)^T P_c (m_c - m_c*), for probabilities m and m*, both (n, C), and
    inverse kernels P (C, n, n) in float64."""
    away = (probabilities - old).double().T.unsqueeze(2)  # (C, n, 1)
    penalty = 0.5 * (away * (inverses @ away)).sum()
    return penalty.to(probabilities.dtype)
