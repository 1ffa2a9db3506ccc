"""Which of several cells is the best, and which cannot be told from it.

Competitors are tested against each other: paired by seed where both learn the same data with the same seed, by means
otherwise (`hnet_bench.reporting.mean_tests`), two-sided at 5 %, with Holm's correction for the number of all pairs.
Pairs without the best count, too: which one is the best is read off the same scores, so any pair might have been asked
about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, TypeAlias, TypeVar

from hnet_bench.papers.table import Better
from hnet_bench.reporting.mean_tests import part_of, tail_probability

# best: the best mean. tied: cannot be told from it. untested: too few seeds for a test. "": told apart, or alone.
Rank: TypeAlias = Literal["best", "tied", "untested", ""]

_LEVEL = 0.05
_Test = TypeVar("_Test")


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """The scores of one cell; those with the same `runs` are the same runs under two names."""

    runs: str  # digest of the spec
    data: str  # what fixes the data of a seed: scenario, benchmark and its settings
    scores: Mapping[int, float]  # seed -> score, at least one


def ranks(competitors: Sequence[Competitor], better: Better) -> list[Rank]:
    """The rank of each competitor. Where all are the same runs there is nothing to rank."""
    distinct = {competitor.runs: competitor for competitor in competitors}
    if len(distinct) < 2:
        return [""] * len(competitors)
    sign = 1 if better == "higher" else -1
    best = max(distinct.values(), key=lambda competitor: sign * _mean(list(competitor.scores.values())))
    tests = {
        frozenset((one.runs, other.runs)): p_of_difference(one, other)
        for one, other in combinations(distinct.values(), 2)
    }
    adjusted = holm({pair: p for pair, p in tests.items() if p is not None})
    found: dict[str, Rank] = {best.runs: "best"}
    for runs in distinct.keys() - {best.runs}:
        p = adjusted.get(frozenset((best.runs, runs)))
        found[runs] = "untested" if p is None else "tied" if p > _LEVEL else ""
    return [found[competitor.runs] for competitor in competitors]


def p_of_difference(one: Competitor, other: Competitor) -> float | None:
    """Two-sided p-value of equal means, None if there are too few seeds for any test."""
    shared = sorted(one.scores.keys() & other.scores.keys())
    if one.data == other.data and len(shared) > 1:
        differences = [one.scores[seed] - other.scores[seed] for seed in shared]
        mean, parts = _mean(differences), [part_of(differences)]
    elif min(len(one.scores), len(other.scores)) > 1:
        scores = list(one.scores.values()), list(other.scores.values())
        mean, parts = _mean(scores[0]) - _mean(scores[1]), [part_of(values) for values in scores]
    else:
        return None
    return 2 * tail_probability(abs(mean), parts)


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
