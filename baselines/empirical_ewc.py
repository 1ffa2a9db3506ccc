"""EWC as in the experiments of von Oswald et al. 2020 with their own code: for regression too."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.ewc import fisher_derivatives
from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class EmpiricalEwc:
    """Loss + strength / 2 * sum over earlier experiences k and parameters i of F_ki (theta_i - theta_ki)^2.

    F is the empirical Fisher, of the samples' own targets, over all training samples; in regression the negative
    log-likelihood is half the squared error, as for Gaussian noise of variance 1. Adam starts anew with every
    experience. The default is that of hypercl, toy_example/train_ewc.py, where no tuned strength is to be found.
    """

    name: ClassVar[str] = "empirical_ewc"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    strength: float = 0.005  # beta there

    def __post_init__(self) -> None:
        if not self.strength >= 0:
            raise UserError(f"strength must not be negative, found {self.strength}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        import torch

        from baselines.training.quadratic_penalty import PenaltyTemplate
        from hnet_bench.avalanche_adapter.objective import objective_of

        # Of classes the likelihood is that of true labels, of values that of Gaussian noise.
        derivatives = _gaussian_derivatives
        if objective_of(setup.facts).has_classes:
            derivatives = functools.partial(fisher_derivatives, "true")

        class EmpiricalEwcTemplate(PenaltyTemplate):
            fresh_optimiser = True
            learns_with = ("regression", "sigmoid", "xavier")

            def consolidate(self) -> None:
                self.penalty.add(self.fisher(), self.trained_parameters())

            def fisher(self) -> list[Tensor]:
                """Diagonal of the Fisher matrix at the present weights for the present experience, by parameter."""
                return self.importances(derivatives, torch.square)

        return EmpiricalEwcTemplate(setup=setup, scale=self.strength / 2)


def _gaussian_derivatives(outputs: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights (batch,), and derivatives (batch, K) by the outputs of the log-likelihood of targets (batch, K), which
    but for a constant is - sum of (target - output)^2 / 2."""
    yield outputs.new_ones(len(outputs)), targets - outputs
