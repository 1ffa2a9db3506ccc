"""Hyperparameters of soft targets, which LwF and DGR with distillation share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hnet_bench.interfaces import UserError


@dataclass(frozen=True, kw_only=True)
class DistillationSettings:
    """Loss of a replayed sample: -sum_c p_c log q_c, p and q the softmax of old and new outputs divided by T.

    Hinton et al. 2015, as used by van de Ven & Tolias. The defaults are what arXiv 1904.07734 describes and what its
    code does since commit 26f00db (May 2019). Before, that code averaged over classes too, and may have done so when
    its tables were made: `reduction = "mean"`. van de Ven et al. 2022 sum, without the factor T^2.
    """

    temperature: float = 2.0  # T
    reduction: Literal["sum", "mean"] = "sum"  # over the classes that share a softmax
    times_temperature_squared: bool = True  # keeps the size of gradients whatever T is

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise UserError(f"temperature must be positive, found {self.temperature}.")
