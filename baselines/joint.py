"""Joint training: the upper bound. All data seen so far are at hand at any time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from baselines.training.joint import JointTemplate


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Not a continual learner: it stores everything.

    Incremental: every experience continues the training for the protocol's iterations on the union of what was seen
    so far ("Offline" in van de Ven & Tolias, arXiv 1904.07734). Otherwise: one training on all data at the end of the
    stream, for as many iterations in all ("Joint" in van de Ven et al. 2022).
    """

    name: ClassVar[str] = "joint"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    incremental: bool = True

    def build(self, setup: Setup) -> JointTemplate:
        """The strategy for one run."""
        from baselines.training.joint import JointTemplate

        return JointTemplate(setup=setup, incremental=self.incremental)
