"""EWC as in the experiments of von Oswald et al. 2020 with their own code: for regression too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from baselines.training.empirical_ewc import EmpiricalEwcTemplate


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

    def build(self, setup: Setup) -> EmpiricalEwcTemplate:
        """The strategy for one run."""
        from baselines.training.empirical_ewc import EmpiricalEwcTemplate

        return EmpiricalEwcTemplate(setup=setup, settings=self)
