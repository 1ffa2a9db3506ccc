"""Seconds of a training step over the experiences: what old tasks cost. A line for each row.

From the seconds of the records: those of training on an experience, with whatever a method does before the first and
after the last step, divided by the protocol's iterations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hnet_bench.reporting.figures.axes import logarithmic
from hnet_bench.reporting.figures.estimates import Array
from hnet_bench.reporting.figures.frame import Ticks
from hnet_bench.reporting.figures.over_tasks import Texts, over_tasks
from hnet_bench.reporting.figures.style import Look
from hnet_bench.reporting.figures.subject import Subject
from hnet_bench.runs.plan import CellState

_TEXTS = Texts(
    what="Time of a training step",
    caption="Seconds of training on an experience over its iterations; lines: medians over seeds. They hold for the "
    "machines that the records name, which may have had other work.",
    horizontal="task that is learned; one less is the number of old tasks",
    vertical="time of a step, ms",
)


def figure(subject: Subject) -> Figure | None:
    """A panel for each benchmark and scenario with at least `MANY` experiences; None if no record has as many."""

    def draw_all(axes: Axes, states: Sequence[CellState]) -> Ticks:
        times = [1000 * seconds_per_step(state) for state in states]
        for state, values in zip(states, times, strict=True):
            draw(axes, values, subject.look(state))
        every = numpy.concatenate([values.ravel() for values in times])
        return logarithmic(axes, "y", every[every > 0]) if (every > 0).any() else Ticks()

    return over_tasks(subject, _TEXTS, draw_all)


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
