"""The verdict on a number: is what was measured equivalent to what is reported?

Two one-sided tests (Schuirmann 1987) at 5 % each against a margin that the table declares. Their outcome can be read
from the 90 % interval of the difference, measured minus reported:

    reproduced      it lies within the margin: both tests reject that the difference is as large as the margin
    above, below    it lies beyond the margin on one side: the test of "no further off than the margin" rejects
    inconclusive    anything else, with the number of seeds that it would take
    not run         there is no record

So at most 5 % of numbers that are off by the margin or more are called reproduced, and at most 5 % of those within it
are called below, or above. What was measured with fewer than `MINIMUM_SEEDS` seeds is inconclusive. docs/verdicts.md
has the power.
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

Outcome: TypeAlias = Literal["reproduced", "above", "below", "inconclusive", "not run"]

MINIMUM_SEEDS = 3
_ROUNDING = 1e-12  # differences of printed decimals are not exact


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
    judged = judge(values, reported)
    if judged is None or judged.outcome != "inconclusive" or len(values) < 2:
        return judged
    spread = math.sqrt(part_of(values).square * len(values))
    least = max(MINIMUM_SEEDS, len(values) + 1)

    def needed(difference: float) -> SeedsNeeded:
        return seeds_to_decide(difference, reported_part(reported), spread=spread, margin=judged.margin, least=least)

    return replace(judged, seeds_if_equal=needed(0.0), seeds_if_observed=needed(judged.difference or 0.0))


def judge(values: Sequence[float], reported: Reported) -> Verdict | None:
    """`verdict` without the seeds that an inconclusive number would need."""
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
        outcome=_outcome(interval, reported.margin) if summary.n >= MINIMUM_SEEDS else "inconclusive",
        difference=difference,
        interval=interval,
        p_reproduced=tail_probability(reported.margin - abs(difference), parts),
    )


def reported_part(reported: Reported) -> Part:
    """What the reported mean adds to the uncertainty of a difference; nothing if its spread is not known."""
    seeds = reported.n
    freedom = seeds - 1 if seeds and seeds > 1 else EXACT
    if reported.spread is None or reported.spread_kind is None:
        return Part(0.0, EXACT)
    if reported.spread_kind == "sem":
        return Part(reported.spread**2, freedom)
    return Part(reported.spread**2 / seeds, freedom) if seeds else Part(0.0, EXACT)


def _outcome(interval: tuple[float, float], margin: float) -> Outcome:
    low, high = interval
    if low > -margin + _ROUNDING and high < margin - _ROUNDING:
        return "reproduced"
    if low > margin + _ROUNDING:
        return "above"
    return "below" if high < -margin - _ROUNDING else "inconclusive"
