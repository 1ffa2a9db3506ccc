"""MAS, memory aware synapses: parameters stay near what they were, the more the outputs depend on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import ADDED_LATER, Scenario, Setup, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Mas:
    """Loss + strength * sum over parameters i of Omega_i (theta_i - theta_i*)^2, theta* the latest weights.

    After each experience Omega_i grows by the mean over its samples of the absolute gradient of the squared norm of
    the outputs, those that compete in training. Aljundi et al. 2018, arXiv 1711.09601, the global variant. The
    strength is not tuned; implementations commonly start from 1.
    """

    name: ClassVar[str] = "mas"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    strength: float = 1.0  # lambda
    # Training samples of each experience that tell how important parameters are, drawn at random; None: all.
    importance_samples: int | None = field(default=None, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise UserError(f"strength must not be negative, found {self.strength}.")
        if self.importance_samples is not None and self.importance_samples < 1:
            raise UserError(f"importance_samples must be at least 1, found {self.importance_samples}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        from baselines.training.quadratic_penalty import PenaltyTemplate
        from hnet_bench.avalanche_adapter.classifier import ANY_NETWORK

        samples = self.importance_samples

        class MasTemplate(PenaltyTemplate):
            learns_with = ANY_NETWORK

            def consolidate(self) -> None:
                """Moves the penalty to the present weights; importances of all experiences add up."""
                importances = self.importances(_squared_norm_derivatives, abs, samples)
                self.penalty.move(importances, self.trained_parameters())

        return MasTemplate(setup=setup, scale=self.strength)


def _squared_norm_derivatives(outputs: Tensor, labels: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Derivative of the squared norm of each sample's outputs (batch, C) by these; labels play no part."""
    yield outputs.new_ones(len(outputs)), 2 * outputs
