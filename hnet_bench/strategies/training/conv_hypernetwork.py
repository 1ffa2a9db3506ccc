"""How a hypernetwork learns to generate convolutional networks: as in `training.hypernetwork`, but for what is masked.

The lookahead is that of section 2 of the paper: the authors' CIFAR experiments did not switch it off. Their plateau
scheduler is left out, since their other schedule sets the learning rate anew right after each of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.interfaces import Settings, Setup
from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.masked_regulariser import MaskedRegulariser
from hnet_bench.nets.regulariser import GramRegulariser
from hnet_bench.strategies.hnet_conv import HnetConv
from hnet_bench.strategies.training.conv_model import ConvGenerated


class ConvHypernetworkTemplate(InMemoryTemplate):
    """HNET in TASK, for every network that a protocol may ask for."""

    fresh_optimiser = True
    learns_with = ("resnet32", "zenke", "scheduled", "normalised")

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HnetConv,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._settings = settings
        self._regulariser: MaskedRegulariser | GramRegulariser | None = None
        self._lookahead: AdamLookahead | None = None
        super().__init__(setup=setup, model=ConvGenerated(setup, settings), plugins=plugins, evaluator=evaluator)

    @property
    def generated(self) -> ConvGenerated:
        """The model, with its own type."""
        assert isinstance(self.model, ConvGenerated)
        return self.model

    def trained_parameters(self) -> list[nn.Parameter]:
        """theta and the embedding of the present task."""
        hypernetwork, embedding = self.generated.hypernetwork(self.task)
        return [*hypernetwork.theta, hypernetwork.task_embeddings[embedding]]

    def parameter_counts(self) -> Settings:
        """All embeddings count, and all hypernetworks if there are several; running statistics do not, as in the
        paper."""
        return {"trained": super().parameter_counts()["trained"], "target": self.generated.target.layout.parameters}

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also fixes what the regulariser will hold on to, just before the task is learnt."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        self._regulariser = self._lookahead = None
        if self.task > 0 and self._settings.regularisation_strength > 0:
            hypernetwork, _ = self.generated.hypernetwork(self.task)
            self._regulariser = self._new_regulariser()
            if self._settings.lookahead:
                self._lookahead = AdamLookahead(self.optimizer, hypernetwork.theta)

    def _new_regulariser(self) -> MaskedRegulariser | GramRegulariser:
        hypernetwork, _ = self.generated.hypernetwork(self.task)
        strength = self._settings.regularisation_strength
        if self._settings.own_head_only:
            return MaskedRegulariser(hypernetwork, self.generated.masks(self.task), strength)
        return GramRegulariser(hypernetwork, self.task, strength)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self._regulariser = self._lookahead = None

    def forward(self) -> Tensor:
        if self.is_training and self.own_batches:
            return self.generated.head(self.mb_x, self.task)
        outputs: Tensor = self.generated(self.mb_x, self.mb_task_id)
        return outputs

    def backward(self) -> None:
        """Adds the regulariser's gradient, taken where the task loss alone would lead, to that of the task loss."""
        super().backward()
        if self._regulariser is None:
            return
        theta = self.generated.hypernetwork(self.task)[0].theta
        parameters = self._lookahead.parameters() if self._lookahead else [tensor.detach() for tensor in theta]
        gradients = [tensor.grad for tensor in theta if tensor.grad is not None]
        self._regulariser.add_gradient(parameters, gradients)

    def eval(self, exp_list: Any, **kwargs: Any) -> Any:
        """Generates the parameters of each task once for the whole evaluation."""
        self.generated.keep_generated()
        try:
            return super().eval(exp_list, **kwargs)
        finally:
            self.generated.drop_generated()
