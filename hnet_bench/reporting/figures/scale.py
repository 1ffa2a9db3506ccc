"""A colour scale beside a panel."""

from __future__ import annotations

from typing import Any

import numpy
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm

from hnet_bench.reporting.figures.axes import even, round_numbers
from hnet_bench.reporting.figures.frame import Ticks, numbers
from hnet_bench.reporting.figures.sheet import Sheet, width_of
from hnet_bench.reporting.figures.style import BLACK, SMALL, TEXT
from hnet_bench.reporting.figures.words import write

_PAD = 0.05  # inches


def draw_scale(page: Sheet, mappable: ScalarMappable, row: int, column: int, label: str) -> None:
    """The scale of the colours to the right of a place, in a third of the time that `Figure.colorbar` takes."""
    axes, width = page.beside(row, column)
    shades = numpy.linspace(1, 0, 256)[:, None]
    axes.imshow(shades, extent=(0, 1, 0, 1), aspect="auto", interpolation="none", cmap=mappable.cmap)
    norm: Any = mappable.norm
    low, high = float(norm.vmin), float(norm.vmax)
    ticks = numbers(round_numbers(low, high, 6)) if isinstance(norm, LogNorm) else Ticks()
    if len(ticks.at) < 2:  # no scale of errors, or too narrow for 1, 2 or 5
        ticks = even(low, high, ticks=5)
    heights = [float(norm(tick)) for tick in ticks.at]
    axes.hlines(heights, 1, 1 + _PAD / width, color=BLACK, linewidth=0.8, clip_on=False)
    right = 1 + 2 * _PAD / width
    write(axes, [(right, y, name) for y, name in zip(heights, ticks.names, strict=True)], ha="left")
    widest = max((width_of(name, SMALL) for name in ticks.names), default=0.0)
    axes.text(right + (widest + _PAD) / width, 0.5, label, size=TEXT, rotation="vertical", ha="left", va="center")
    axes.set(xlim=(0, 1), ylim=(0, 1))
