"""How a task-conditioned hypernetwork learns: the task loss, then the output regulariser at the lookahead.

von Oswald et al. 2020, section 2 and algorithm 1. Adam starts anew with every task and holds theta and the present
task embedding; embeddings of old tasks stay as they are.
"""

from __future__ import annotations

from typing import Any

from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.avalanche_adapter.template import InMemoryTemplate, head_columns
from hnet_bench.interfaces import Scenario, Settings, Setup
from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.regulariser import GramRegulariser
from hnet_bench.strategies.settings import HypernetworkSettings
from hnet_bench.strategies.training.model import GeneratedClassifier

# Stands for "not this class" among the outputs of CLASS: exp(-1e4) is 0, and losses stay finite.
EXCLUDED = -1e4


class HypernetworkTemplate(InMemoryTemplate):
    """HNET in TASK; the training of HNET+ENT in the other scenarios."""

    fresh_optimiser = True

    def __init__(
        self, *, setup: Setup, settings: HypernetworkSettings, evaluator: EvaluationPlugin | None = None
    ) -> None:
        self._settings = settings
        self._regulariser: GramRegulariser | None = None
        self._lookahead: AdamLookahead | None = None
        super().__init__(setup=setup, model=GeneratedClassifier(setup, settings), evaluator=evaluator)

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
            self._regulariser = GramRegulariser(hypernetwork, self.task, self._settings.regularisation_strength)
            if self._settings.lookahead:
                self._lookahead = AdamLookahead(self.optimizer, hypernetwork.theta)

    def forward(self) -> Tensor:
        if self.is_training:
            return self.full_width(self.classifier.head(self.mb_x, self.task), self.task)
        outputs: Tensor = self.classifier(self.mb_x, self.mb_task_id)
        return outputs

    def full_width(self, head: Tensor, task: int) -> Tensor:
        """Outputs of one head (batch, K) among those of all classes in CLASS, which excludes the other classes."""
        if self.scenario is not Scenario.CLASS:
            return head
        columns = head_columns(self.setup, task)
        return functional.pad(head, (columns.start, self.setup.outputs - columns.stop), value=EXCLUDED)

    def backward(self) -> None:
        """Adds the regulariser's gradient, taken where the task loss alone would lead, to that of the task loss."""
        super().backward()
        if self._regulariser is None:
            return
        theta = self.classifier.hypernetwork.theta
        parameters = self._lookahead.parameters() if self._lookahead else [tensor.detach() for tensor in theta]
        gradients = [tensor.grad for tensor in theta if tensor.grad is not None]
        self._regulariser.add_gradient(parameters, gradients)

    def _before_eval(self, **kwargs: Any) -> None:
        self.classifier.keep_generated()
        super()._before_eval(**kwargs)

    def _eval_cleanup(self) -> None:
        self.classifier.drop_generated()
        super()._eval_cleanup()
