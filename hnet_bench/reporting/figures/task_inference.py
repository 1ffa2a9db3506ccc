"""How often the task of a test sample is inferred right, for each task after the last experience."""

from __future__ import annotations

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.axes import asides, band, errorbars, number_experiences, scale_scores, shown
from hnet_bench.reporting.figures.estimates import INTERVALS, Array
from hnet_bench.reporting.figures.frame import Side, frame
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import GREY, Look
from hnet_bench.reporting.figures.subject import ACCURACY, MANY, Subject, group_titles, groups, head_of, seeds_text
from hnet_bench.runs.plan import CellState


def figure(subject: Subject) -> Figure | None:
    """A panel for each benchmark and scenario with rows that infer the task; None if there are none."""
    states = [state for state in subject.measured if all(record.task_inference for record in state.records)]
    if not states:
        return None
    grouped = groups(states)
    columns, titles = min(3, len(grouped)), group_titles(list(grouped))
    rows = {state.cell.row: state for state in states}
    page = sheet(
        Grid(
            rows=-(-len(grouped) // columns),
            columns=columns,
            panel=(2.75, 2.1),
            gap=(0.6, 0.85),
            head=head_of(titles.values()),
        ),
        title=subject.table.title,
        what="Task inference",
        caption=f"{seeds_text(states)} Share of test samples whose task is inferred right after the last experience; "
        f"means over seeds. {INTERVALS} Dotted: chance.",
        reduced=subject.reduced,
        legend=[Line2D([], [], label=state.cell.label, **subject.look(state).style) for state in rows.values()],
    )
    for panel, (key, members) in zip(page.first(len(grouped)), grouped.items(), strict=True):
        values = [inferred_at_the_end(state) for state in members]
        for state, shares, aside in zip(members, values, asides(len(members)), strict=True):
            draw(panel, shares, subject.look(state), aside=aside)
        panel.axhline(100 / key[1], color=GREY, linestyle=":", linewidth=1)
        heights = scale_scores(panel, [*map(shown, values), numpy.array([100 / key[1]])], ACCURACY)
        frame(
            panel,
            below=Side(number_experiences(panel, key[1]), "task"),
            left=Side(heights, "task inferred right, %", lines=True),
            title=titles[key],
        )
    return page.figure


def draw(axes: Axes, shares: Array, look: Look, *, aside: float = 0.0) -> Axes:
    """Draws shares (n, T) in percent of n seeds, shifted by `aside`."""
    if shares.shape[1] >= MANY:
        return band(axes, shares, 100.0, look)
    return errorbars(axes, numpy.arange(1, shares.shape[1] + 1) + aside, shares, 100.0, **look.style)


def inferred_at_the_end(state: CellState) -> Array:
    """Percent (n, T)."""
    last = [record.task_inference[-1] for record in state.records if record.task_inference]
    return 100 * numpy.array(last, dtype=numpy.float64)
