"""An ordinary classifier some of whose hidden units are gated, others in every task (Masse et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from avalanche.core import BasePlugin
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn
from torch.nn import functional

from baselines.xdg import Xdg
from hnet_bench.avalanche_adapter.classifier import Mlp, chosen_heads
from hnet_bench.avalanche_adapter.template import InMemoryTemplate, head_columns
from hnet_bench.interfaces import Settings, Setup
from hnet_bench.nets.products import linear


class GatedMlp(MultiTaskModule):  # type: ignore[misc]
    """The classifier with a head for each task, and for every task gates of its own, drawn with the run's seed."""

    def __init__(self, setup: Setup, settings: Xdg) -> None:
        super().__init__()
        self.mlp = Mlp(setup)
        self._setup = setup
        self._before_bias = settings.gate == "before_bias"
        generator = setup.generator("gates")
        widths = setup.protocol.hidden_units
        # Layer by layer (tasks, units): 0 where a unit is gated, else 1.
        gates = [torch.ones(setup.facts.experiences, units) for units in widths]
        for task in range(setup.facts.experiences):
            for layer, units in zip(gates, widths, strict=True):
                gated = torch.randperm(units, generator=generator)[: int(settings.gated_fraction * units)]
                layer[task, gated] = 0
        for index, layer in enumerate(gates):
            self.register_buffer(f"gates_{index}", layer)

    @property
    def gates(self) -> list[Tensor]:
        """For every hidden layer (tasks, units): 0 where a unit is gated, else 1."""
        return [self.get_buffer(f"gates_{index}") for index in range(len(self._setup.protocol.hidden_units))]

    def forward(self, x: Tensor, task_labels: Tensor | int | None) -> Tensor | dict[int, Tensor]:
        """Outputs (batch, K) of each sample's head, with the gates of its task: `task_labels` (batch,), or one for all.
        Without labels those of each task, by task, as Avalanche's plugins expect."""
        if task_labels is None:
            return {task: self._of_task(x, task) for task in range(self._setup.facts.experiences)}
        if isinstance(task_labels, int):
            return self._of_task(x, task_labels)
        outputs = self._outputs(x, [layer[task_labels] for layer in self.gates])
        return chosen_heads(outputs, task_labels, self._setup.facts.classes_per_experience)

    def _of_task(self, x: Tensor, task: int) -> Tensor:
        # A row that is the same for all samples costs less than one row per sample.
        return self._outputs(x, [layer[task] for layer in self.gates])[:, head_columns(self._setup, task)]

    def _outputs(self, x: Tensor, gates: list[Tensor]) -> Tensor:
        """Outputs (batch, T * K) of all heads, with gates (units,) or (batch, units) for every hidden layer."""
        values = x.flatten(1)
        layers = [layer for layer in self.mlp.hidden if isinstance(layer, nn.Linear)]
        for layer, gate in zip(layers, gates, strict=True):
            if self._before_bias:
                values = functional.relu(torch.addcmul(layer.bias, gate, linear(values, layer.weight)))
            else:
                values = functional.relu(layer(values)) * gate
        outputs: Tensor = self.mlp.output(values)
        return outputs


class XdgTemplate(InMemoryTemplate):
    """XdG, in TASK."""

    def __init__(
        self,
        *,
        setup: Setup,
        settings: Xdg,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._label = 0  # task label of the present experience
        super().__init__(setup=setup, model=GatedMlp(setup, settings), plugins=plugins, evaluator=evaluator)

    def parameter_counts(self) -> Settings:
        """Those of the classifier, and the gates, which are not trained but must be known at test time."""
        gates = self.setup.facts.experiences * sum(self.setup.protocol.hidden_units)
        return {**super().parameter_counts(), "stored_values": gates}

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        self._label = self._task_label()

    def forward(self) -> Tensor:
        one_task = self.is_training and self.own_batches
        outputs: Tensor = self.model(self.mb_x, self._label if one_task else self.mb_task_id)
        return outputs
