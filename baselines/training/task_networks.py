"""Networks of which each task has a part of its own, and how they are trained in TASK, where the task is known."""

from __future__ import annotations

from dataclasses import replace

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.avalanche_adapter.classifier import chosen_heads
from hnet_bench.avalanche_adapter.template import InMemoryTemplate, head_columns, per_task
from hnet_bench.interfaces import Setup
from hnet_bench.nets.networks import ordinary_network
from hnet_bench.nets.ordinary import Mlp
from hnet_bench.nets.products import linear


class TaskNetworkTemplate(InMemoryTemplate):
    """Trains a network that takes task labels (batch,), or one label for all, which is faster."""

    _label = 0  # task label of the present experience

    def _prepare_experience(self) -> None:
        super()._prepare_experience()
        self._label = self._task_label()

    def forward(self) -> Tensor:
        one_task = self.is_training and self.own_batches
        outputs: Tensor = self.model(self.mb_x, self._label if one_task else self.mb_task_id)
        return outputs


class SeparateNetworks(MultiTaskModule):  # type: ignore[misc]
    """The protocol's network with K outputs, as many times as there are tasks."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        alone = replace(setup, facts=replace(setup.facts, experiences=1))
        self.classes = setup.facts.classes_per_experience
        self.networks = nn.ModuleList([ordinary_network(alone) for _ in range(setup.facts.experiences)])

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


class GatedMlp(MultiTaskModule):  # type: ignore[misc]
    """The classifier with a head for each task, and for every task gates of its own, drawn with the run's seed."""

    def __init__(self, setup: Setup, gated_fraction: float, *, before_bias: bool = True) -> None:
        super().__init__()
        self.mlp = Mlp(setup)
        self._setup = setup
        self._before_bias = before_bias
        generator = setup.generator("gates")
        widths = setup.protocol.hidden_units
        # Layer by layer (tasks, units): 0 where a unit is gated, else 1.
        gates = [torch.ones(setup.facts.experiences, units) for units in widths]
        for task in range(setup.facts.experiences):
            for layer, units in zip(gates, widths, strict=True):
                gated = torch.randperm(units, generator=generator)[: int(gated_fraction * units)]
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
