"""Accuracy of each task over the space of 2-D task embeddings, as in Fig. 4 of von Oswald et al. 2020.

Read from the arrays beside a record, after the last of T tasks; the grid is regular, n points each way:

    embedding_grid       (n, n, 2)  the embedding at each point, grid[i, j] = (x[j], y[i]); x and y even and ascending
    embedding_accuracy   (T, n, n)  accuracy of each task with the embedding at each point, fractions
    task_embeddings      (T, 2)     the learned embeddings
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures.artefacts import Shapes, require
from hnet_bench.reporting.figures.estimates import Array
from hnet_bench.reporting.figures.scale import draw_scale
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import BLACK, HEAT, SMALL
from hnet_bench.reporting.figures.subject import Subject

SHAPES: Shapes = {"embedding_grid": ("n", "n", 2), "embedding_accuracy": ("T", "n", "n"), "task_embeddings": ("T", 2)}


def figure(subject: Subject) -> Figure | None:
    """A line of panels, one for each task, for each cell whose runs keep a grid; None if there is none."""
    found = [
        (state, kept[0], require(kept[1], SHAPES, where=f"{state.cell.where}, seed {kept[0]}"))
        for state in subject.measured
        if (kept := subject.arrays(state)) and "embedding_grid" in kept[1]
    ]
    if not found:
        return None
    columns = max(len(arrays["task_embeddings"]) for *_, arrays in found)
    page = sheet(
        Grid(rows=len(found), columns=columns, panel=(1.65, 1.65), gap=(0.14, 0.75), right=0.75, head=0.42),
        title=subject.table.title,
        what="Accuracy over the space of task embeddings",
        caption="One seed for each row of panels, the lowest, after the last task. Colour: accuracy on the task of the "
        "panel with the embedding at that point. Numbered points: the learned embeddings; the star "
        "is that of the panel.",
        reduced=subject.reduced,
    )
    for row, (state, seed, arrays) in enumerate(found):
        tasks = len(arrays["task_embeddings"])
        for task in range(tasks):
            panel = page.panel(row, task, kind=Axes)
            draw(panel, arrays, task)
            heading = f"{state.cell.label}, {state.cell.scenario.label}, seed {seed}\n" if task == 0 else ""
            panel.set_title(f"{heading}task {task + 1}", parse_math=False)
            panel.set_xlabel("first component")
            panel.tick_params(labelleft=task == 0)
            if task == 0:
                panel.set_ylabel("second component")
        draw_scale(page, panel.images[0], row, tasks - 1, "accuracy, %")
    return page.figure


def draw(axes: Axes, arrays: Mapping[str, Array], task: int) -> Axes:
    """Draws the accuracy of one task (from 0), and the embeddings of all."""
    grid, embeddings = arrays["embedding_grid"], arrays["task_embeddings"]
    x, y = _components(grid)
    # The image's pixels are centred on the points of the grid.
    half = ((x[-1] - x[0]) / (len(x) - 1) / 2, (y[-1] - y[0]) / (len(y) - 1) / 2)
    axes.imshow(
        100 * arrays["embedding_accuracy"][task],
        extent=(x[0] - half[0], x[-1] + half[0], y[0] - half[1], y[-1] + half[1]),
        origin="lower",
        aspect="auto",
        interpolation="none",
        cmap=HEAT,
        vmin=0,
        vmax=100,
    )
    for other, (first, second) in enumerate(embeddings):
        mark = "*" if other == task else "o"
        axes.plot(
            first,
            second,
            mark,
            color="white",
            markeredgecolor=BLACK,
            markersize=11 if other == task else 5,
            clip_on=False,
        )
        axes.annotate(
            str(other + 1),
            (first, second),
            (5, 3),
            textcoords="offset points",
            size=SMALL,
            color=BLACK,
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )
    return axes


def _components(grid: Array) -> tuple[Array, Array]:
    """The evenly spaced values of either component. Raises UserError if the grid is not one."""
    x, y = grid[0, :, 0], grid[:, 0, 1]
    regular = (
        len(x) > 1
        and numpy.allclose(grid[..., 0], x[None, :])
        and numpy.allclose(grid[..., 1], y[:, None])
        and all(numpy.all(steps > 0) and numpy.allclose(steps, steps[0]) for steps in (numpy.diff(x), numpy.diff(y)))
    )
    if not regular:
        raise UserError(
            "'embedding_grid' must be regular: expected grid[i, j] = (x[j], y[i]), x and y evenly spaced and ascending."
        )
    return x, y
