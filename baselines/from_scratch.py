"""Separate networks: every task is learnt from scratch by a network of its own. Nothing is shared or forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Settings, Setup

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class FromScratch:
    """No hyperparameters. "Separate Networks" in van de Ven et al. 2022, Table 2, where the protocol's hidden units
    are fewer than elsewhere in the table. The task chooses the network, hence CL1 alone.
    """

    name: ClassVar[str] = "from_scratch"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK,)
    any_size: ClassVar[bool] = True  # a network for each task

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        from baselines.training.task_networks import SeparateNetworks, TaskNetworkTemplate
        from hnet_bench.avalanche_adapter.classifier import ANY_NETWORK

        class FromScratchTemplate(TaskNetworkTemplate):
            """Each network has an optimiser of its own."""

            fresh_optimiser = True
            learns_with = ANY_NETWORK

            def trained_parameters(self) -> list[nn.Parameter]:
                """Those of the present task's network."""
                assert isinstance(self.model, SeparateNetworks)
                return list(self.model.networks[self._label].parameters())

            def parameter_counts(self) -> Settings:
                """All networks are trained; one of them at a time is the target network."""
                trained = super().parameter_counts()["trained"]
                return {"trained": trained, "target": trained // self.setup.facts.experiences}

        return FromScratchTemplate(setup=setup, model=SeparateNetworks(setup))
