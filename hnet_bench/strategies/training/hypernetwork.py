"""How a task-conditioned hypernetwork learns: the task loss, then the output regulariser at the lookahead.

von Oswald et al. 2020, section 2 and algorithm 1. Adam starts anew with every task and holds theta and the present
task embedding; embeddings of old tasks stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import InMemoryTemplate, head_columns
from hnet_bench.interfaces import Scenario, Settings, Setup
from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.regulariser import GramRegulariser, TaskDraw
from hnet_bench.strategies.settings import HypernetworkSettings
from hnet_bench.strategies.training.model import GeneratedClassifier


class HypernetworkTemplate(InMemoryTemplate):
    """HNET in TASK; the training of HNET+ENT in the other scenarios."""

    fresh_optimiser = True

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HypernetworkSettings,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._settings = settings
        self._regulariser: GramRegulariser | None = None
        self._lookahead: AdamLookahead | None = None
        drawn = settings.regularised_tasks
        self._draw = TaskDraw(drawn, setup.generator("regularised_tasks")) if drawn else None
        super().__init__(setup=setup, model=GeneratedClassifier(setup, settings), plugins=plugins, evaluator=evaluator)

    @property
    def classifier(self) -> GeneratedClassifier:
        """The model, with its own type."""
        assert isinstance(self.model, GeneratedClassifier)
        return self.model

    def trained_parameters(self) -> list[nn.Parameter]:
        """theta and the embedding of the present task."""
        hypernetwork = self.classifier.hypernetwork
        return [*hypernetwork.theta, hypernetwork.task_embeddings[self.task]]

    def parameter_counts(self) -> Settings:
        """All embeddings count, as in the paper's compression ratio."""
        return {
            "trained": self.classifier.hypernetwork.trained_parameters,
            "target": self.classifier.target.parameters,
        }

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also fixes what the regulariser will hold on to, just before the task is learnt."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        hypernetwork = self.classifier.hypernetwork
        self._regulariser = self._lookahead = None
        if self.task > 0 and self._settings.regularisation_strength > 0:
            self._regulariser = GramRegulariser(
                hypernetwork,
                self.task,
                self._settings.regularisation_strength,
                draw=self._draw,
                online=self._settings.online_targets,
            )
            if self._settings.lookahead:
                self._lookahead = AdamLookahead(self.optimizer, hypernetwork.theta)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self._regulariser = self._lookahead = None

    def forward(self) -> Tensor:
        if self.is_training and (self.own_batches or self.scenario is not Scenario.TASK):
            return self.full_width(self.classifier.head(self.mb_x, self.task), self.task)
        outputs: Tensor = self.classifier(self.mb_x, self.mb_task_id)
        return outputs

    def full_width(self, head: Tensor, task: int) -> Tensor:
        """Outputs of one head (batch, K) among those of all classes in CLASS, which excludes the other classes."""
        if self.scenario is not Scenario.CLASS:
            return head
        # Before a task is learnt its classes are taken to be the next in order.
        known = task < len(self.classes_of)
        columns = head_columns(self.setup, task)
        classes = self.classes_of[task] if known else list(range(columns.start, columns.stop))
        return self.among_all_classes(head[:, : len(classes)], classes)

    def backward(self) -> None:
        """Adds the regulariser's gradient, taken where the task loss alone would lead, to that of the task loss."""
        super().backward()
        if self._regulariser is None:
            return
        theta = self.classifier.hypernetwork.theta
        parameters = self._lookahead.parameters() if self._lookahead else [tensor.detach() for tensor in theta]
        gradients = [tensor.grad for tensor in theta if tensor.grad is not None]
        self._regulariser.add_gradient(parameters, gradients)

    def eval(self, exp_list: Any, **kwargs: Any) -> Any:
        """Generates the parameters of each task once for the whole evaluation."""
        self.classifier.keep_generated()
        try:
            return super().eval(exp_list, **kwargs)
        finally:
            self.classifier.drop_generated()
