"""HNET: a hypernetwork generates the classifier of each task; the task identity is given (von Oswald et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Settings, Setup
from hnet_bench.strategies.settings import HypernetworkSettings

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate


@dataclass(frozen=True, kw_only=True)
class Hnet(HypernetworkSettings):
    """For CL1; what Table 1 calls HNET+ENT and HNET+TIR is this there, since nothing is left to infer."""

    name: ClassVar[str] = "hnet"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK,)

    def trainings(self, setup: Setup) -> dict[str, Settings]:
        """The classifier, which HNET+ENT and HNET+TIR train in the same way."""
        return {"classifier": self.classifier_training(setup)}

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        from hnet_bench.strategies.training.hypernetwork import ChunkedHypernetworkTemplate

        return ChunkedHypernetworkTemplate(setup=setup, settings=self)
