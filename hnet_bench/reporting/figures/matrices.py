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
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import HEAT, SMALL
from hnet_bench.reporting.figures.subject import Subject, scores, seeds_text
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
            lines="",
        ),
        title=subject.table.title,
        what=f"{subject.quantity.name.capitalize()} matrices",
        caption=f"{seeds_text(states)} Means over seeds. Above the diagonal: experiences not yet learned.",
        reduced=subject.reduced,
    )
    means = {place: mean_matrix(state, subject.quantity.factor) for place, state in plan.cells.items()}
    norm = _norm(list(means.values()), subject.quantity.ceiling)
    mesh: Any = None
    for (row, column), mean in means.items():
        panel = page.panel(row, column)
        mesh = draw(panel, mean, norm)
        ticks = _ticks(len(mean))
        if plan.is_lowest(row, column):
            panel.set_xticks(ticks, [str(tick) for tick in ticks])
            panel.set_xlabel("tested on", labelpad=1, size=SMALL)
        if column == plan.leftmost(row):
            panel.set_yticks(ticks, [str(tick) for tick in ticks])
            panel.set_ylabel("trained up to", labelpad=1, size=SMALL)
        panel.tick_params(length=0, pad=2)
    plan.label(page, subject)
    page.scale(mesh, 0, len(plan.columns) - 1, subject.quantity.label)
    return page.figure


def draw(axes: Axes, matrix: Array, norm: Normalize) -> ScalarMappable:
    """Draws a matrix (T, T) of values on the colour scale: row i after training on i, column j tested on j; NaN is
    left white. Returns what a colour bar needs."""
    experiences = len(matrix)
    colours: dict[str, Any] = {"cmap": HEAT, "norm": norm}
    if experiences <= _MOST_SHAPES:
        edges = numpy.arange(experiences + 1) + 0.5
        mesh: ScalarMappable = axes.pcolormesh(edges, edges, matrix, linewidth=0, **colours)
    else:
        extent = (0.5, experiences + 0.5, experiences + 0.5, 0.5)
        mesh = axes.imshow(matrix, interpolation="none", aspect="auto", extent=extent, **colours)
    axes.set_ylim(experiences + 0.5, 0.5)
    axes.set_xlim(0.5, experiences + 0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    return mesh


def mean_matrix(state: CellState, factor: float) -> Array:
    """Mean over seeds, (T, T), on the axis."""
    mean: Array = factor * scores(state.records).mean(axis=0)
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
