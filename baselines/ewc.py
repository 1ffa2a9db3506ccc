"""EWC, elastic weight consolidation: parameters stay near what earlier experiences left, the more they mattered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.fisher_settings import FisherSettings
from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from baselines.training.ewc import EwcTemplate


@dataclass(frozen=True, kw_only=True)
class Ewc(FisherSettings):
    """Loss + strength / 2 * sum over earlier experiences k and parameters i of F_ki (theta_i - theta_ki)^2.

    Kirkpatrick et al. 2017, PNAS 114:3521, equation 3, with one penalty for every experience and all samples in its
    Fisher matrix as in van de Ven & Tolias, arXiv 1904.07734, Tables 4 and 5. The default strength is theirs for split
    MNIST in CL1; the best ones lie orders of magnitude apart between benchmarks and scenarios.
    """

    name: ClassVar[str] = "ewc"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    def build(self, setup: Setup) -> EwcTemplate:
        """The strategy for one run."""
        from baselines.training.ewc import EwcTemplate

        return EwcTemplate(setup=setup, settings=self)
