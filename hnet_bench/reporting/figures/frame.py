"""What stands around a panel: axis lines, ticks with names, lines across, labels, a title.

Matplotlib makes five artists of each tick and measures all of them again whenever it draws; that takes as long as
everything that the panel shows. Here all ticks of an axis are a collection of lines, and their names one artist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.transforms import Transform

from hnet_bench.reporting.figures.segments import segments
from hnet_bench.reporting.figures.sheet import width_of
from hnet_bench.reporting.figures.style import BLACK, GRID, SMALL, TEXT
from hnet_bench.reporting.figures.words import write

# Points.
_MARK, _PAD, _LABEL_PAD = 3.5, 3.5, 4.0
_HEIGHT = 1.17  # of a line of text over its size

Segment = list[tuple[float, float]]


class Ticks(NamedTuple):
    """Positions on an axis and what is written there."""

    at: Sequence[float] = ()
    names: Sequence[str] = ()


def numbers(values: Sequence[float]) -> Ticks:
    """Ticks with their own positions as names."""
    names = [f"{value:g}" for value in values]
    if len(set(names)) < len(names):
        names = [f"{value:.12g}" for value in values]
    return Ticks(values, [name.replace("-", "\N{MINUS SIGN}") for name in names])


def names_of(rows: Sequence[str], labels: Mapping[str, str]) -> Ticks:
    """Ticks at 0, 1, ... with the labels of rows."""
    return Ticks(range(len(rows)), [labels[row] for row in rows])


class Side(NamedTuple):
    """One side of a frame. `words` are names of rows: as large as text, without marks."""

    ticks: Ticks = Ticks()
    label: str = ""
    lines: bool = False  # across the panel, at all ticks
    words: bool = False


def frame(axes: Axes, *, below: Side, left: Side, title: str = "") -> Axes:
    """Draws what stands around axes that have their limits."""
    box, point = axes.get_window_extent(), axes.figure.dpi / 72
    width, height = box.width / point, box.height / point
    _draw_side(axes, below, axes.get_xaxis_transform(), height, upright=False)
    _draw_side(axes, left, axes.get_yaxis_transform(), width, upright=True)
    _add(axes, [[(0, 1), (0, 0), (1, 0)]], axes.transAxes, color=BLACK, linewidth=0.8, zorder=2.5)
    if title:
        axes.set_title(title, parse_math=False)
    return axes


def _draw_side(axes: Axes, side: Side, transform: Transform, points: float, *, upright: bool) -> None:
    """The side at the left if `upright`, else below; `points` across the panel from it."""
    size, mark = (TEXT, 0.0) if side.words else (SMALL, _MARK)
    if side.lines:
        lines = [_turned(upright, [(tick, 0), (tick, 1)]) for tick in side.ticks.at]
        _add(axes, lines, transform, color=GRID, linewidth=0.6, zorder=0.5)
    if mark:
        marks = [_turned(upright, [(tick, 0), (tick, -mark / points)]) for tick in side.ticks.at]
        _add(axes, marks, transform, color=BLACK, linewidth=0.8, zorder=0.6)
    places = _turned(upright, [(tick, -(mark + _PAD) / points) for tick in side.ticks.at])
    names = [(x, y, name) for (x, y), name in zip(places, side.ticks.names, strict=True)]
    write(
        axes,
        names,
        size=size,
        transform=transform,
        ha="right" if upright else "center",
        va="center" if upright else "top",
    )
    if side.label:
        widest = max((width_of(name, size) for name in side.ticks.names), default=0.0) * 72 if upright else 0.0
        away = mark + _PAD + (widest if upright else size * _HEIGHT) + _LABEL_PAD
        ((x, y),) = _turned(upright, [(0.5, -away / points)])
        look: dict[str, Any] = {"ha": "center", "va": "top"}
        if upright:
            look = {"ha": "right", "va": "center", "rotation": "vertical"}
        axes.text(x, y, side.label, transform=axes.transAxes, size=TEXT, parse_math=False, **look)


def _turned(upright: bool, segment: Segment) -> Segment:
    return [(second, first) for first, second in segment] if upright else segment


def _add(axes: Axes, lines: list[Segment], transform: Transform, **look: Any) -> None:
    if lines:
        axes.add_collection(segments(lines, transform=transform, clip_on=False, **look), autolim=False)
