"""How a hypernetwork learns to generate convolutional networks: as in `training.hypernetwork`, but for what is masked.

The lookahead is that of section 2 of the paper: the authors' CIFAR experiments did not switch it off. Their plateau
scheduler is left out, since their other schedule sets the learning rate anew right after each of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence

from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin

from hnet_bench.interfaces import Setup
from hnet_bench.nets.masked_regulariser import MaskedRegulariser
from hnet_bench.strategies.hnet_conv import HnetConv
from hnet_bench.strategies.training.conv_model import ConvGenerated
from hnet_bench.strategies.training.hypernetwork import HypernetworkTemplate, Regulariser


class ConvHypernetworkTemplate(HypernetworkTemplate):
    """HNET in TASK, for every network that a protocol may ask for."""

    learns_with = ("resnet32", "zenke", "scheduled", "normalised")

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HnetConv,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._own_head_only = settings.own_head_only
        model = ConvGenerated(setup, settings)
        super().__init__(setup=setup, settings=settings, model=model, plugins=plugins, evaluator=evaluator)

    @property
    def classifier(self) -> ConvGenerated:
        """The model, with its own type."""
        assert isinstance(self.model, ConvGenerated)
        return self.model

    def new_regulariser(self) -> Regulariser:
        """Of an old task's outputs it may hold those of its own head alone."""
        if not self._own_head_only:
            return super().new_regulariser()
        hypernetwork, _ = self.classifier.hypernetwork_of(self.task)
        return MaskedRegulariser(hypernetwork, self.classifier.masks(self.task), self._strength)
