"""Samples of past experiences, kept as tensors in memory, and what ER and A-GEM share: how they store and draw them."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import Batch, ConcatenatedBatches, InfiniteBatches
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_samples
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.interfaces import Scenario, Settings, Setup


class Buffer:
    """Inputs by group and label. A group is an experience whose samples are asked for apart, or all the same one."""

    def __init__(self) -> None:
        self._inputs: dict[int, dict[int, Tensor]] = {}  # group -> label -> inputs (count, *input_shape)

    @property
    def groups(self) -> list[int]:
        """Groups in the order in which they came."""
        return list(self._inputs)

    @property
    def labels(self) -> list[int]:
        """Labels of all groups, ascending."""
        return sorted({label for group in self._inputs.values() for label in group})

    @property
    def stored_values(self) -> int:
        """How many numbers are stored: every value of every input, and its label."""
        kept = [inputs for group in self._inputs.values() for inputs in group.values()]
        return sum(inputs.numel() + len(inputs) for inputs in kept)

    def put(self, group: int, label: int, inputs: Tensor) -> None:
        """Stores these inputs (count, *input_shape) and no others of the group and label."""
        self._inputs.setdefault(group, {})[label] = inputs

    def put_random(self, group: int, samples: Samples, per_class: int, generator: torch.Generator) -> None:
        """Stores so many samples of each class, drawn without replacement; all of them where there are fewer."""
        for label in torch.unique(samples.y).tolist():
            positions = (samples.y == label).nonzero().squeeze(1)
            chosen = torch.randperm(len(positions), generator=generator)[:per_class]
            self.put(group, label, samples.take(positions[chosen.to(positions.device)]))

    def keep_first(self, per_class: int) -> None:
        """Of every label in every group forgets all inputs but the first so many."""
        for group in self._inputs.values():
            for label, inputs in group.items():
                group[label] = inputs[:per_class].clone()  # a mere view would keep what is forgotten in memory

    def of_label(self, label: int) -> Tensor:
        """Inputs (count, *input_shape) of a label in all groups, in the order in which they were put."""
        return torch.cat([group[label] for group in self._inputs.values() if label in group])

    def samples(self, group: int | None = None) -> Samples:
        """What is stored of a group, or of all (None)."""
        groups = self._inputs.values() if group is None else [self._inputs[group]]
        kept = [(label, inputs) for stored in groups for label, inputs in stored.items()]
        labels = [torch.full((len(inputs),), label, dtype=torch.int64, device=inputs.device) for label, inputs in kept]
        return Samples(torch.cat([inputs for _, inputs in kept]), torch.cat(labels))


def samples_of(experience: Any) -> Samples:
    """Training samples of an experience: its tensors, or, of a stock Avalanche benchmark, all items in memory, with
    whatever random transforms made of them this once."""
    samples = in_memory_samples(experience)
    if samples is not None:
        return samples
    items = [(item[0], int(item[1])) for item in experience.dataset.train()]
    return Samples(torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items]))


class StoringTemplate(ClassifierTemplate):
    """Stores `per_class` samples of each class after every experience."""

    def __init__(self, *, setup: Setup, per_class: int) -> None:
        self.buffer = Buffer()
        self._per_class = per_class
        self._choice = setup.generator("buffer")
        self._replay_order = setup.generator("replay")
        self._stored_batches: InfiniteBatches | ConcatenatedBatches | None = None
        super().__init__(setup=setup)

    def parameter_counts(self) -> Settings:
        """Those of the classifier, and the numbers stored beside them."""
        return {**super().parameter_counts(), "stored_values": self.buffer.stored_values}

    def stored_batch(self) -> Batch:
        """Inputs, labels and task labels of stored samples, from the second experience on.

        In TASK equally many of each past experience, ceil(batch size / past experiences), so that the mean loss is
        also the mean over their heads. Elsewhere one batch of the protocol's size from all that is stored, which may
        be less. Without replacement until all were drawn.
        """
        assert self._stored_batches is not None
        return next(self._stored_batches)

    def stored_loss(self, outputs: Tensor, y: Tensor, task_labels: Tensor) -> Tensor:
        """Cross-entropy of outputs (batch, setup.outputs) of all heads or classes for a stored batch."""
        return functional.cross_entropy(self.competing(outputs, task_labels), y)

    def begin_experience(self) -> None:
        super().begin_experience()
        self._stored_batches = self._new_batches() if self.buffer.groups else None

    def _new_batches(self) -> InfiniteBatches | ConcatenatedBatches:
        size = self.setup.protocol.batch_size
        if self.scenario is not Scenario.TASK:
            stored = self.buffer.samples()
            return self._batches(0, min(size, len(stored)))
        groups = self.buffer.groups
        return ConcatenatedBatches([self._batches(group, math.ceil(size / len(groups)), group) for group in groups])

    def _batches(self, task_label: int, size: int, group: int | None = None) -> InfiniteBatches:
        return InfiniteBatches(
            self.buffer.samples(group),
            task_label=task_label,
            batch_size=size,
            generator=self._replay_order,
            device=self.device,
        )

    def end_experience(self) -> None:
        super().end_experience()
        self._stored_batches = None
        group = self._task_label() if self.scenario is Scenario.TASK else self.task
        self.buffer.put_random(group, samples_of(self.experience), self._per_class, self._choice)
