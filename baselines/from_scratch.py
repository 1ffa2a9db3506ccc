"""Separate networks: every task is learnt from scratch by a network of its own. Nothing is shared or forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from baselines.training.from_scratch import FromScratchTemplate


@dataclass(frozen=True, kw_only=True)
class FromScratch:
    """No hyperparameters. "Separate Networks" in van de Ven et al. 2022, Table 2, where the protocol's hidden units
    are fewer than elsewhere in the table. The task chooses the network, hence CL1 alone.
    """

    name: ClassVar[str] = "from_scratch"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK,)

    def build(self, setup: Setup) -> FromScratchTemplate:
        """The strategy for one run."""
        from baselines.training.from_scratch import FromScratchTemplate

        return FromScratchTemplate(setup=setup)
