"""Hyperparameters that EWC and Online EWC share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from hnet_bench.interfaces import UserError

Fisher: TypeAlias = Literal["predicted", "exact", "true"]


@dataclass(frozen=True, kw_only=True)
class FisherSettings:
    """A strength is of use with its own estimator of the Fisher matrix alone: they differ by orders of magnitude."""

    strength: float = 1e7  # lambda, of the half sum of squares
    # Of which log-likelihoods the squared gradients are averaged over samples. predicted: of the label that the model
    # finds most probable (van de Ven & Tolias 2019). exact: of every label, weighted by its probability (van de Ven et
    # al. 2022). true: of the sample's own label, the empirical Fisher.
    fisher: Fisher = "predicted"
    fisher_samples: int | None = None  # training samples of each experience, drawn at random; None: all

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise UserError(f"strength must not be negative, found {self.strength}.")
        if self.fisher not in ("predicted", "exact", "true"):
            raise UserError(f"fisher must be 'predicted', 'exact' or 'true', found {self.fisher!r}.")
        if self.fisher_samples is not None and self.fisher_samples < 1:
            raise UserError(f"fisher_samples must be at least 1, found {self.fisher_samples}.")

    @property
    def scale(self) -> float:
        """Factor of the sum of squares in the loss."""
        return self.strength / 2
