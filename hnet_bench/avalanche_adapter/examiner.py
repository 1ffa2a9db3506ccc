"""Test samples for what a strategy wants to know of itself in the end. Their labels stay here."""

from __future__ import annotations

import torch
from torch import Tensor

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark
from hnet_bench.avalanche_adapter.goals import goal_of


class Examiner:
    """Gives inputs of an experience's test samples and scores outputs for them.

    Scores tell something of the labels, so it is made after the last experience, when nothing is trained any more.
    """

    def __init__(self, benchmark: InMemoryBenchmark, device: torch.device) -> None:
        self._goal = goal_of(benchmark.facts)
        self._test = [samples.to(device) for samples in benchmark.test]

    def inputs(self, experience: int, most: int | None = None) -> Tensor:
        """Inputs (n, *input_shape) of all test samples, or of `most` of them, evenly spread over their order."""
        size = len(self._test[experience])
        return self._test[experience].take(self._positions(experience, min(size, most or size)))

    def score(self, experience: int, outputs: Tensor) -> float:
        """Score of outputs (n, K) for what `inputs` gave; n tells how many that were."""
        expected = self._test[experience].y[self._positions(experience, len(outputs))]
        return self._goal.score(self._goal.answers(outputs), expected)

    def _positions(self, experience: int, count: int) -> Tensor:
        samples = self._test[experience]
        return torch.arange(count, device=samples.y.device) * len(samples) // count
