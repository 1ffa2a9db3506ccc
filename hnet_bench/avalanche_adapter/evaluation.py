"""Evaluation that gives a strategy nothing but inputs, and in TASK the task label.

In DOMAIN and CLASS the test samples of all experiences are pooled and mixed into a single Avalanche experience, so the
task identity is not in a label, nor in the order, nor in the composition of a batch. Class labels, or the values to
predict, are withheld in every scenario: the strategy returns answers, and only this file compares them. Where a pool
must know which permutation belongs to a sample, that is private to it and read by `Samples.take` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from avalanche.core import BaseSGDPlugin
from avalanche.training.templates import SupervisedTemplate
from torch import Tensor

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark, Samples, avalanche_streams, concatenated
from hnet_bench.avalanche_adapter.goals import Goal, agreement, goal_of
from hnet_bench.interfaces import BenchmarkFacts, Scenario

_MIXING_SEED = 0x6D6978  # any constant: the order must be mixed, not secret


@dataclass(frozen=True)
class Evaluation:
    """Scores on every experience, see `goals`; `task_inference`, fractions of samples, is None where none is inferred.

    `answers` are those to the test samples of each experience, in their order.
    """

    score: list[float]
    task_inference: list[float] | None
    answers: Sequence[Tensor] = field(compare=False, repr=False)


class Evaluator:
    """Evaluates strategies on the test samples of one benchmark."""

    def __init__(self, benchmark: InMemoryBenchmark) -> None:
        self._goal = goal_of(benchmark.facts)
        self._targets = [samples.y.cpu() for samples in benchmark.test]
        self._sizes = [len(targets) for targets in self._targets]
        self._blind = benchmark.scenario is not Scenario.TASK
        withheld = [samples.labelled(torch.zeros_like(samples.y)) for samples in benchmark.test]
        if self._blind:
            generator = torch.Generator().manual_seed(_MIXING_SEED)
            self._order = torch.randperm(sum(self._sizes), generator=generator)
            withheld = [concatenated(withheld, self._order)]
        self._stream = _stream(benchmark.facts, withheld)

    def evaluate(self, template: SupervisedTemplate) -> Evaluation:
        """Scores of a strategy as it is now; it is left as it was found."""
        collector = _Collector(self._goal)
        # Last, so that what other plugins make of the outputs is what counts.
        template.plugins.append(collector)
        try:
            template.eval(self._stream)
        finally:
            template.plugins.remove(collector)
        answers = self._by_experience(torch.cat(collector.answers))
        score = [self._goal.score(found, expected) for found, expected in zip(answers, self._targets, strict=True)]
        if not collector.inferred_tasks:
            return Evaluation(score, None, answers)
        inferred = self._by_experience(torch.cat(collector.inferred_tasks))
        return Evaluation(score, [agreement(tasks, index) for index, tasks in enumerate(inferred)], answers)

    def _by_experience(self, values: Tensor) -> list[Tensor]:
        if self._blind:
            unmixed = torch.empty_like(values)
            unmixed[self._order] = values
            values = unmixed
        return list(torch.split(values, self._sizes))


class _Collector(BaseSGDPlugin):  # type: ignore[misc]
    """Keeps what a strategy answers, and which task it infers if it sets `mb_inferred_task`."""

    def __init__(self, goal: Goal) -> None:
        super().__init__()
        self._goal = goal
        self.answers: list[Tensor] = []
        self.inferred_tasks: list[Tensor] = []

    def after_eval_forward(self, strategy: Any, *args: Any, **kwargs: Any) -> None:
        self.answers.append(self._goal.answers(strategy.mb_output).detach().cpu())
        inferred = getattr(strategy, "mb_inferred_task", None)
        if inferred is not None:
            self.inferred_tasks.append(inferred.cpu())


def _stream(facts: BenchmarkFacts, parts: list[Samples]) -> Any:
    """One experience per part, with its index as task label."""
    datasets = [samples.avalanche_dataset(task_label=index) for index, samples in enumerate(parts)]
    stream = avalanche_streams(facts, test=datasets).test_stream
    for experience, samples in zip(stream, parts, strict=True):
        experience.in_memory = samples
    return stream
