"""How a chunked hypernetwork learns to generate perceptrons: the training of HNET, HNET+ENT and HNET+TIR."""

from __future__ import annotations

from collections.abc import Sequence

from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor

from hnet_bench.avalanche_adapter.template import head_columns
from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.regulariser import GramRegulariser, TaskDraw
from hnet_bench.strategies.settings import HypernetworkSettings
from hnet_bench.strategies.training.hypernetwork import HypernetworkTemplate, Regulariser
from hnet_bench.strategies.training.mlp_model import GeneratedMlp


class ChunkedHypernetworkTemplate(HypernetworkTemplate):
    """HNET in TASK. In the other scenarios, which need to infer the task, subclasses say how."""

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HypernetworkSettings,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        drawn = settings.regularised_tasks
        self._draw = TaskDraw(drawn, setup.generator("regularised_tasks")) if drawn else None
        self._online_targets = settings.online_targets
        model = GeneratedMlp(setup, settings)
        super().__init__(setup=setup, settings=settings, model=model, plugins=plugins, evaluator=evaluator)

    @property
    def classifier(self) -> GeneratedMlp:
        """The model, with its own type."""
        assert isinstance(self.model, GeneratedMlp)
        return self.model

    def new_regulariser(self) -> Regulariser:
        """Of the old tasks a few may be drawn for each step; what they are held to may be computed at every step."""
        hypernetwork, online = self.classifier.hypernetwork, self._online_targets
        return GramRegulariser(hypernetwork, self.task, self._strength, draw=self._draw, online=online)

    def forward(self) -> Tensor:
        if self.is_training and self.scenario is not Scenario.TASK:
            return self.full_width(self.classifier.head(self.mb_x, self.task), self.task)
        return super().forward()

    def full_width(self, head: Tensor, task: int) -> Tensor:
        """Outputs of one head (batch, K) among those of all classes in CLASS, which excludes the other classes."""
        if self.scenario is not Scenario.CLASS:
            return head
        # Before a task is learnt its classes are taken to be the next in order.
        known = task < len(self.classes_of)
        columns = head_columns(self.setup, task)
        classes = self.classes_of[task] if known else list(range(columns.start, columns.stop))
        return self.among_all_classes(head[:, : len(classes)], classes)
