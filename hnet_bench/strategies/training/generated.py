"""A classifier whose parameters are generated for each task, as an Avalanche model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import head_columns, per_task
from hnet_bench.interfaces import Setup
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork, HypernetworkShape
from hnet_bench.strategies.settings import HypernetworkSettings


class GeneratedClassifier(MultiTaskModule, ABC):  # type: ignore[misc]
    """One hypernetwork knows all tasks, or each task has its own, which knows one; subclasses say what the target
    network computes with the parameters that it generates."""

    def __init__(
        self, setup: Setup, hypernetwork: Callable[[int], ChunkedHypernetwork], *, one_per_task: bool = False
    ) -> None:
        """`hypernetwork` makes one for a number of tasks."""
        super().__init__()
        self._setup = setup
        tasks = setup.facts.experiences
        count = tasks if one_per_task else 1
        # A ModuleList registers them, but forgets their type.
        self._all = [hypernetwork(tasks // count) for _ in range(count)]
        self.hypernetworks = nn.ModuleList(self._all)
        self._kept: dict[int, Tensor] | None = None

    @property
    @abstractmethod
    def target_parameters(self) -> int:
        """Number of parameters of the target network."""

    @abstractmethod
    def outputs(self, x: Tensor, task: int) -> Tensor:
        """Outputs (batch, outputs) of all heads for inputs (batch, ...), with the parameters of one task."""

    def head(self, x: Tensor, task: int) -> Tensor:
        """Outputs (batch, K) for inputs (batch, ...) by the target network of one task, on its head."""
        return self.outputs(x, task)[:, head_columns(self._setup, task)]

    def hypernetwork_of(self, task: int) -> tuple[ChunkedHypernetwork, int]:
        """The hypernetwork of a task, and the number of the task's embedding there."""
        return (self._all[0], task) if len(self._all) == 1 else (self._all[task], 0)

    def forward(self, x: Tensor, task_labels: Tensor | None) -> Tensor | dict[int, Tensor]:
        """Outputs (batch, K) of each sample's task, `task_labels` (batch,); without labels those of each task's head,
        by task, as Avalanche's plugins expect."""
        if task_labels is None:
            return {task: self.head(x, task) for task in range(self._setup.facts.experiences)}
        outputs = x.new_zeros(len(x), self._setup.facts.classes_per_experience)
        for task, positions in per_task(task_labels):
            outputs = outputs.index_copy(0, positions, self.head(x[positions], task))
        return outputs

    def chunks(self, task: int) -> Tensor:
        """Generated chunks of one task, (chunks, chunk_size): the parameters, and what is cut off."""
        hypernetwork, embedding = self.hypernetwork_of(task)
        if self._kept is None:
            return hypernetwork.chunks(embedding)
        if task not in self._kept:
            with torch.no_grad():
                self._kept[task] = hypernetwork.chunks(embedding)
        return self._kept[task]

    def keep_generated(self) -> None:
        """From now on every task's parameters are generated once; for evaluation, while nothing is trained."""
        self._kept = {}

    def drop_generated(self) -> None:
        """Ends `keep_generated`."""
        self._kept = None


def chunked(settings: HypernetworkSettings, generated: int) -> Callable[[int], ChunkedHypernetwork]:
    """What makes a hypernetwork with these settings for so many target parameters."""

    def hypernetwork(tasks: int) -> ChunkedHypernetwork:
        return ChunkedHypernetwork(
            HypernetworkShape(
                generated=generated,
                tasks=tasks,
                chunk_size=settings.chunk_size,
                hidden_units=settings.hidden_units,
                activation=settings.activation,
                task_embedding_size=settings.task_embedding_size,
                chunk_embedding_size=settings.chunk_embedding_size,
            )
        )

    return hypernetwork
