"""Learning curves: average score over the experiences seen so far, after each experience. A line for each row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.axes import asides, band, errorbars, number_experiences, scale_scores, shown
from hnet_bench.reporting.figures.estimates import INTERVALS, Array
from hnet_bench.reporting.figures.frame import Side, frame
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import Look
from hnet_bench.reporting.figures.subject import MANY, Subject, group_titles, groups, head_of, seeds_text
from hnet_bench.runs.plan import CellState


def figure(subject: Subject) -> Figure | None:
    """A panel for each benchmark and scenario, with all its rows that were evaluated on all experiences seen so far;
    None if no such record has two experiences."""
    curves = {
        id(state): subject.quantity.factor * curve
        for state in subject.measured
        if len(state.records[0].score) > 1 and not numpy.isnan(curve := seen_so_far(state.scores)).any()
    }
    states = [state for state in subject.measured if id(state) in curves]
    if not states:
        return None
    grouped = groups(states)
    columns, titles = min(3, len(grouped)), group_titles(list(grouped))
    page = sheet(
        Grid(
            rows=-(-len(grouped) // columns),
            columns=columns,
            panel=(2.75, 2.4),
            gap=(0.6, 0.85),
            head=head_of(titles.values()),
        ),
        title=subject.table.title,
        what="Learning curves",
        caption=f"{seeds_text(states)} {subject.quantity.name.capitalize()}: average over the experiences seen so far; "
        f"lines: means over seeds. {INTERVALS.replace('Bars', 'Bars or bands')}",
        reduced=subject.reduced,
        legend=_legend(subject, states),
    )
    for panel, (key, members) in zip(page.first(len(grouped)), grouped.items(), strict=True):
        for state, aside in zip(members, asides(len(members)), strict=True):
            draw(panel, curves[id(state)], subject.look(state), aside=aside, ceiling=subject.quantity.ceiling)
        heights = scale_scores(panel, [shown(curves[id(state)]) for state in members], subject.quantity)
        frame(
            panel,
            below=Side(number_experiences(panel, key[1]), "experiences learned"),
            left=Side(heights, f"average {subject.quantity.label}", lines=True),
            title=titles[key],
        )
    return page.figure


def draw(axes: Axes, values: Array, look: Look, *, aside: float = 0.0, ceiling: float | None = 100.0) -> Axes:
    """Draws one curve (n, T) on the axis, shifted by `aside`, with the intervals as bars, or as a band where there are
    many experiences."""
    if values.shape[1] >= MANY:
        return band(axes, values, ceiling, look)
    return errorbars(axes, numpy.arange(1, values.shape[1] + 1) + aside, values, ceiling, **look.style)


def seen_so_far(matrices: Array) -> Array:
    """Averages (n, T) over the first i + 1 experiences after training on the i-th, of score matrices (n, T, T); NaN
    where one of these was not measured."""
    experiences = matrices.shape[1]
    seen = numpy.tril(numpy.ones((experiences, experiences), dtype=bool))
    averages: Array = numpy.where(seen, matrices, 0.0).sum(axis=2) / seen.sum(axis=1)
    return averages


def _legend(subject: Subject, states: Sequence[CellState]) -> list[Line2D]:
    by_row = {state.cell.row: state for state in states}
    return [Line2D([], [], label=state.cell.label, **subject.look(state).style) for state in by_row.values()]
