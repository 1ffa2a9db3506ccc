"""From a score matrix to the numbers that papers print.

A score matrix is a list of T rows; `score[i][j]` is the score on experience j after training on experience i
(a fraction in [0, 1] for accuracies), None where it was not measured: the diagonal and the last row always are. All
averages are unweighted means over experiences, as in the papers. A metric that needs a score which was not measured is
None. docs/metrics.md says what each tells, and what it does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from hnet_bench.runs.record import Record

Better: TypeAlias = Literal["higher", "lower"]  # which scores are
Scores: TypeAlias = "Sequence[float | None]"
ScoreMatrix: TypeAlias = "Sequence[Scores]"

_SIGNS: dict[Better, int] = {"higher": 1, "lower": -1}


def average_accuracy(score: ScoreMatrix) -> float:
    """ACC (Lopez-Paz & Ranzato 2017, equation 2): mean over experiences of the score after the last one."""
    return _mean(_measured(score[-1]))


def during_accuracy(score: ScoreMatrix) -> float:
    """Mean over experiences of the score right after training on each ("during" in von Oswald et al. 2020)."""
    return _mean(_measured([score[i][i] for i in range(len(score))]))


def anytime_accuracy(score: ScoreMatrix) -> float | None:
    """AAA (Caccia et al. 2022), the average incremental accuracy of Rebuffi et al. 2017: mean over experiences of the
    mean score, right after each, on all experiences until then."""
    until_then = [list(row[: after + 1]) for after, row in enumerate(score)]
    if any(None in scores for scores in until_then):
        return None
    return _mean([_mean(_measured(scores)) for scores in until_then])


def worst_case_accuracy(score: ScoreMatrix, better: Better = "higher") -> float | None:
    """WC-ACC (De Lange et al. 2023) at the end: the last experience's score counts 1 / T, the rest is the mean over the
    others of the worst score since the end of their own training (min-ACC).

    Theirs is evaluated after every step; from evaluations after each experience it is an upper bound of that, which
    does not see the stability gap between them.
    """
    last, sign = len(score) - 1, _SIGNS[better]
    later = [[score[i][j] for i in range(j + 1, last + 1)] for j in range(last)]
    if any(None in scores for scores in later):
        return None
    worst = [sign * min(sign * value for value in _measured(scores)) for scores in later]
    return _mean([*worst, *_measured([score[-1][-1]])])


def backward_transfer(score: ScoreMatrix, better: Better = "higher") -> float:
    """BWT (Lopez-Paz & Ranzato 2017, equation 3): mean over all but the last experience of final minus immediate score;
    positive is better."""
    last = len(score) - 1
    final, during = _measured(score[-1]), _measured([score[i][i] for i in range(last)])
    return _SIGNS[better] * _mean([final[j] - during[j] for j in range(last)])


def forward_transfer(score: ScoreMatrix, untrained: Sequence[float] | None, better: Better = "higher") -> float | None:
    """FWT (Lopez-Paz & Ranzato 2017, equation 4): mean over j >= 1 of the score on j before training on it, less
    `untrained[j]`; positive is better. None if one of these scores was not measured."""
    before = [score[j - 1][j] for j in range(1, len(score))]
    if None in before or untrained is None:
        return None
    return _SIGNS[better] * _mean([value - untrained[j] for j, value in enumerate(_measured(before), start=1)])


def forgetting(score: ScoreMatrix, better: Better = "higher") -> float | None:
    """Mean over all but the last experience of what is lost from the best score since it was learned to the final one
    (Chaudhry et al. 2018, who also look for the best before it was learned); positive is worse.

    None if a score among which the best is sought was not measured: the best of fewer would be too low.
    """
    last, sign = len(score) - 1, _SIGNS[better]
    earlier = [[score[i][j] for i in range(j, last)] for j in range(last)]
    if any(None in scores for scores in earlier):
        return None
    final = _measured(score[-1])
    return _mean(
        [max(sign * value for value in _measured(scores)) - sign * final[j] for j, scores in enumerate(earlier)]
    )


# By the names that tables and `api.records` call them: functions of what was measured and of which scores are better.
METRICS: dict[str, Callable[[Record, Better], float | None]] = {
    "average_accuracy": lambda run, _: average_accuracy(run.score),
    "during_accuracy": lambda run, _: during_accuracy(run.score),
    "anytime_accuracy": lambda run, _: anytime_accuracy(run.score),
    "worst_case_accuracy": lambda run, better: worst_case_accuracy(run.score, better),
    "backward_transfer": lambda run, better: backward_transfer(run.score, better),
    "forward_transfer": lambda run, better: forward_transfer(run.score, run.untrained, better),
    "forgetting": lambda run, better: forgetting(run.score, better),
    "task_inference": lambda run, _: average_accuracy(run.task_inference) if run.task_inference else None,
}


@dataclass(frozen=True)
class Summary:
    """Mean and sample variance of a number over seeds; the variance is None for a single seed."""

    mean: float
    variance: float | None
    n: int

    @property
    def sem(self) -> float | None:
        """The standard error of the mean, None for a single seed."""
        return None if self.variance is None else math.sqrt(self.variance / self.n)


def summarise(values: Sequence[float]) -> Summary | None:
    """Summary over seeds, or None if there is no value."""
    if not values:
        return None
    mean, n = _mean(values), len(values)
    return Summary(mean, math.fsum((value - mean) ** 2 for value in values) / (n - 1) if n > 1 else None, n)


def _mean(values: Sequence[float]) -> float:
    # One experience has no backward transfer and no forgetting: 0 is the only sensible value.
    return math.fsum(values) / len(values) if values else 0.0


def _measured(scores: Scores) -> list[float]:
    """The scores, all of which must be there: what a sound record has is never left out of a mean."""
    found = [value for value in scores if value is not None]
    if len(found) < len(scores):
        raise ValueError("A score that every record has was not measured.")
    return found
