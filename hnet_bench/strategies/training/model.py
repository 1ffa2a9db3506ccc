"""A classifier whose parameters a hypernetwork generates for each task, as an Avalanche model."""

from __future__ import annotations

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor

from hnet_bench.avalanche_adapter.template import head_columns, per_task
from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.target import MlpShape, mlp_from_chunks
from hnet_bench.strategies.settings import HypernetworkSettings


class GeneratedClassifier(MultiTaskModule):  # type: ignore[misc]
    """The target network is an MLP with the protocol's hidden units; in TASK and CLASS it has a head for every task."""

    def __init__(self, setup: Setup, settings: HypernetworkSettings) -> None:
        super().__init__()
        self._setup = setup
        self.target = MlpShape((setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs))
        self.hypernetwork = ChunkedHypernetwork(
            HypernetworkShape(
                generated=self.target.parameters,
                tasks=setup.facts.experiences,
                chunk_size=settings.chunk_size,
                hidden_units=settings.hidden_units,
                activation=settings.activation,
                task_embedding_size=settings.task_embedding_size,
                chunk_embedding_size=settings.chunk_embedding_size,
            )
        )
        self._kept: dict[int, Tensor] | None = None

    def forward(self, x: Tensor, task_labels: Tensor | None) -> Tensor | dict[int, Tensor]:
        """Outputs (batch, K) of each sample's task, `task_labels` (batch,); without labels those of each task's head,
        by task, as Avalanche's plugins expect."""
        if task_labels is None:
            return {task: self.head(x, task) for task in range(self._setup.facts.experiences)}
        outputs = x.new_zeros(len(x), self._setup.facts.classes_per_experience)
        for task, positions in per_task(task_labels):
            outputs = outputs.index_copy(0, positions, self.head(x[positions], task))
        return outputs

    def head(self, x: Tensor, task: int) -> Tensor:
        """Outputs (batch, K) for inputs (batch, ...) by the classifier of one task, on its head."""
        outputs = mlp_from_chunks(x.flatten(1), self._chunks(task), self.target)
        if self._setup.scenario is Scenario.DOMAIN:
            return outputs
        return outputs[:, head_columns(self._setup, task)]

    def keep_generated(self) -> None:
        """From now on every task's parameters are generated once; for evaluation, while nothing is trained."""
        self._kept = {}

    def drop_generated(self) -> None:
        """Ends `keep_generated`."""
        self._kept = None

    def _chunks(self, task: int) -> Tensor:
        if self._kept is None:
            return self.hypernetwork.chunks(task)
        if task not in self._kept:
            with torch.no_grad():
                self._kept[task] = self.hypernetwork.chunks(task)
        return self._kept[task]
