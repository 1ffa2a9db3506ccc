"""What several kinds of figures do with axes: limits, ticks, marks of what is not there."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from hnet_bench.reporting.figures.estimates import Array, mean_intervals
from hnet_bench.reporting.figures.frame import Ticks, numbers
from hnet_bench.reporting.figures.segments import straight
from hnet_bench.reporting.figures.style import Look
from hnet_bench.reporting.figures.subject import MANY, Quantity


@dataclass(frozen=True)
class ScoreScale:
    """What part of all scores an axis shows, and where it has numbers."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    def heights(self, values: Array) -> Array:
        """Where values stand between the ends, 0 to 1."""
        ends = numpy.array([self.low, self.high])
        if self.logarithmic:
            values, ends = numpy.log(numpy.maximum(values, self.low)), numpy.log(ends)
        heights: Array = numpy.clip((values - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)
        return heights


def score_scale(values: Iterable[Array], quantity: Quantity, *, ticks: int = 6) -> ScoreScale | None:
    """A scale on which all values (on the axis, NaN is left out) can be seen, with about `ticks` numbers.

    Below a ceiling the scale is linear. Its lower end is a round number, at most 95 of 100, so that tiny differences do
    not look large. Errors, which have no ceiling and may differ by orders of magnitude, have a logarithmic scale; None
    if there is no positive one.
    """
    every = numpy.concatenate([numpy.ravel(part) for part in values])
    every = every[numpy.isfinite(every)]
    if quantity.ceiling is not None:
        lowest = float(every.min(initial=quantity.ceiling))
        percent = 100 * lowest / quantity.ceiling
        low = 95.0 if percent > 96 else max(0.0, min(90.0, 10 * math.floor((percent - 2) / 10)))
        low *= quantity.ceiling / 100
        high = quantity.ceiling + 0.03 * (quantity.ceiling - low)
        return ScoreScale(low, high, False, tuple(_within(MaxNLocator(ticks), low, high)))
    positive = every[every > 0]
    if not positive.size:
        return None
    low, high = _room(positive)
    return ScoreScale(low, high, True, tuple(round_numbers(low, high, ticks)))


def scale_scores(axes: Axes, values: Iterable[Array], quantity: Quantity, *, ticks: int = 6) -> Ticks:
    """Scales the vertical axis as `score_scale` says."""
    scale = score_scale(values, quantity, ticks=ticks)
    if scale is None:
        return Ticks()
    axes.set(yscale="log" if scale.logarithmic else "linear", ylim=(scale.low, scale.high))
    return numbers(scale.ticks)


def logarithmic(axes: Axes, which: Literal["x", "y"], values: Array, *, ticks: int = 6) -> Ticks:
    """Makes an axis logarithmic, with room for positive values and at most this many plain round numbers."""
    low, high = _room(values)
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    return numbers(round_numbers(low, high, ticks))


def even(low: float, high: float, *, ticks: int = 6) -> Ticks:
    """At most about so many round numbers from `low` to `high`."""
    return numbers(_within(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]), low, high))


def _within(locator: MaxNLocator, low: float, high: float) -> list[float]:
    rounding = 1e-9 * (high - low)
    return [float(tick) for tick in locator.tick_values(low, high) if low - rounding <= tick <= high + rounding]


def _room(values: Array) -> tuple[float, float]:
    return float(values.min()) / 2, float(values.max()) * 2


def round_numbers(low: float, high: float, most: int) -> list[float]:
    """1, 2, 5 and their powers of ten from `low` to `high`; where they are too many, powers of ten or some of these."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = [([1, 2, 5], 1), *(([1], step) for step in range(1, len(powers) + 1))]
    for mantissas, step in steps:
        numbers = [m * 10.0**power for power in powers[::step] for m in mantissas if low <= m * 10.0**power <= high]
        if len(numbers) <= most:
            break
    return numbers


def errorbars(axes: Axes, at: Array, values: Array, ceiling: float | None, **look: Any) -> Axes:
    """Draws the means of `values` (n, T) of n seeds at `at` (T), with their intervals as far as scores can go."""
    mean, half = mean_intervals(values)
    upper = mean + half if ceiling is None else numpy.minimum(mean + half, ceiling)
    (line,) = axes.plot(at, mean, **look)
    bars(axes, at, numpy.maximum(mean - half, 0), upper, color=line.get_color())
    return axes


def bars(axes: Axes, at: Array, low: Array, high: Array, *, color: Any) -> None:
    """Vertical bars, none where an end is NaN: one artist for all."""
    known = numpy.isfinite(low) & numpy.isfinite(high)
    at, low, high = at[known], low[known], high[known]
    axes.add_collection(straight(at, low, at, high, color=color, linewidth=0.9, zorder=1.9))


def band(axes: Axes, values: Array, ceiling: float | None, look: Look, *, confidence: float = 0.95) -> Axes:
    """Draws the means of `values` (n, T) of n seeds at 1 to T as a line, with their intervals as a band."""
    mean, half = mean_intervals(values, confidence)
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


def number_experiences(axes: Axes, experiences: int) -> Ticks:
    """An axis of experiences with ticks at 1, 2, ...; where there are many at round numbers."""
    axes.set_xlim(0.5, experiences + 0.5)
    return numbers(experience_ticks(experiences))


def experience_ticks(experiences: int) -> list[int]:
    """Numbers of experiences, from 1, that get a tick."""
    if experiences <= 10:
        return list(range(1, experiences + 1))
    if experiences < MANY:
        return list(range(2, experiences + 1, 2))
    step = max(5, round(experiences / 50) * 10)
    return [1, *range(step, experiences + 1, step)]
