"""Evaluation that gives a strategy nothing but inputs, and in TASK the task label.

In DOMAIN and CLASS the test samples of all experiences are pooled and mixed into a single Avalanche experience, so the
task identity is not in a label, nor in the order, nor in the composition of a batch. Class labels, or the values to
predict, are withheld in every scenario: the strategy returns outputs, and only this file compares them.

The order of a pool follows from a hash of the test data with their labels: the same in every process, so that scores
repeat bit for bit, and computed by nobody who has not these labels anyway. Neither it nor which permutation belongs to
a sample stands in an attribute of anything that a strategy is given. Python can hide nothing from whoever searches
stack frames or the garbage collector.

Where a protocol evaluates on one experience alone, the pool holds just that one. No label or order tells which it is,
but all samples of a batch are of one task; `hnet-bench check` finds a strategy whose answers depend on a whole batch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import numpy
import torch
from avalanche.core import BaseSGDPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor

from hnet_bench.avalanche_adapter.benchmark import (
    InMemoryBenchmark,
    Samples,
    avalanche_one_by_one,
    avalanche_streams,
    concatenated,
    content_sum,
)
from hnet_bench.avalanche_adapter.finite import require_finite_outputs
from hnet_bench.avalanche_adapter.objective import Objective, accuracy, objective_of
from hnet_bench.interfaces import BenchmarkFacts, Scenario


@dataclass(frozen=True)
class Evaluation:
    """Scores on every experience, see `objective`, None on those that were not asked for; `task_inference`, fractions
    of samples, is None where none is inferred.

    `predictions` are those for the test samples of each experience that was asked for, in their order.
    """

    score: list[float | None]
    task_inference: list[float | None] | None
    predictions: Sequence[Tensor] = field(compare=False, repr=False)


class Evaluator:
    """Evaluates strategies on the test samples of one benchmark.

    A strategy is given it once, after the last experience: what it says of the labels comes when nothing is trained.
    """

    def __init__(self, benchmark: InMemoryBenchmark) -> None:
        self._facts = benchmark.facts
        self._objective = objective_of(benchmark.facts)
        self._test = benchmark.test
        self._targets = [samples.y.cpu() for samples in benchmark.test]
        self._withheld = [samples.labelled(torch.zeros_like(samples.y)) for samples in benchmark.test]
        self._blind = benchmark.scenario is not Scenario.TASK
        self._order_seed = int(content_sum(benchmark.test), 16) if self._blind else 0
        self._streams: dict[tuple[int, ...], _Stream] = {}  # the one that is asked for again and again

    def evaluate(self, template: SupervisedTemplate, on: Sequence[int] | None = None) -> Evaluation:
        """Scores of a strategy as it is now, on these experiences (None: all); it is left as it was found."""
        every = range(len(self._targets))
        chosen = tuple(every if on is None else on)
        stream = self._stream_of(chosen)
        collector = _Collector(self._objective)
        # Last, so that what other plugins make of the outputs is what counts.
        template.plugins.append(collector)
        try:
            template.eval(stream.experiences)
        finally:
            template.plugins.remove(collector)
        predictions = stream.by_experience(torch.cat(collector.predictions))
        score = {
            index: self._objective.metric(found, self._targets[index])
            for index, found in zip(chosen, predictions, strict=True)
        }
        row = [score.get(index) for index in every]
        if not collector.inferred_tasks:
            return Evaluation(row, None, predictions)
        inferred = stream.by_experience(torch.cat(collector.inferred_tasks))
        shares = {index: accuracy(tasks, index) for index, tasks in zip(chosen, inferred, strict=True)}
        return Evaluation(row, [shares.get(index) for index in every], predictions)

    def outputs(self, template: SupervisedTemplate, most: int) -> Tensor:
        """Outputs, whatever they are, for at most so many test samples of each experience; it is left as it was
        found."""
        inputs = [self.inputs(experience, most) for experience in range(len(self._withheld))]
        parts = [Samples(x, samples.y[: len(x)]) for x, samples in zip(inputs, self._withheld, strict=True)]
        listener = _Outputs()
        template.plugins.append(listener)
        try:
            template.eval(self._stream_with(parts, range(len(parts))).experiences)
        finally:
            template.plugins.remove(listener)
        return torch.cat(listener.outputs)

    def inputs(self, experience: int, most: int | None = None) -> Tensor:
        """Inputs (n, *input_shape) of all test samples of an experience, or of `most` of them, evenly spread."""
        samples = self._test[experience]
        return samples.take(_evenly_spread(len(samples), len(samples) if most is None else most))

    def score(self, experience: int, outputs: Tensor) -> float:
        """Score of outputs (n, K) for what `inputs` gave; n tells how many that were."""
        targets = self._targets[experience]
        chosen = targets[_evenly_spread(len(targets), len(outputs))]
        return self._objective.metric(self._objective.predictions(outputs).cpu(), chosen)

    def _stream_of(self, chosen: tuple[int, ...]) -> _Stream:
        if chosen not in self._streams:
            self._streams = {chosen: self._stream_with([self._withheld[index] for index in chosen], chosen)}
        return self._streams[chosen]

    def _stream_with(self, parts: list[Samples], chosen: Sequence[int]) -> _Stream:
        sizes = [len(part) for part in parts]
        if not self._blind:
            return _Stream(_experiences(self._facts, parts, task_labels=chosen), sizes)
        order = torch.from_numpy(numpy.random.default_rng(self._order_seed).permutation(sum(sizes)))
        pool = BlindPool(concatenated(parts, order))
        return _Stream(_experiences(self._facts, [pool], task_labels=(0,)), sizes, order)


# What a blind pool gives its inputs from. In no attribute of the pool, which strategies see: samples that are permuted
# know the permutation of each, and with it the experience.
_mixed: WeakKeyDictionary[BlindPool, Samples] = WeakKeyDictionary()


class BlindPool(Samples):
    """Inputs of mixed samples without labels, and nothing else about them."""

    def __init__(self, mixed: Samples) -> None:
        self.y = mixed.y
        _mixed[self] = mixed

    @property
    def x(self) -> Tensor:
        """All inputs (N, *input_shape), made at every call: prefer `take`."""
        return self.take(torch.arange(len(self)))

    def take(self, indices: Tensor) -> Tensor:
        return _mixed[self].take(indices)

    def drawn(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        return self.take(indices)

    def labelled(self, y: Tensor) -> Samples:
        labelled = copy.copy(self)
        labelled.y = y
        _mixed[labelled] = _mixed[self]
        return labelled

    def to(self, device: torch.device) -> Samples:
        return BlindPool(_mixed[self].to(device))

    def avalanche_dataset(self, task_label: int) -> Any:
        return avalanche_one_by_one(self, task_label)


@dataclass(frozen=True)
class _Stream:
    """Experiences to evaluate on; `order` says where the samples of a mixed pool are from."""

    experiences: Any
    sizes: list[int]  # of the experiences of the benchmark that are in it
    order: Tensor | None = None

    def by_experience(self, values: Tensor) -> list[Tensor]:
        """What was said of all samples, as it was said of those of each experience."""
        if self.order is not None:
            unmixed = torch.empty_like(values)
            unmixed[self.order] = values
            values = unmixed
        return list(torch.split(values, self.sizes))


class _Collector(BaseSGDPlugin):  # type: ignore[misc]
    """Keeps what a strategy predicts, and which task it infers if it sets `mb_inferred_task`."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self._objective = objective
        self.predictions: list[Tensor] = []
        self.inferred_tasks: list[Tensor] = []

    def after_eval_forward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        when = f"After {strategy.place}" if strategy.tasks_seen else "Before the first experience"
        require_finite_outputs(self._objective.decisive(strategy.mb_output), when)
        self.predictions.append(self._objective.predictions(strategy.mb_output).detach().cpu())
        inferred = getattr(strategy, "mb_inferred_task", None)
        if inferred is not None:
            self.inferred_tasks.append(inferred.cpu())


class _Outputs(BaseSGDPlugin):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.outputs: list[Tensor] = []

    def after_eval_forward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self.outputs.append(strategy.mb_output.detach().clone())


def _evenly_spread(size: int, most: int) -> Tensor:
    """At most so many positions, evenly spread over `size` of them."""
    count = min(size, most)
    return torch.arange(count) * size // count


def _experiences(facts: BenchmarkFacts, parts: list[Samples], *, task_labels: Sequence[int]) -> Any:
    """One experience for each part, with its task label."""
    datasets = [samples.avalanche_dataset(task_label=label) for label, samples in zip(task_labels, parts, strict=True)]
    stream = avalanche_streams(facts, test=datasets).test_stream
    for experience, samples in zip(stream, parts, strict=True):
        experience.in_memory = samples
    return stream
