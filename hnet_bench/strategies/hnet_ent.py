"""HNET+ENT: HNET that infers the task as the one whose classifier is most certain (von Oswald et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.strategies.settings import HypernetworkSettings

if TYPE_CHECKING:
    from hnet_bench.strategies.training.entropy import EntropyTemplate


@dataclass(frozen=True, kw_only=True)
class HnetEnt(HypernetworkSettings):
    """For CL2 and CL3. Training is that of HNET with one shared head in CL2, a head for each task in CL3."""

    name: ClassVar[str] = "hnet_ent"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.DOMAIN, Scenario.CLASS)

    # stable: from log-softmax. naive: sum of p * log p as in the authors' code, NaN once a probability underflows to 0;
    # kept to measure what that does.
    entropy: Literal["stable", "naive"] = "stable"

    def build(self, setup: Setup) -> EntropyTemplate:
        """The strategy for one run."""
        from hnet_bench.strategies.training.entropy import EntropyTemplate

        return EntropyTemplate(setup=setup, settings=self)
