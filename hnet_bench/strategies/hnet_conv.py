"""HNET for convolutional target networks, with batch normalisation (von Oswald et al. 2020, Figure 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError
from hnet_bench.strategies.settings import HypernetworkSettings

if TYPE_CHECKING:
    from hnet_bench.strategies.training.conv_hypernetwork import ConvHypernetworkTemplate


@dataclass(frozen=True, kw_only=True)
class HnetConv(HypernetworkSettings):
    """For CL1. Sizes and strength have the defaults of `hnet`; the table von_oswald_2020_figure_5 has those of the
    authors' CIFAR experiments.

    It stands beside `hnet`, which trains perceptrons by the same formula but regularises all heads and has no batch
    normalisation. With no regularisation this is fine-tuning: the hypernetwork goes on to the next task, embeddings of
    old ones stay.
    """

    name: ClassVar[str] = "hnet_conv"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK,)

    own_head_only: bool = True  # of an old task's outputs regularise those of its own head alone, else those of all
    # Running statistics of batch normalisation for every task; else one set, which the latest task leaves behind.
    statistics_per_task: bool = True
    from_scratch: bool = False  # a new hypernetwork for every task; there is nothing to regularise then

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_scratch and self.regularisation_strength > 0:
            raise UserError("With from_scratch nothing is regularised: set regularisation_strength to 0.")

    def build(self, setup: Setup) -> ConvHypernetworkTemplate:
        """The strategy for one run. Raises UserError if the protocol's network does not take the inputs."""
        from hnet_bench.strategies.training.conv_hypernetwork import ConvHypernetworkTemplate

        return ConvHypernetworkTemplate(setup=setup, settings=self)
