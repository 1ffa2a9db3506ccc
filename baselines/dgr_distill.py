"""Deep Generative Replay whose samples are labelled with the classifier's old doubts, not its old decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.distillation_settings import DistillationSettings
from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from baselines.training.dgr import DgrTemplate


@dataclass(frozen=True, kw_only=True)
class DgrDistill(DistillationSettings):
    """`baselines.dgr` with soft targets: "DGR+distill" in van de Ven & Tolias, arXiv 1904.07734, Tables 4 and 5."""

    name: ClassVar[str] = "dgr_distill"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    def build(self, setup: Setup) -> DgrTemplate:
        """The strategy for one run."""
        from baselines.training.dgr import DgrTemplate

        return DgrTemplate(setup=setup, distillation=self)
