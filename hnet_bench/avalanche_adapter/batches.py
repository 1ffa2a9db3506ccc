"""Batches from tensors that stay in memory: an endless, reshuffled stream for training, a plain pass for evaluation.

Streams for training are iterators whose position stands in their attributes, so that a checkpoint can hold it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from hnet_bench.avalanche_adapter.benchmark import Samples

Batch = tuple[Tensor, Tensor, Tensor]  # inputs, targets, task labels


class InfiniteBatches:
    """Batches of one size for ever: without replacement until all samples were drawn, then reshuffled.

    A batch may straddle two passes, so all have full size, also where there are fewer samples than a batch holds.
    """

    def __init__(
        self, samples: Samples, *, task_label: int, batch_size: int, generator: torch.Generator, device: torch.device
    ) -> None:
        if len(samples) == 0:
            raise ValueError("There must be at least one sample to train on, found none.")
        self._samples = samples.to(device)
        self._task_labels = torch.full((batch_size,), task_label, dtype=torch.int64, device=device)
        self._batch_size = batch_size
        self._generator = generator
        self._order = torch.empty(0, dtype=torch.int64, device=device)

    def __iter__(self) -> InfiniteBatches:
        return self

    def __next__(self) -> Batch:
        chosen = self._next_indices()
        x = self._samples.drawn(chosen, self._generator)
        return x, self._samples.y.index_select(0, chosen), self._task_labels

    def _next_indices(self) -> Tensor:
        while len(self._order) < self._batch_size:
            reshuffled = torch.randperm(len(self._samples), generator=self._generator).to(self._order.device)
            self._order = torch.cat([self._order, reshuffled])
        chosen, self._order = self._order[: self._batch_size], self._order[self._batch_size :]
        return chosen


class ConcatenatedBatches:
    """Batches made of one batch of each stream, in order."""

    def __init__(self, streams: list[InfiniteBatches]) -> None:
        self._streams = streams

    def __iter__(self) -> ConcatenatedBatches:
        return self

    def __next__(self) -> Batch:
        parts = [next(stream) for stream in self._streams]
        x, y, task_labels = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        return x, y, task_labels


def one_pass(samples: Samples, *, task_label: int, batch_size: int, device: torch.device) -> Iterator[Batch]:
    """All samples once, in order; the last batch may be smaller."""
    samples = samples.to(device)
    for indices in torch.arange(len(samples), device=device).split(batch_size):
        yield samples.take(indices), samples.y[indices], torch.full_like(indices, task_label)


class FixedIterations:
    """An iterator of the first `count` items of a loader, which is begun anew whenever it ends.

    Raises ValueError if it is empty.
    """

    def __init__(self, batches: Iterable[Any], count: int) -> None:
        self.done = 0  # items that were given
        self.left = count  # those that are still to come
        self._batches = batches
        self._iterator: Iterator[Any] | None = None

    def __iter__(self) -> FixedIterations:
        return self

    def __next__(self) -> Any:
        if self.left <= 0:
            raise StopIteration
        item = self._next()
        self.done += 1
        self.left -= 1
        return item

    def skip(self) -> int:
        """Gives no more items; how many these would have been."""
        skipped, self.left = self.left, 0
        self.done += skipped
        return skipped

    def _next(self) -> Any:
        if self._iterator is not None:
            try:
                return next(self._iterator)
            except StopIteration:
                pass
        self._iterator = iter(self._batches)
        try:
            return next(self._iterator)
        except StopIteration:
            raise ValueError("There must be at least one batch to train on, found none.") from None
