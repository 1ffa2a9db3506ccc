"""Means over seeds and how far they can be trusted: Student's t intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import numpy.typing

from hnet_bench.metrics import summarise
from hnet_bench.papers.table import Reported

Array = numpy.typing.NDArray[numpy.float64]

# Two seeds have an interval of 12.7 SEM to each side, which says nothing and hides what stands beside it.
FEWEST_SEEDS = 3
INTERVALS = f"Bars: 95 % t interval of the mean, from {FEWEST_SEEDS} seeds on, as far as scores can go."


@dataclass(frozen=True)
class Estimate:
    """A mean and half the width of its interval, None where there is none."""

    mean: float
    half: float | None


def quantile(confidence: float, degrees: float) -> float:
    """Number of standard errors from the mean to either end of a two-sided t interval."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + confidence / 2))


def mean_intervals(values: Array, confidence: float = 0.95) -> tuple[Array, Array]:
    """Means (...) over the first axis, the seeds, of `values` (n, ...), and half the widths of their t intervals.

    Half a width is NaN where there are fewer than `FEWEST_SEEDS` seeds.
    """
    mean = values.mean(axis=0)
    seeds = len(values)
    if seeds < FEWEST_SEEDS:
        return mean, numpy.full_like(mean, numpy.nan)
    return mean, quantile(confidence, seeds - 1) * values.std(axis=0, ddof=1) / math.sqrt(seeds)


def difference(values: Sequence[float], reported: Reported, confidence: float = 0.90) -> Estimate:
    """Mean of `values` (one for each seed) less the reported mean, with the interval of the difference.

    Its width is that of Cochran and Cox (1950): the t quantiles of both means, weighted by their squared errors. With
    few seeds it errs less often than Welch's. The reported mean counts as exact where the paper gives no spread, or a
    standard deviation without its number of seeds; with a SEM but no number of seeds its quantile is the normal one.
    One seed has no interval.
    """
    summary = summarise(values)
    if summary is None:
        raise ValueError("A difference needs at least one seed.")
    gap = summary.mean - reported.mean
    if summary.sem is None:
        return Estimate(gap, None)
    theirs = _reported_sem(reported)
    degrees = reported.n - 1 if reported.n and reported.n > 1 else math.inf
    error = math.hypot(summary.sem, theirs)
    if error == 0:
        return Estimate(gap, 0.0)
    weighted = quantile(confidence, summary.n - 1) * summary.sem**2 + quantile(confidence, degrees) * theirs**2
    return Estimate(gap, weighted / error)


def _reported_sem(reported: Reported) -> float:
    if reported.spread is None:
        return 0.0
    if reported.spread_kind == "sd":
        return reported.spread / math.sqrt(reported.n) if reported.n else 0.0
    return reported.spread
