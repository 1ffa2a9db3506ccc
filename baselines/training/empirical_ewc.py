"""EWC with the empirical Fisher of classes or, in regression, of values with Gaussian noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor

from baselines.empirical_ewc import EmpiricalEwc
from baselines.training.anchored import AnchoredTemplate
from baselines.training.ewc import fisher_derivatives
from hnet_bench.avalanche_adapter.objective import objective_of
from hnet_bench.interfaces import Setup


def gaussian_derivatives(outputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights (batch,), and derivatives (batch, K) by the outputs of the log-likelihood of targets (batch, K), which
    but for a constant is - sum of (target - output)^2 / 2."""
    yield torch.ones_like(outputs[:, 0]), targets - outputs


class EmpiricalEwcTemplate(AnchoredTemplate):
    """One penalty for every earlier experience, about the weights that it left; `settings` as in `empirical_ewc`."""

    fresh_optimiser = True
    learns_with = ("regression", "sigmoid", "xavier")

    def __init__(
        self,
        *,
        setup: Setup,
        settings: EmpiricalEwc,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        super().__init__(setup=setup, scale=settings.strength / 2, plugins=plugins, evaluator=evaluator)

    def consolidate(self) -> None:
        """Adds a penalty about the present weights."""
        self.penalty.add(self.fisher(), self.trained_parameters())

    def fisher(self) -> list[Tensor]:
        """Diagonal of the Fisher matrix at the present weights for the present experience, by parameter."""
        has_classes = objective_of(self.setup.facts).has_classes
        return self.importances(
            lambda outputs, targets: (
                fisher_derivatives("true", outputs, targets) if has_classes else gaussian_derivatives(outputs, targets)
            ),
            torch.square,
        )
