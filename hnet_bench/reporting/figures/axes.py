"""What several kinds of figures do with axes: limits, ticks, marks of what is not there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy
from matplotlib.axes import Axes

from hnet_bench.reporting.figures.estimates import Array, mean_intervals
from hnet_bench.reporting.figures.style import Look
from hnet_bench.reporting.figures.subject import MANY, Quantity


def score_limits(values: Iterable[Array], quantity: Quantity) -> tuple[float, float]:
    """Limits of an axis of scores that show all values (on the axis, NaN is left out), and the ceiling if there is one.

    The lower one is a round number: at most 95 of 100, so that tiny differences do not look large.
    """
    every = numpy.concatenate([numpy.ravel(part) for part in values])
    every = every[numpy.isfinite(every)]
    low, high = float(every.min(initial=math.inf)), float(every.max(initial=-math.inf))
    if not math.isfinite(low):
        return 0.0, quantity.ceiling or 1.0
    if quantity.ceiling is None:
        return 0.0, high * 1.08 or 1.0
    bottom = 95.0 if low > 96 else max(0.0, min(90.0, 10 * math.floor((low - 2) / 10)))
    bottom *= quantity.ceiling / 100
    return bottom, quantity.ceiling + 0.03 * (quantity.ceiling - bottom)


def errorbars(axes: Axes, at: Array, values: Array, ceiling: float | None, **look: Any) -> Axes:
    """Draws the means of `values` (n, T) of n seeds at `at` (T), with their intervals as far as scores can go."""
    mean, half = mean_intervals(values)
    upper = half if ceiling is None else numpy.minimum(half, ceiling - mean)
    axes.errorbar(at, mean, yerr=(numpy.minimum(half, mean), upper), elinewidth=0.9, **look)
    return axes


def band(axes: Axes, values: Array, ceiling: float | None, look: Look) -> Axes:
    """Draws the means of `values` (n, T) of n seeds at 1 to T as a line, with their intervals as a band."""
    mean, half = mean_intervals(values)
    at = numpy.arange(1, len(mean) + 1)
    axes.plot(at, mean, markevery=max(1, len(mean) // 10), **look.style)
    upper = mean + half if ceiling is None else numpy.minimum(mean + half, ceiling)
    axes.fill_between(at, numpy.maximum(mean - half, 0), upper, color=look.colour, alpha=0.2, linewidth=0)
    return axes


def asides(curves: int) -> list[float]:
    """How far each of several curves is shifted, so that their bars can be told apart."""
    step = min(0.1, 0.4 / curves)
    return [step * (index - (curves - 1) / 2) for index in range(curves)]


def shown(values: Array) -> Array:
    """What an axis should have room for: the means of `values` (n, T) of n seeds, and the lower ends of intervals."""
    mean, half = mean_intervals(values)
    return numpy.concatenate([mean, numpy.maximum(mean - half, 0)])


def number_experiences(axes: Axes, experiences: int) -> None:
    """An axis of experiences with ticks at 1, 2, ...; where there are many at round numbers."""
    ticks = experience_ticks(experiences)
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xlim(0.5, experiences + 0.5)


def experience_ticks(experiences: int) -> list[int]:
    """Numbers of experiences, from 1, that get a tick."""
    if experiences <= 10:
        return list(range(1, experiences + 1))
    if experiences < MANY:
        return list(range(2, experiences + 1, 2))
    step = max(1, round(experiences / 5 / 10) * 10)
    return [1, *range(step, experiences + 1, step)]
