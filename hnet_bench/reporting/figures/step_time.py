"""Seconds of a training step over the experiences: what old tasks cost. A line for each row.

From the seconds of the records: those of training on an experience, with whatever a method does before the first and
after the last step, divided by the protocol's iterations.
"""

from __future__ import annotations

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.axes import logarithmic, number_experiences
from hnet_bench.reporting.figures.estimates import Array
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import Look
from hnet_bench.reporting.figures.subject import MANY, Subject, group_titles, groups, head_of, seeds_text
from hnet_bench.runs.plan import CellState


def figure(subject: Subject) -> Figure | None:
    """A panel for each benchmark and scenario with at least `MANY` experiences; None if no record has as many."""
    states = [state for state in subject.measured if len(state.records[0].score) >= MANY]
    if not states:
        return None
    grouped = groups(states)
    titles = group_titles(list(grouped))
    rows = {state.cell.row: state for state in states}
    page = sheet(
        Grid(rows=len(grouped), panel=(6.2, 2.4), gap=(0, 0.85), head=head_of(titles.values())),
        title=subject.table.title,
        what="Time of a training step",
        caption=f"{seeds_text(states)} Seconds of training on an experience over its iterations; lines: medians over "
        "seeds. They hold for the machines that the records name, which may have had other work.",
        reduced=subject.reduced,
        legend=[Line2D([], [], label=state.cell.label, **subject.look(state).style) for state in rows.values()],
    )
    for panel, (key, members) in zip(page.first(len(grouped)), grouped.items(), strict=True):
        times = [1000 * seconds_per_step(state) for state in members]
        for state, values in zip(members, times, strict=True):
            draw(panel, values, subject.look(state))
        every = numpy.concatenate([values.ravel() for values in times])
        if (every > 0).any():
            logarithmic(panel, "y", every[every > 0])
        number_experiences(panel, key[1])
        panel.set_title(titles[key])
        panel.set_xlabel("task that is learned; one less is the number of old tasks")
        panel.set_ylabel("time of a step, ms")
    return page.figure


def draw(axes: Axes, times: Array, look: Look) -> Axes:
    """Draws medians over the seeds of times (n, T)."""
    middle = numpy.median(times, axis=0)
    axes.plot(numpy.arange(1, len(middle) + 1), middle, markevery=max(1, len(middle) // 10), **look.style)
    return axes


def seconds_per_step(state: CellState) -> Array:
    """Seconds (n, T) of the seeds of a cell."""
    per_seed = [
        numpy.array(record.seconds["train"], dtype=numpy.float64) / record.spec["protocol"]["iterations"]
        for record in state.records
    ]
    return numpy.array(per_seed, dtype=numpy.float64)
