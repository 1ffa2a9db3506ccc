"""Accuracy on each experience right after training on it ("during") and after the last one ("final"), cell by cell."""

from __future__ import annotations

from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.axes import errorbars, number_experiences, scale_scores
from hnet_bench.reporting.figures.estimates import INTERVALS, Array
from hnet_bench.reporting.figures.multiples import ASIDE, LABEL_WIDTH, Multiples, multiples, write_beside
from hnet_bench.reporting.figures.sheet import Grid, Sheet, sheet
from hnet_bench.reporting.figures.style import BLUE, VERMILION
from hnet_bench.reporting.figures.subject import MANY, Quantity, Subject, scores, seeds_text
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


def draw(axes: Axes, during: Array, final: Array, *, ceiling: float | None = 100.0) -> Axes:
    """Draws scores on the axis, (n, T) each: n seeds, T experiences."""
    at = numpy.arange(1, during.shape[1] + 1)
    # What was forgotten, at a glance.
    ends = [during.mean(axis=0), final.mean(axis=0)]
    axes.plot([at - _ASIDE, at + _ASIDE], ends, color="#aaaaaa", linewidth=1.0, zorder=1)
    for values, aside, look in ((during, -_ASIDE, _DURING), (final, _ASIDE, _FINAL)):
        errorbars(axes, at + aside, values, ceiling, clip_on=False, **look)
    return axes


def during_and_final(state: CellState, factor: float) -> tuple[Array, Array]:
    """Scores on the axis, (n, T) each."""
    matrices = factor * scores(state.records)
    return numpy.diagonal(matrices, axis1=1, axis2=2), matrices[:, -1]


def _fill(page: Sheet, plan: Multiples, quantity: Quantity) -> None:
    values = {place: during_and_final(state, quantity.factor) for place, state in plan.cells.items()}
    for (row, column), (during, final) in values.items():
        panel = page.panel(row, column)
        draw(panel, during, final, ceiling=quantity.ceiling)
        together = [part for place in values if place[1] == column for part in values[place]]
        scale_scores(panel, together, quantity, ticks=3)
        number_experiences(panel, during.shape[1], labels=plan.is_lowest(row, column))
        if plan.is_lowest(row, column):
            panel.set_xlabel("experience", labelpad=1)
