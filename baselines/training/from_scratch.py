"""One network for each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from avalanche.core import BasePlugin
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.classifier import Mlp
from hnet_bench.avalanche_adapter.template import InMemoryTemplate, per_task
from hnet_bench.interfaces import Settings, Setup


class SeparateMlps(MultiTaskModule):  # type: ignore[misc]
    """Networks with the protocol's hidden units and K outputs, as many as there are tasks."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        alone = replace(setup, facts=replace(setup.facts, experiences=1))
        self.classes = setup.facts.classes_per_experience
        self.networks = nn.ModuleList([Mlp(alone) for _ in range(setup.facts.experiences)])

    def forward(self, x: Tensor, task_labels: Tensor | int | None) -> Tensor | dict[int, Tensor]:
        """Outputs (batch, K) of the network of each sample's task: `task_labels` (batch,), or one for all. Without
        labels those of each network, by task, as Avalanche's plugins expect."""
        if task_labels is None:
            return {task: network(x) for task, network in enumerate(self.networks)}
        if isinstance(task_labels, int):
            outputs: Tensor = self.networks[task_labels](x)
            return outputs
        outputs = x.new_zeros(len(x), self.classes)
        for task, positions in per_task(task_labels):
            outputs = outputs.index_copy(0, positions, self.networks[task](x[positions]))
        return outputs


class FromScratchTemplate(InMemoryTemplate):
    """Separate networks, in TASK, each with an optimiser of its own."""

    fresh_optimiser = True

    def __init__(
        self,
        *,
        setup: Setup,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._label = 0  # task label of the present experience
        super().__init__(setup=setup, model=SeparateMlps(setup), plugins=plugins, evaluator=evaluator)

    def trained_parameters(self) -> list[nn.Parameter]:
        """Those of the present task's network."""
        return list(self._networks[self._label].parameters())

    def parameter_counts(self) -> Settings:
        """All networks are trained; one of them at a time is the target network."""
        one = sum(parameter.numel() for parameter in self._networks[0].parameters())
        return {"trained": one * len(self._networks), "target": one}

    @property
    def _networks(self) -> nn.ModuleList:
        assert isinstance(self.model, SeparateMlps)
        return self.model.networks

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        self._label = self._task_label()
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)

    def forward(self) -> Tensor:
        one_task = self.is_training and self.own_batches
        outputs: Tensor = self.model(self.mb_x, self._label if one_task else self.mb_task_id)
        return outputs
