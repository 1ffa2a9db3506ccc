"""The verdict on a number: is what was measured equivalent to what is reported?

Two one-sided tests (Schuirmann 1987) against a margin that the table declares. Their outcome can be read from an
interval of the difference, measured minus reported (`statistics.LEVEL`, `statistics.INTERVAL`); `VERDICTS` has all of
them.

So of numbers that are off by the margin or more at most `statistics.ERROR_RATE` are called reproduced, and as few of
those within it are called below, or above, where the paper has three seeds or more. What was measured with fewer than
`MINIMUM_SEEDS` seeds is inconclusive, and so is what would be reproduced or close with fewer than
`MINIMUM_TO_REPRODUCE`. docs/verdicts.md has the power.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from hnet_bench.interfaces import ADDED_LATER
from hnet_bench.metrics import Summary, summarise
from hnet_bench.papers.reported import Reported
from hnet_bench.reporting.statistics import (
    EXACT,
    LEVEL,
    POWER,
    ErrorOfMean,
    SeedsNeeded,
    SharedDraws,
    chance_to_reproduce,
    errors_of_difference,
    half_width,
    level_at,
    seeds_to_reproduce,
)

MINIMUM_SEEDS = 3
# The least number with which a method that fails on every other seed is called reproduced in less than 5 % of cases:
# none of the seeds shows it in one of 2 ** 5.
MINIMUM_TO_REPRODUCE = 5
_ROUNDING = 1e-10  # of a margin: differences of printed decimals are not exact
_EXACTLY = ErrorOfMean(0.0, EXACT)


@dataclass(frozen=True, kw_only=True)
class VerdictKind:
    """One outcome, and how every format shows it."""

    symbol: str
    latex: str
    css: str = ""  # on the page
    terminal: str = ""  # rich's style
    exit_code: int  # of `verify`, where 1 goes before 2, and 2 before 0
    meaning: str = ""  # in legends; "" for what they count alone


# What each outcome says of the interval of measured minus reported:
#   reproduced     it lies within the margin: both tests reject that the difference is as large as the margin
#   close          so it does, but nobody says how uncertain the reported number is, and no error rate holds
#   above, below   it lies beyond the margin on one side: the test of "no further off than the margin" rejects
#   inconclusive   anything else, with the number of seeds that it would take
#   not run        there is no record
VERDICTS = {
    "reproduced": VerdictKind(
        symbol="✓",
        latex=r"$\checkmark$",
        css="color: var(--reproduced)",
        terminal="green",
        exit_code=0,
        meaning="reproduced, the difference is smaller than the margin",
    ),
    "close": VerdictKind(
        symbol="(✓)",
        latex=r"($\checkmark$)",
        exit_code=2,
        meaning="close, so is the difference from the number as it is printed, but its own error is not known",
    ),
    "above": VerdictKind(
        symbol="▲",
        latex=r"$\blacktriangle$",
        css="color: var(--off); font-weight: bold",
        terminal="bold red",
        exit_code=1,
        meaning="above, the measured number is higher by more than the margin",
    ),
    "below": VerdictKind(
        symbol="▼",
        latex=r"$\blacktriangledown$",
        css="color: var(--off); font-weight: bold",
        terminal="bold red",
        exit_code=1,
        meaning="below, the measured number is lower by more than the margin",
    ),
    "inconclusive": VerdictKind(symbol="?", latex="?", css="color: var(--open)", exit_code=2, meaning="inconclusive"),
    "not run": VerdictKind(symbol="", latex="", css="color: var(--quiet)", exit_code=2),
}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome for one cell and what it rests on; differences are measured minus reported, in the unit of records.

    What cannot be computed is None: everything without a record, all but the difference with fewer than two seeds.
    """

    outcome: str  # one of `VERDICTS`
    margin: float
    seeds: int
    difference: float | None = None
    interval_low: float | None = None  # `statistics.INTERVAL`
    interval_high: float | None = None
    # Seeds in all with which an inconclusive number is found to be reproduced in 80 % of cases, with the spread that
    # was measured, if measured and reported are equal in truth.
    seeds_if_equal: SeedsNeeded | None = None
    reported_exactly: bool = False  # the paper gives no spread that could be used: its number is taken as exact
    known: Literal["verified", "second-hand", "recalled"] = "verified"
    level: float = field(default=LEVEL, metadata=ADDED_LATER)  # of each test; another where the table has looks
    # Draws that the reported mean is over as well, and the standard deviation of runs of the same draw: where the
    # design is matched.
    matched: int | None = field(default=None, metadata=ADDED_LATER)
    within: float | None = field(default=None, metadata=ADDED_LATER)

    @property
    def kind(self) -> VerdictKind:
        """How formats show it."""
        return VERDICTS[self.outcome]

    @property
    def lacks_seeds_alone(self) -> bool:
        """Whether an inconclusive number would be reproduced, or close, with the least number of seeds for that."""
        return (
            self.outcome == "inconclusive"
            and self.interval_low is not None
            and self.interval_high is not None
            and MINIMUM_SEEDS <= self.seeds < MINIMUM_TO_REPRODUCE
            and _lies_within(self.interval_low, self.interval_high, self.margin)
        )


