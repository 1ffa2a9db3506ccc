"""A convolutional classifier whose parameters a hypernetwork generates for each task, as an Avalanche model."""

from __future__ import annotations

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import head_columns, per_task
from hnet_bench.interfaces import Setup
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork, HypernetworkShape
from hnet_bench.strategies.hnet_conv import HnetConv
from hnet_bench.strategies.training.target import target_network


class ConvGenerated(MultiTaskModule):  # type: ignore[misc]
    """The target network is the protocol's, with a head for every task; one hypernetwork knows all tasks, or each
    task has its own, which knows one."""

    def __init__(self, setup: Setup, settings: HnetConv) -> None:
        super().__init__()
        self._setup = setup
        tasks = setup.facts.experiences
        self.target = target_network(setup, tasks if settings.statistics_per_task else 1)
        self._sets = len(self.target.statistics)
        count = tasks if settings.from_scratch else 1
        self.hypernetworks = nn.ModuleList(
            ChunkedHypernetwork(
                HypernetworkShape(
                    generated=self.target.layout.parameters,
                    tasks=tasks // count,
                    chunk_size=settings.chunk_size,
                    hidden_units=settings.hidden_units,
                    activation=settings.activation,
                    task_embedding_size=settings.task_embedding_size,
                    chunk_embedding_size=settings.chunk_embedding_size,
                )
            )
            for _ in range(count)
        )
        self._kept: dict[int, Tensor] | None = None

    def hypernetwork(self, task: int) -> tuple[ChunkedHypernetwork, int]:
        """The hypernetwork of a task, and the number of the task's embedding there."""
        alone = len(self.hypernetworks) == 1
        found = self.hypernetworks[0 if alone else task]
        assert isinstance(found, ChunkedHypernetwork)
        return found, task if alone else 0

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
        """Outputs (batch, K) for inputs (batch, ...) by the target network of one task, on its head."""
        which = task if self._sets > 1 else 0
        outputs: Tensor = self.target(x, self._chunks(task), which)
        return outputs[:, head_columns(self._setup, task)]

    def masks(self, old_tasks: int) -> list[Tensor]:
        """For each of the first tasks (parameters,): 1, but 0 for the outputs of other tasks' heads."""
        return [self.target.layout.keeping_outputs(head_columns(self._setup, task)) for task in range(old_tasks)]

    def keep_generated(self) -> None:
        """From now on every task's parameters are generated once; for evaluation, while nothing is trained."""
        self._kept = {}

    def drop_generated(self) -> None:
        """Ends `keep_generated`."""
        self._kept = None

    def _chunks(self, task: int) -> Tensor:
        hypernetwork, embedding = self.hypernetwork(task)
        if self._kept is None:
            return hypernetwork.chunks(embedding)
        if task not in self._kept:
            with torch.no_grad():
                self._kept[task] = hypernetwork.chunks(embedding)
        return self._kept[task]
