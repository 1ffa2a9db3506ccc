"""Score matrices as heat maps, mean over seeds: small multiples, a row of panels for each row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from hnet_bench.reporting.figures.estimates import Array
from hnet_bench.reporting.figures.multiples import ASIDE, LABEL_WIDTH, multiples
from hnet_bench.reporting.figures.scale import draw_scale
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import HEAT, SMALL
from hnet_bench.reporting.figures.subject import Subject, seeds_text
from hnet_bench.reporting.figures.words import Place, write
from hnet_bench.runs.plan import CellState

# Above this number of experiences cells are pixels of an image: as shapes they would make files of megabytes.
_MOST_SHAPES = 12


def figure(subject: Subject) -> Figure | None:
    """A heat map for each cell that has a record; None if there is none."""
    states = subject.measured
    if not states:
        return None
    plan = multiples(states)
    page = sheet(
        Grid(
            rows=len(plan.rows),
            columns=len(plan.columns),
            panel=(0.95, 0.95),
            gap=(0.55, 0.14),
            breaks=plan.blocks,
            left=LABEL_WIDTH + ASIDE,
            right=0.95,
        ),
        title=subject.table.title,
        what=f"{subject.quantity.name.capitalize()} matrices",
        caption=f"{seeds_text(states)} Means over seeds. Above the diagonal: experiences not yet learned."
        + (" White: not measured." if any(has_gaps(state) for state in states) else ""),
        reduced=subject.reduced,
    )
    means = {place: mean_matrix(state, subject.quantity.factor) for place, state in plan.cells.items()}
    norm = _norm(list(means.values()), subject.quantity.ceiling)
    mesh: Any = None
    canvas = page.canvas()
    below: list[Place] = []
    beside: list[Place] = []
    for (row, column), mean in means.items():
        left, top, width, height = page.box(row, column)
        mesh = draw(canvas, mean, norm, (left, top, width, height))
        ticks = [(str(tick), (tick - 0.5) / len(mean)) for tick in _ticks(len(mean))]
        if plan.is_lowest(row, column):
            below += [(left + along * width, top + height + 0.05, tick) for tick, along in ticks]
            canvas.text(left + width / 2, top + height + 0.17, "tested on", size=SMALL, va="top", ha="center")
        if column == plan.leftmost(row):
            beside += [(left - 0.05, top + along * height, tick) for tick, along in ticks]
            where = (left - 0.17, top + height / 2)
            canvas.text(*where, "trained up to", size=SMALL, rotation="vertical", va="center", ha="right")
    write(canvas, below, va="top")
    write(canvas, beside, ha="right")
    plan.label(page, subject)
    draw_scale(page, mesh, 0, len(plan.columns) - 1, subject.quantity.label)
    return page.figure


def draw(axes: Axes, matrix: Array, norm: Normalize, box: tuple[float, float, float, float]) -> ScalarMappable:
    """Draws a matrix (T, T) of values on the colour scale into a box (left, top, width, height) of axes that go
    downwards: row i after training on i, column j tested on j; NaN is left white. Returns what a colour bar needs."""
    left, top, width, height = box
    experiences = len(matrix)
    colours: dict[str, Any] = {"cmap": HEAT, "norm": norm}
    if experiences <= _MOST_SHAPES:
        edges = numpy.linspace(0, 1, experiences + 1)
        look = {**colours, "linewidth": 0, "clip_on": False}
        return axes.pcolormesh(left + edges * width, top + edges * height, matrix, **look)
    extent = (left, left + width, top + height, top)
    limits = axes.get_xlim(), axes.get_ylim()  # which an image would make its own
    image = axes.imshow(matrix, interpolation="none", aspect="auto", extent=extent, **colours)
    axes.set(xlim=limits[0], ylim=limits[1])
    return image


def has_gaps(state: CellState) -> bool:
    """Whether not everything was measured after each experience."""
    return any(value is None for row in state.records[0].score for value in row)


def mean_matrix(state: CellState, factor: float) -> Array:
    """Mean over seeds, (T, T), on the axis; NaN where it was not measured."""
    mean: Array = factor * state.scores.mean(axis=0)
    return mean


def _norm(matrices: Sequence[Array], ceiling: float | None) -> Normalize:
    """The colour scale of all panels; logarithmic for errors, as on axes."""
    if ceiling is not None:
        return Normalize(0, ceiling)
    every = numpy.concatenate([matrix.ravel() for matrix in matrices])
    every = every[every > 0]
    return LogNorm(every.min(), every.max()) if every.size else Normalize(0, 1)


def _ticks(experiences: int) -> list[int]:
    return list(range(1, experiences + 1)) if experiences < 8 else [1, (experiences + 1) // 2, experiences]
