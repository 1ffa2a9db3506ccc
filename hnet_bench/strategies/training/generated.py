"""A classifier whose parameters are generated for each task, as an Avalanche model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import head_columns, per_task
from hnet_bench.interfaces import Setup
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.target import TargetNetwork
from hnet_bench.strategies.settings import HypernetworkSettings


class GeneratedClassifier(MultiTaskModule):  # type: ignore[misc]
    """One hypernetwork knows all tasks, or each task has its own, which knows one."""

    def __init__(
        self,
        setup: Setup,
        target: TargetNetwork,
        hypernetwork: Callable[[int], ChunkedHypernetwork],
        *,
        one_per_task: bool = False,
    ) -> None:
        """`hypernetwork` makes one for a number of tasks, which generates the parameters of `target`."""
        super().__init__()
        self._setup = setup
        self.target = target
        tasks = setup.facts.experiences
        count = tasks if one_per_task else 1
        # A ModuleList registers them, but forgets their type.
        self._all = [hypernetwork(tasks // count) for _ in range(count)]
        self.hypernetworks = nn.ModuleList(self._all)
        self._kept: dict[int, Tensor] | None = None

    @property
    def hypernetwork(self) -> ChunkedHypernetwork:
        """The one for all tasks, or that of the first."""
        return self._all[0]

    def hypernetwork_of(self, task: int) -> tuple[ChunkedHypernetwork, int]:
        """The hypernetwork of a task, and the number of the task's embedding there."""
        return (self._all[0], task) if len(self._all) == 1 else (self._all[task], 0)

    def head(self, x: Tensor, task: int) -> Tensor:
        """Outputs (batch, K) for inputs (batch, ...) by the target network of one task, on its head."""
        outputs: Tensor = self.target(x, self.chunks(task), task)
        return outputs[:, head_columns(self._setup, task)]

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
        if self._kept is None:
            return self.generated(task)
        if task not in self._kept:
            with torch.no_grad():
                self._kept[task] = self.generated(task)
        return self._kept[task]

    def generated(self, task: int) -> Tensor:
        """The same, generated anew whatever is kept."""
        hypernetwork, embedding = self.hypernetwork_of(task)
        return hypernetwork.chunks(embedding)

    @contextmanager
    def generated_once(self) -> Iterator[None]:
        """Meanwhile every task's parameters are generated once; for evaluation, while nothing is trained."""
        self._kept = {}
        try:
            yield
        finally:
            self._kept = None


def shape_of(settings: Any, generated: int, tasks: int, prefix: str = "") -> HypernetworkShape:
    """The sizes that a strategy has, as its fields of these names behind the prefix, for so many generated parameters
    and tasks."""
    names = ("chunk_size", "hidden_units", "activation", "task_embedding_size", "chunk_embedding_size")
    sizes = {name: getattr(settings, f"{prefix}{name}") for name in names}
    return HypernetworkShape(generated=generated, tasks=tasks, **sizes)


def chunked(
    settings: HypernetworkSettings,
    target: TargetNetwork,
    make: Callable[[HypernetworkShape], ChunkedHypernetwork] = ChunkedHypernetwork,
) -> Callable[[int], ChunkedHypernetwork]:
    """What makes a hypernetwork, with `make`, for a number of tasks that generates the parameters of this network."""
    return lambda tasks: make(shape_of(settings, target.layout.parameters, tasks))
