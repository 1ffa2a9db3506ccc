"""How a task-conditioned hypernetwork learns: the task loss, then the output regulariser at the lookahead.

von Oswald et al. 2020, section 2 and algorithm 1. Adam starts anew with every task and holds theta and the present
task embedding; embeddings of old tasks stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.interfaces import Settings, Setup
from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.regulariser import GramRegulariser
from hnet_bench.strategies.training.generated import GeneratedClassifier


class Regulariser(Protocol):
    """Made just before a task is learnt; holds what its hypernetwork generates for old tasks."""

    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> None:
        """Adds the gradient at `theta` to `gradients`, both in the order of `ChunkedHypernetwork.theta`."""


class Regularised(Protocol):
    """The settings that this training needs."""

    @property
    def regularisation_strength(self) -> float:
        """beta."""

    @property
    def lookahead(self) -> bool:
        """Whether to regularise at theta + delta rather than at theta."""


class HypernetworkTemplate(InMemoryTemplate):
    """What all strategies share whose classifiers are generated. As it stands, HNET in TASK."""

    fresh_optimiser = True

    def __init__(
        self,
        *,
        setup: Setup,
        settings: Regularised,
        model: GeneratedClassifier,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._strength, self._looks_ahead = settings.regularisation_strength, settings.lookahead
        self._regulariser: Regulariser | None = None
        self._lookahead: AdamLookahead | None = None
        super().__init__(setup=setup, model=model, plugins=plugins, evaluator=evaluator)

    @property
    def classifier(self) -> GeneratedClassifier:
        """The model, with its own type."""
        assert isinstance(self.model, GeneratedClassifier)
        return self.model

    def trained_parameters(self) -> list[nn.Parameter]:
        """theta and the embedding of the present task."""
        hypernetwork, embedding = self.classifier.hypernetwork_of(self.task)
        return [*hypernetwork.theta, hypernetwork.task_embeddings[embedding]]

    def parameter_counts(self) -> Settings:
        """All embeddings count, as in the paper's compression ratio, and all hypernetworks if there are several."""
        return {"trained": super().parameter_counts()["trained"], "target": self.classifier.target_parameters}

    def new_regulariser(self) -> Regulariser:
        """What holds all old tasks to what the present task's hypernetwork generates for them now."""
        hypernetwork, _ = self.classifier.hypernetwork_of(self.task)
        return GramRegulariser(hypernetwork, self.task, self._strength)

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also fixes what the regulariser will hold on to, just before the task is learnt."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        self._regulariser = self._lookahead = None
        if self.task > 0 and self._strength > 0:
            self._regulariser = self.new_regulariser()
            if self._looks_ahead:
                self._lookahead = AdamLookahead(self.optimizer, self._theta())

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self._regulariser = self._lookahead = None

    def forward(self) -> Tensor:
        if self.is_training and self.own_batches:
            return self.classifier.head(self.mb_x, self.task)
        outputs: Tensor = self.classifier(self.mb_x, self.mb_task_id)
        return outputs

    def backward(self) -> None:
        """Adds the regulariser's gradient, taken where the task loss alone would lead, to that of the task loss."""
        super().backward()
        if self._regulariser is None:
            return
        theta = self._theta()
        parameters = self._lookahead.parameters() if self._lookahead else [tensor.detach() for tensor in theta]
        gradients = [tensor.grad for tensor in theta if tensor.grad is not None]
        self._regulariser.add_gradient(parameters, gradients)

    def _theta(self) -> list[nn.Parameter]:
        return self.classifier.hypernetwork_of(self.task)[0].theta

    def eval(self, exp_list: Any, **kwargs: Any) -> Any:
        """Generates the parameters of each task once for the whole evaluation."""
        self.classifier.keep_generated()
        try:
            return super().eval(exp_list, **kwargs)
        finally:
            self.classifier.drop_generated()
