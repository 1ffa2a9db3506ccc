"""From a score matrix to the numbers that papers print.

A score matrix is a list of T rows; `score[i][j]` is the score on experience j after training on experience i
(a fraction in [0, 1] for accuracies). All averages are unweighted means over experiences, as in the papers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

ScoreMatrix = Sequence[Sequence[float]]


def average_accuracy(score: ScoreMatrix) -> float:
    """ACC: mean over experiences of the score after the last one."""
    return _mean(score[-1])


def during_accuracy(score: ScoreMatrix) -> float:
    """Mean over experiences of the score right after training on each ("during" in von Oswald et al. 2020)."""
    return _mean([score[i][i] for i in range(len(score))])


def backward_transfer(score: ScoreMatrix) -> float:
    """BWT (Lopez-Paz & Ranzato 2017): mean over all but the last experience of final minus immediate score."""
    return _mean([score[-1][j] - score[j][j] for j in range(len(score) - 1)])


def forward_transfer(score: ScoreMatrix, untrained: Sequence[float]) -> float:
    """FWT (Lopez-Paz & Ranzato 2017): mean over j >= 1 of the score on j before training on it, less `untrained[j]`."""
    return _mean([score[j - 1][j] - untrained[j] for j in range(1, len(score))])


def forgetting(score: ScoreMatrix) -> float:
    """Mean over all but the last experience of the best earlier score minus the final one (Chaudhry et al. 2018)."""
    last = len(score) - 1
    return _mean([max(score[i][j] for i in range(j, last)) - score[-1][j] for j in range(last)])


@dataclass(frozen=True)
class Summary:
    """Mean of a number over seeds; `sem` is the sample standard deviation over sqrt(n), None for a single seed."""

    mean: float
    sem: float | None
    n: int


def summarise(values: Sequence[float]) -> Summary | None:
    """Summary over seeds, or None if there is no value."""
    if not values:
        return None
    mean = _mean(values)
    if len(values) == 1:
        return Summary(mean, None, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Summary(mean, math.sqrt(variance / len(values)), len(values))


def _mean(values: Sequence[float]) -> float:
    # One experience has no backward transfer and no forgetting: 0 is the only sensible value.
    return math.fsum(values) / len(values) if values else 0.0
