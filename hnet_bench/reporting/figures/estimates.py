"""Means over seeds and how far they can be trusted: Student's t intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import numpy.typing

from hnet_bench.metrics import summarise
from hnet_bench.papers.table import Reported
from hnet_bench.reporting.mean_tests import half_width, part_of
from hnet_bench.reporting.verdicts import reported_part

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


def difference(values: Sequence[float], reported: Reported) -> Estimate:
    """Mean of `values` (one for each seed) less the reported mean, with the 90 % interval that verdicts are read from.

    One seed has no interval. Raises ValueError if there is no value.
    """
    summary = summarise(values)
    if summary is None:
        raise ValueError("A difference needs at least one seed.")
    gap = summary.mean - reported.mean
    if summary.n == 1:
        return Estimate(gap, None)
    return Estimate(gap, float(half_width([part_of(values), reported_part(reported)])))