def verdict_of(
    values: Sequence[float],
    reported: Reported,
    *,
    plan: bool = True,
    shared: SharedDraws | None = None,
    look: int | None = None,
) -> Verdict | None:
    """The verdict on the measured values, one for each seed; None if the table declares no margin. Without `plan` it
    does not say how many seeds an inconclusive number would need.

    With `shared` draws the design is matched. Where the table has looks, `look` is the last that was reached, after
    these very values; before the first, None, a number stays inconclusive.
    """
    if reported.margin is None:
        return None
    summary, uncertain = summarise(values), shared or error_of_reported(reported)
    blank = Verdict(
        outcome="inconclusive" if values else "not run",
        margin=reported.margin,
        seeds=len(values),
        reported_exactly=uncertain == _EXACTLY,
        known=reported.known,
    )
    if summary is None:
        return blank
    difference, low, high = difference_of(summary, reported, shared=shared, look=look)
    if summary.variance is None or low is None or high is None:
        return replace(blank, difference=difference)
    known = shared is not None or has_known_error(reported)  # a matched design does without
    outcome, needed = _outcome(low, high, reported.margin, summary.n, known=known), None
    if plan and outcome == "inconclusive":
        needed = _seeds_needed(summary.n, math.sqrt(summary.variance), reported, uncertain)
    return replace(
        blank,
        outcome=outcome,
        difference=difference,
        interval_low=low,
        interval_high=high,
        seeds_if_equal=needed,
        level=level_of(reported, look),
        matched=shared.common if shared else None,
        within=math.sqrt(shared.within) if shared else None,
    )


def _seeds_needed(n: int, spread: float, reported: Reported, uncertain: ErrorOfMean | SharedDraws) -> SeedsNeeded:
    import numpy

    assert reported.margin is not None
    if not reported.looks:
        least = max(MINIMUM_TO_REPRODUCE, n + 1)
        return seeds_to_reproduce(uncertain, spread=spread, margin=reported.margin, least=least)
    for look in reported.looks:
        level = level_at(reported.looks, look)
        chance = chance_to_reproduce(numpy.array([look]), uncertain, spread=spread, margin=reported.margin, level=level)
        if look > max(n, MINIMUM_TO_REPRODUCE - 1) and chance[0] >= POWER:
            return look
    return f"more than {reported.looks[-1]}"


def beside_authors_code(
    values: Sequence[float], code: Summary | None, reported: Reported | None, *, look: int | None = None
) -> Verdict | None:
    """The verdict on the measured values beside runs of the authors' code, whose mean and error take the place of those
    reported; None if these are fewer than `MINIMUM_SEEDS`, or the table declares no margin."""
    if code is None or code.n < MINIMUM_SEEDS or reported is None:
        return None
    its = replace(reported, mean=code.mean, spread=code.sem, spread_kind="sem", n=code.n, known="verified")
    return verdict_of(values, its, look=look)


def difference_of(
    measured: Summary, reported: Reported, *, shared: SharedDraws | None = None, look: int | None = None
) -> tuple[float, float | None, float | None]:
    """Measured minus reported, and the ends of its interval (see `INTERVAL`); None for a single seed, and before the
    first look. `shared` and `look` are those of `verdict_of`."""
    difference = measured.mean - reported.mean
    if measured.variance is None or (reported.looks and not look):
        return difference, None, None
    errors = errors_of_difference(measured.variance, measured.n, shared or error_of_reported(reported))
    half = float(half_width(errors, level_of(reported, look)))
    return difference, difference - half, difference + half


def level_of(reported: Reported, look: int | None) -> float:
    """Of each test: that of the look after which it is judged, where the table has looks."""
    return level_at(reported.looks, look) if look else LEVEL


def exit_code(outcomes: Mapping[str, int]) -> int:
    """What `verify` ends with, from how many cells have each outcome."""
    return min({VERDICTS[outcome].exit_code for outcome, cells in outcomes.items() if cells} - {0}, default=0)


def has_known_error(reported: Reported) -> bool:
    """Whether a reported mean comes with all that its standard error takes: a spread, its kind and the seeds."""
    return reported.spread is not None and reported.spread_kind is not None and (reported.n or 0) > 1


def error_of_reported(reported: Reported) -> ErrorOfMean:
    """What the reported mean adds to the uncertainty of a difference; nothing if its spread is not known."""
    n = reported.n
    if reported.spread is None or reported.spread_kind is None or (reported.spread_kind == "sd" and not n):
        return _EXACTLY
    squared = reported.spread**2 / (n or 1) if reported.spread_kind == "sd" else reported.spread**2
    return ErrorOfMean(squared, n - 1 if n and n > 1 else EXACT)


def _outcome(low: float, high: float, margin: float, seeds: int, *, known: bool) -> str:
    if seeds >= MINIMUM_TO_REPRODUCE and _lies_within(low, high, margin):
        return "reproduced" if known else "close"
    beyond = margin * (1 + _ROUNDING)
    if seeds >= MINIMUM_SEEDS and low > beyond:
        return "above"
    return "below" if seeds >= MINIMUM_SEEDS and high < -beyond else "inconclusive"


def _lies_within(low: float, high: float, margin: float) -> bool:
    within = margin * (1 - _ROUNDING)
    return low > -within and high < within
