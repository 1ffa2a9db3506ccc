"""HNET for convolutional target networks, with batch normalisation (von Oswald et al. 2020, Figure 5).

The lookahead is that of section 2 of the paper: the authors' CIFAR experiments did not switch it off. Their plateau
scheduler is left out, since their other schedule sets the learning rate anew right after each of its steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError
from hnet_bench.strategies.settings import HypernetworkSettings

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate


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
    plain: ClassVar[bool] = True
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK,)

    own_head_only: bool = True  # of an old task's outputs regularise those of its own head alone, else those of all
    # Running statistics of batch normalisation for every task; else one set, which the latest task leaves behind.
    statistics_per_task: bool = True
    from_scratch: bool = False  # a new hypernetwork for every task; there is nothing to regularise then

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_scratch and self.regularisation_strength > 0:
            raise UserError("With from_scratch nothing is regularised: set regularisation_strength to 0.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run. Raises UserError if the protocol's network does not take the inputs."""
        from hnet_bench.avalanche_adapter.template import head_columns
        from hnet_bench.nets.networks import NETWORKS, target_network
        from hnet_bench.nets.weighted_regulariser import WeightedRegulariser
        from hnet_bench.strategies.training.generated import GeneratedClassifier, chunked
        from hnet_bench.strategies.training.hypernetwork import HypernetworkTemplate, Regulariser

        own_head_only = self.own_head_only

        class ConvHypernetworkTemplate(HypernetworkTemplate):
            """Of an old task's outputs those of its own head alone may be held."""

            learns_with = (*NETWORKS, "scheduled", "normalised")

            def new_regulariser(self) -> Regulariser:
                if not own_head_only:
                    return super().new_regulariser()
                layout = self.classifier.target.layout
                masks = [layout.keeping_outputs(head_columns(self.setup, task)) for task in range(self.task)]
                return WeightedRegulariser(self.classifier.hypernetwork, masks, self._strength)

        target = target_network(setup, setup.facts.experiences if self.statistics_per_task else 1)
        return ConvHypernetworkTemplate(
            setup=setup,
            model=GeneratedClassifier(setup, target, chunked(self, target), one_per_task=self.from_scratch),
            strength=self.regularisation_strength,
            lookahead=self.lookahead,
        )
