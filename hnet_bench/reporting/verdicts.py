"""The verdict on a number: is what was measured equivalent to what is reported?

Two one-sided tests (Schuirmann 1987) at 5 % each against a margin that the table declares. Their outcome can be read
from the 90 % interval of the difference, measured minus reported:

    reproduced      it lies within the margin: both tests reject that the difference is as large as the margin
    close           so it does, but nobody says how uncertain the reported number is, and no error rate holds
    above, below    it lies beyond the margin on one side: the test of "no further off than the margin" rejects
    inconclusive    anything else, with the number of seeds that it would take
    not run         there is no record

So at most 5 % of numbers that are off by the margin or more are called reproduced, and at most 5 % of those within it
are called below, or above. What was measured with fewer than `MINIMUM_SEEDS` seeds is inconclusive, and so is what
would be reproduced or close with fewer than `MINIMUM_TO_REPRODUCE`. docs/verdicts.md has the power.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from hnet_bench.metrics import summarise
from hnet_bench.papers.table import Reported
from hnet_bench.reporting.mean_tests import EXACT, Part, half_width, part_of, tail_probability
from hnet_bench.reporting.seeds_needed import SeedsNeeded, seeds_to_decide

Outcome: TypeAlias = Literal["reproduced", "close", "above", "below", "inconclusive", "not run"]

MINIMUM_SEEDS = 3
# The least number with which a method that fails on every other seed is called reproduced in less than 5 % of cases:
# none of the seeds shows it in one of 2 ** 5.
MINIMUM_TO_REPRODUCE = 5
_ROUNDING = 1e-12  # differences of printed decimals are not exact
_LARGEST = 1e50  # of numbers whose squares are squared


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome for one cell and what it rests on; differences are measured minus reported, in the unit of records.

    What cannot be computed is None: everything without a record, all but the difference with fewer than two seeds.
    """

    outcome: Outcome
    margin: float
    seeds: int
    difference: float | None = None
    interval: tuple[float, float] | None = None  # 90 %
    # Of the null hypothesis that the true difference is as large as the margin; 1 less this is the p-value of the null
    # hypothesis that it lies within the margin.
    p_reproduced: float | None = None
    # Seeds in all with which an inconclusive number is decided in 80 % of cases, with the spread that was measured: if
    # measured and reported are equal in truth, and if they differ by what was measured.
    seeds_if_equal: SeedsNeeded | None = None
    seeds_if_observed: SeedsNeeded | None = None
    reported_exactly: bool = False  # the paper gives no spread that could be used: its number is taken as exact
    known: Literal["verified", "second-hand", "recalled"] = "verified"


def verdict(values: Sequence[float], reported: Reported) -> Verdict | None:
    """The verdict on the measured values, one for each seed; None if the table declares no margin."""
    factor, values, reported = _manageable(values, reported)
    judged = _judge(values, reported)
    if judged is not None and judged.outcome == "inconclusive" and len(values) > 1:
        judged = _with_seeds_needed(judged, values, reported)
    return _times(factor, judged)


def judge(values: Sequence[float], reported: Reported) -> Verdict | None:
    """`verdict` without the seeds that an inconclusive number would need."""
    factor, values, reported = _manageable(values, reported)
    return _times(factor, _judge(values, reported))


def has_known_error(reported: Reported) -> bool:
    """Whether a reported mean comes with all that its standard error takes: a spread, its kind and the seeds."""
    return reported.spread is not None and reported.spread_kind is not None and (reported.n or 0) > 1


def lacks_seeds_alone(found: Verdict) -> bool:
    """Whether an inconclusive number would be reproduced, or close, if it had the least number of seeds for that."""
    return (
        found.outcome == "inconclusive"
        and found.interval is not None
        and MINIMUM_SEEDS <= found.seeds < MINIMUM_TO_REPRODUCE
        and _lies_within(found.interval, found.margin)
    )


def _judge(values: Sequence[float], reported: Reported) -> Verdict | None:
    if reported.margin is None:
        return None
    summary = summarise(values)
    uncertain = reported_part(reported)
    blank = Verdict(
        outcome="inconclusive",
        margin=reported.margin,
        seeds=len(values),
        reported_exactly=uncertain.freedom == EXACT and uncertain.square == 0,
        known=reported.known,
    )
    if summary is None:
        return replace(blank, outcome="not run")
    difference = summary.mean - reported.mean
    if summary.n == 1:
        return replace(blank, difference=difference)
    parts = [part_of(values), uncertain]
    width = float(half_width(parts))
    interval = (difference - width, difference + width)
    return replace(
        blank,
        outcome=_outcome(interval, reported, summary.n),
        difference=difference,
        interval=interval,
        p_reproduced=tail_probability(reported.margin - abs(difference), parts),
    )


def _with_seeds_needed(judged: Verdict, values: Sequence[float], reported: Reported) -> Verdict:
    spread = math.sqrt(part_of(values).square * len(values))

    def needed(difference: float) -> SeedsNeeded:
        least = MINIMUM_SEEDS if abs(difference) > judged.margin else MINIMUM_TO_REPRODUCE
        least = max(least, len(values) + 1)
        return seeds_to_decide(difference, reported_part(reported), spread=spread, margin=judged.margin, least=least)

    return replace(judged, seeds_if_equal=needed(0.0), seeds_if_observed=needed(judged.difference or 0.0))


def reported_part(reported: Reported) -> Part:
    """What the reported mean adds to the uncertainty of a difference; nothing if its spread is not known."""
    seeds = reported.n
    freedom = seeds - 1 if seeds and seeds > 1 else EXACT
    if reported.spread is None or reported.spread_kind is None:
        return Part(0.0, EXACT)
    if reported.spread_kind == "sem":
        return Part(reported.spread**2, freedom)
    return Part(reported.spread**2 / seeds, freedom) if seeds else Part(0.0, EXACT)


def _outcome(interval: tuple[float, float], reported: Reported, seeds: int) -> Outcome:
    margin = reported.margin
    assert margin is not None
    low, high = interval
    if seeds >= MINIMUM_TO_REPRODUCE and _lies_within(interval, margin):
        return "reproduced" if has_known_error(reported) else "close"
    if seeds >= MINIMUM_SEEDS and low > margin + _ROUNDING:
        return "above"
    return "below" if seeds >= MINIMUM_SEEDS and high < -margin - _ROUNDING else "inconclusive"


def _lies_within(interval: tuple[float, float], margin: float) -> bool:
    return interval[0] > -margin + _ROUNDING and interval[1] < margin - _ROUNDING


def _manageable(values: Sequence[float], reported: Reported) -> tuple[float, Sequence[float], Reported]:
    """A factor, and the numbers divided by it such that no square of a square overflows; nearly always 1."""
    numbers = [abs(number) for number in (reported.mean, reported.spread, reported.margin) if number is not None]
    factor = max([*map(abs, values), *numbers])
    if factor <= _LARGEST:
        return 1.0, values, reported

    def divided(number: float | None) -> float | None:
        return None if number is None else number / factor

    mean, spread, margin = reported.mean / factor, divided(reported.spread), divided(reported.margin)
    return factor, [value / factor for value in values], replace(reported, mean=mean, spread=spread, margin=margin)


def _times(factor: float, found: Verdict | None) -> Verdict | None:
    """The verdict on numbers that `_manageable` divided, in their own unit."""
    if found is None or factor == 1:
        return found
    low, high = found.interval or (0.0, 0.0)
    return replace(
        found,
        margin=factor * found.margin,
        difference=None if found.difference is None else factor * found.difference,
        interval=found.interval and (factor * low, factor * high),
    )
