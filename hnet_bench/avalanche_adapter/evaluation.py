"""Evaluation that gives a strategy nothing but inputs, and in TASK the task label.

In DOMAIN and CLASS the test samples of all experiences are pooled and mixed into a single Avalanche experience, so the
task identity is not in a label, nor in the order, nor in the composition of a batch. Class labels are withheld in every
scenario: the strategy returns predictions, and only this file compares them. Where a pool must know which permutation
belongs to a sample, that is private to it and read by `Samples.take` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from avalanche.benchmarks import benchmark_from_datasets, with_classes_timeline, with_task_labels
from avalanche.core import BaseSGDPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark, Samples, concatenated
from hnet_bench.interfaces import Scenario

_MIXING_SEED = 0x6D6978  # any constant: the order must be mixed, not secret


@dataclass(frozen=True)
class Evaluation:
    """Scores on every experience: fractions of samples; `task_inference` is None where no task is inferred."""

    score: list[float]
    task_inference: list[float] | None


class Evaluator:
    """Evaluates strategies on the test samples of one benchmark."""

    def __init__(self, benchmark: InMemoryBenchmark) -> None:
        self._labels = [samples.y.cpu() for samples in benchmark.test]
        self._sizes = [len(labels) for labels in self._labels]
        self._blind = benchmark.scenario is not Scenario.TASK
        withheld = [samples.labelled(torch.zeros_like(samples.y)) for samples in benchmark.test]
        if self._blind:
            generator = torch.Generator().manual_seed(_MIXING_SEED)
            self._order = torch.randperm(sum(self._sizes), generator=generator)
            withheld = [concatenated(withheld, self._order)]
        self._stream = _stream(withheld)

    def evaluate(self, template: SupervisedTemplate) -> Evaluation:
        """Scores of a strategy as it is now; it is left as it was found."""
        collector = _Collector()
        # Last, so that what other plugins make of the outputs is what counts.
        template.plugins.append(collector)
        try:
            template.eval(self._stream)
        finally:
            template.plugins.remove(collector)
        predictions = self._by_experience(torch.cat(collector.predictions))
        score = [agreement(found, labels) for found, labels in zip(predictions, self._labels, strict=True)]
        if not collector.inferred_tasks:
            return Evaluation(score, None)
        inferred = self._by_experience(torch.cat(collector.inferred_tasks))
        return Evaluation(score, [agreement(tasks, index) for index, tasks in enumerate(inferred)])

    def _by_experience(self, values: Tensor) -> list[Tensor]:
        if self._blind:
            unmixed = torch.empty_like(values)
            unmixed[self._order] = values
            values = unmixed
        return list(torch.split(values, self._sizes))


class _Collector(BaseSGDPlugin):  # type: ignore[misc]
    """Keeps what a strategy predicts, and which task it infers if it sets `mb_inferred_task`."""

    def __init__(self) -> None:
        super().__init__()
        self.predictions: list[Tensor] = []
        self.inferred_tasks: list[Tensor] = []

    def after_eval_forward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self.predictions.append(strategy.mb_output.argmax(dim=1).cpu())
        inferred = getattr(strategy, "mb_inferred_task", None)
        if inferred is not None:
            self.inferred_tasks.append(inferred.cpu())


def _stream(parts: list[Samples]) -> Any:
    """One experience per part, with its index as task label."""
    datasets = [samples.avalanche_dataset(task_label=index) for index, samples in enumerate(parts)]
    stream = with_task_labels(with_classes_timeline(benchmark_from_datasets(test=datasets))).test_stream
    for experience, samples in zip(stream, parts, strict=True):
        experience.in_memory = samples
    return stream


def agreement(found: Tensor, expected: Tensor | int) -> float:
    """Fraction of equal entries."""
    return int((found == expected).sum()) / len(found)
