"""Which of several cells is the best, and which cannot be told from it.

Competitors are tested against each other: paired by seed where both learn the same data with the same seed, by means
otherwise (`hnet_bench.reporting.mean_tests`), two-sided at 5 %, with Holm's correction for the number of all pairs.
Pairs without the best count, too: which one is the best is read off the same scores, so any pair might have been asked
about.

Accuracies come in steps, of one answer in so many, so a few seeds may all differ by the same, and a spread of nothing
would tell apart whatever is not equal. So a score counts as any number within half a step of it, and a test rejects
only if it would for all of these: `_blurred` has the bounds. Fewer than `MINIMUM_SEEDS` seeds are not tested: t has
such tails there that a test of many pairs either finds nothing or rests on the normal distribution of three numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Literal, TypeAlias, TypeVar

from hnet_bench.papers.table import Better
from hnet_bench.reporting.mean_tests import Part, part_of, tail_probability

# best: the best mean. tied: cannot be told from it. untested: too few seeds for a test. "": told apart, or alone.
Rank: TypeAlias = Literal["best", "tied", "untested", ""]

MINIMUM_SEEDS = 5
_LEVEL = 0.05
_LARGEST_DENOMINATOR = 10**6  # of a score that counts as a share of test samples
_Test = TypeVar("_Test")


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """The scores of one cell; those with the same `runs` are the same runs under two names."""

    runs: str  # digest of the spec
    data: str  # what fixes the data of a seed: scenario, benchmark and its settings
    scores: Mapping[int, float]  # seed -> score, at least one


def ranks(competitors: Sequence[Competitor], better: Better, *, step: float | None = None) -> list[Rank]:
    """The rank of each competitor. Where all are the same runs there is nothing to rank.

    `step` is that of an experience's score, see `step_of`; None if the scores are those of one experience.
    """
    if step is None:
        step = step_of(score for competitor in competitors for score in competitor.scores.values())
    distinct = {competitor.runs: competitor for competitor in competitors}
    if len(distinct) < 2:
        return [""] * len(competitors)
    sign = 1 if better == "higher" else -1
    best = max(distinct.values(), key=lambda competitor: sign * _mean(list(competitor.scores.values())))
    tests = {
        frozenset((one.runs, other.runs)): p_of_difference(one, other, step=step)
        for one, other in combinations(distinct.values(), 2)
    }
    adjusted = holm({pair: p for pair, p in tests.items() if p is not None})
    found: dict[str, Rank] = {best.runs: "best"}
    for runs in distinct.keys() - {best.runs}:
        p = adjusted.get(frozenset((best.runs, runs)))
        found[runs] = "untested" if p is None else "tied" if p > _LEVEL else ""
    return [found[competitor.runs] for competitor in competitors]


def p_of_difference(one: Competitor, other: Competitor, *, step: float = 0.0) -> float | None:
    """Two-sided p-value of equal means, None if there are too few seeds for any test."""
    shared = sorted(one.scores.keys() & other.scores.keys())
    if one.data == other.data and len(shared) >= MINIMUM_SEEDS:
        differences = [one.scores[seed] - other.scores[seed] for seed in shared]
        mean, parts = _mean(differences), [_blurred(differences, step)]
    elif min(len(one.scores), len(other.scores)) >= MINIMUM_SEEDS:
        scores = list(one.scores.values()), list(other.scores.values())
        mean, parts = _mean(scores[0]) - _mean(scores[1]), [_blurred(values, step / 2) for values in scores]
    else:
        return None
    # Two means of which each may be off by half a step.
    return 2 * tail_probability(max(abs(mean) - step, 0.0), parts)


def step_of(scores: Iterable[float]) -> float:
    """By how much the score of an experience changes with one answer, from scores of experiences of one size.

    One over the largest denominator; 0 for scores that are no shares of test samples, such as errors. An average over
    experiences is off by no more than one of them.
    """
    largest = 1
    for score in scores:
        share = Fraction(score).limit_denominator(_LARGEST_DENOMINATOR)
        if not 0 <= score <= 1 or share.numerator / share.denominator != score:
            return 0.0
        largest = max(largest, share.denominator)
    return 1 / largest


def _blurred(values: Sequence[float], blur: float) -> Part:
    """The part of a mean of values each of which may be off by `blur`, at the most that it can be.

    Numbers between -blur and blur have a standard deviation of at most blur * sqrt(n / (n - 1)), and that of a sum is
    no larger than the sum of both.
    """
    n, part = len(values), part_of(values)
    return Part((math.sqrt(part.square) + blur / math.sqrt(n - 1)) ** 2, part.freedom)


def holm(p_values: Mapping[_Test, float]) -> dict[_Test, float]:
    """P-values corrected for their number, so that any false rejection among them is as rare as for one test (1979)."""
    adjusted: dict[_Test, float] = {}
    highest = 0.0
    for index, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(p_values) - index)))
        adjusted[name] = highest
    return adjusted


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
