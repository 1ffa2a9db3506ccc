"""Accuracy on each experience right after training on it ("during") and after the last one ("final"), cell by cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.axes import ScoreScale, experience_ticks, score_scale
from hnet_bench.reporting.figures.estimates import INTERVALS, Array, mean_intervals
from hnet_bench.reporting.figures.multiples import ASIDE, LABEL_WIDTH, Multiples, multiples, write_beside
from hnet_bench.reporting.figures.segments import segments, straight
from hnet_bench.reporting.figures.sheet import Grid, Sheet, sheet
from hnet_bench.reporting.figures.style import BLACK, BLUE, GRID, TEXT, VERMILION
from hnet_bench.reporting.figures.subject import MANY, Quantity, Subject, seeds_text
from hnet_bench.reporting.figures.words import Place, write
from hnet_bench.runs.plan import CellState

_DURING: dict[str, Any] = {"color": VERMILION, "marker": "o", "markerfacecolor": "white", "linestyle": ""}
_FINAL: dict[str, Any] = {"color": BLUE, "marker": "s", "linestyle": ""}
_ASIDE = 0.13  # how far the two stand to the sides of their experience


def figure(subject: Subject) -> Figure | None:
    """A panel for each cell that has a record of fewer than `MANY` experiences; None if there is none."""
    states = [state for state in subject.measured if len(state.records[0].score) < MANY]
    if not states:
        return None
    plan = multiples(states)
    page = sheet(
        Grid(
            rows=len(plan.rows),
            columns=len(plan.columns),
            panel=(1.75, 0.72),
            gap=(0.35, 0.18),
            breaks=plan.blocks,
            left=LABEL_WIDTH + ASIDE,
        ),
        title=subject.table.title,
        what="During and final",
        caption=f"{seeds_text(states)} Points: means over seeds. {INTERVALS} Each column has a scale of its own.",
        reduced=subject.reduced,
        legend=[
            Line2D([], [], label="during: right after training on the experience", **_DURING),
            Line2D([], [], label="final: after the last one", **_FINAL),
        ],
    )
    _fill(page, plan, subject.quantity)
    plan.label(page, subject)
    write_beside(page, subject.quantity.label, 0, height=1.1, va="bottom", style="italic")
    return page.figure


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One cell: scores on the axis, (n, T) each of n seeds and T experiences, and where they are to stand."""

    during: Array
    final: Array
    scale: ScoreScale
    box: tuple[float, float, float, float]  # left, top, width, height on axes that go downwards

    def across(self, experiences: Array) -> Array:
        """Where experiences, from 1 to T, stand."""
        places: Array = self.box[0] + (experiences - 0.5) / self.during.shape[1] * self.box[2]
        return places

    def down(self, values: Array) -> Array:
        """Where scores stand."""
        places: Array = self.box[1] + (1 - self.scale.heights(values)) * self.box[3]
        return places


def draw(axes: Axes, panels: Sequence[Panel], *, ceiling: float | None = 100.0) -> Axes:
    """Draws all panels at once: a few lines of many points take much less time than axes for each."""
    # What was forgotten, at a glance.
    ends = [numpy.concatenate(parts) for parts in zip(*(_ends(panel) for panel in panels), strict=True)]
    axes.add_collection(straight(ends[0], ends[1], ends[2], ends[3], color="#aaaaaa", linewidth=1.0, zorder=1))
    for aside, look in ((-_ASIDE, _DURING), (_ASIDE, _FINAL)):
        parts = [_points(panel, panel.during if aside < 0 else panel.final, aside, ceiling) for panel in panels]
        x, y, low, high = (numpy.concatenate(part) for part in zip(*parts, strict=True))
        known = numpy.isfinite(low)
        axes.add_collection(straight(x[known], low[known], x[known], high[known], color=look["color"], linewidth=0.9))
        axes.plot(x, y, clip_on=False, **look)
    return axes


def _ends(panel: Panel) -> tuple[Array, Array, Array, Array]:
    """Where the lines from during to final begin and end: x, y, x, y."""
    at = numpy.arange(1, panel.during.shape[1] + 1, dtype=numpy.float64)
    means = panel.down(panel.during.mean(axis=0)), panel.down(panel.final.mean(axis=0))
    return panel.across(at - _ASIDE), means[0], panel.across(at + _ASIDE), means[1]


def _points(panel: Panel, values: Array, aside: float, ceiling: float | None) -> tuple[Array, Array, Array, Array]:
    """Where means stand, x and y, and the ends of their intervals, NaN where there is none."""
    mean, half = mean_intervals(values)
    upper = mean + half if ceiling is None else numpy.minimum(mean + half, ceiling)
    at = numpy.arange(1, len(mean) + 1, dtype=numpy.float64) + aside
    return panel.across(at), panel.down(mean), panel.down(numpy.maximum(mean - half, 0)), panel.down(upper)


def during_and_final(state: CellState, factor: float) -> tuple[Array, Array]:
    """Scores on the axis, (n, T) each."""
    matrices = factor * state.scores
    return numpy.diagonal(matrices, axis1=1, axis2=2), matrices[:, -1]


def _fill(page: Sheet, plan: Multiples, quantity: Quantity) -> None:
    values = {place: during_and_final(state, quantity.factor) for place, state in plan.cells.items()}
    scales = {
        column: score_scale(
            [part for at, pair in values.items() if at[1] == column for part in pair], quantity, ticks=3
        )
        for column in range(len(plan.columns))
    }
    panels = {
        (row, column): Panel(during=during, final=final, scale=scale, box=page.box(row, column))
        for (row, column), (during, final) in values.items()
        if (scale := scales[column]) is not None
    }
    canvas = page.canvas()
    if not panels:
        return
    _frame(canvas, plan, panels)
    draw(canvas, list(panels.values()), ceiling=quantity.ceiling)


def _frame(axes: Axes, plan: Multiples, panels: Mapping[tuple[int, int], Panel]) -> None:
    """Axes, lines across and numbers of all panels."""
    beside: list[Place] = []
    below: list[Place] = []
    labels: list[Place] = []
    grid: list[list[tuple[float, float]]] = []
    frames: list[list[tuple[float, float]]] = []
    for (row, column), panel in panels.items():
        left, top, width, height = panel.box
        frames.append([(left, top), (left, top + height), (left + width, top + height)])
        for tick, y in zip(panel.scale.ticks, panel.down(numpy.array(panel.scale.ticks)), strict=True):
            grid.append([(left, y), (left + width, y)])
            beside.append((left - 0.05, y, f"{tick:g}"))
        if plan.is_lowest(row, column):
            ticks = experience_ticks(panel.during.shape[1])
            for tick, x in zip(ticks, panel.across(numpy.array(ticks, dtype=numpy.float64)), strict=True):
                below.append((x, top + height + 0.05, str(tick)))
            labels.append((left + width / 2, top + height + 0.17, "experience"))
    write(axes, beside, ha="right")
    write(axes, below, va="top")
    write(axes, labels, va="top", size=TEXT)
    axes.add_collection(segments(grid, color=GRID, linewidth=0.6, zorder=0.4))
    axes.add_collection(segments(frames, color=BLACK, linewidth=0.8, zorder=0.5))
