"""Fitted functions of 1-D regression, as in Fig. 2 of von Oswald et al. 2020. A panel for each row.

Read from the arrays beside a record; T tasks, n inputs for each:

    regression_x       (T, n)  inputs at which the function of each task is drawn, ascending
    regression_true    (T, n)  the function of each task there, without noise
    regression_fit     (T, n)  what the model says of each task there, after the last one
    regression_range   (T, 2)  where the training inputs of each task lie, from and to
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.artefacts import Shapes, require
from hnet_bench.reporting.figures.axes import even
from hnet_bench.reporting.figures.estimates import Array
from hnet_bench.reporting.figures.frame import Side, frame
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import BLACK, SMALL, look
from hnet_bench.reporting.figures.subject import Subject

SHAPES: Shapes = {
    "regression_x": ("T", "n"),
    "regression_true": ("T", "n"),
    "regression_fit": ("T", "n"),
    "regression_range": ("T", 2),
}


def figure(subject: Subject) -> Figure | None:
    """A panel for each cell whose runs keep fitted functions, of its lowest seed; None if there is none."""
    found = [
        (state, kept[0], require(kept[1], SHAPES, where=f"{state.cell.where}, seed {kept[0]}"))
        for state in subject.measured
        if (kept := subject.arrays(state)) and "regression_fit" in kept[1]
    ]
    if not found:
        return None
    tasks = len(found[0][2]["regression_fit"])
    columns = min(3, len(found))
    page = sheet(
        Grid(rows=-(-len(found) // columns), columns=columns, panel=(2.5, 2.1), gap=(0.45, 0.75)),
        title=subject.table.title,
        what="Fitted functions",
        caption="One seed for each panel, the lowest, after the last task. Dashed: the true functions. Thick bars: "
        "where the training inputs of each task lie. An arrow: a fit that lies outside, and its values.",
        reduced=subject.reduced,
        legend=[
            Line2D([], [], color=BLACK, linestyle="--", linewidth=1, label="true"),
            *(
                Line2D([], [], label=f"fit of task {task + 1}", color=look(task).colour, marker=look(task).marker)
                for task in range(tasks)
            ),
        ],
    )
    low = min(float(arrays["regression_true"].min()) for *_, arrays in found)
    high = max(float(arrays["regression_true"].max()) for *_, arrays in found)
    for index, (panel, (state, seed, arrays)) in enumerate(zip(page.first(len(found)), found, strict=True)):
        draw(panel, arrays)
        # A forgotten function may be anywhere: the true ones set the scale.
        panel.set_ylim(low - 0.35 * (high - low), high + 0.25 * (high - low))
        _say_what_lies_outside(panel, arrays)
        frame(
            panel,
            below=Side(even(*panel.get_xlim()), "x"),
            left=Side(even(*panel.get_ylim()), "y" if index % columns == 0 else "", lines=True),
            title=f"{state.cell.label}, seed {seed}",
        )
    return page.figure


def draw(axes: Axes, arrays: Mapping[str, Array]) -> Axes:
    """Draws the arrays named above."""
    for task, (x, true, fit, (start, end)) in enumerate(zip(*(arrays[name] for name in SHAPES), strict=True)):
        axes.plot(x, true, color=BLACK, linestyle="--", linewidth=1, zorder=3)
        mine = look(task)
        axes.plot(x, fit, color=mine.colour, marker=mine.marker, markevery=max(1, len(x) // 8), linewidth=1.8)
        axes.plot(
            [start, end],
            [0.04] * 2,
            color=mine.colour,
            linewidth=3,
            transform=axes.get_xaxis_transform(),
            solid_capstyle="butt",
        )
    inputs = numpy.concatenate([arrays["regression_x"].ravel(), arrays["regression_range"].ravel()])
    span = float(inputs.max() - inputs.min())
    axes.set_xlim(float(inputs.min()) - 0.04 * span, float(inputs.max()) + 0.04 * span)
    return axes


def _say_what_lies_outside(axes: Axes, arrays: Mapping[str, Array]) -> None:
    """A forgotten function that the panel does not reach would look as if it had been left out."""
    low, high = axes.get_ylim()
    for task, (x, fit) in enumerate(zip(arrays["regression_x"], arrays["regression_fit"], strict=True)):
        least, most = float(fit.min()), float(fit.max())
        if least <= high and most >= low:
            continue
        above = least > high
        axes.text(
            float(x.mean()),
            0.97 if above else 0.1,
            f"{'↑' if above else '↓'} {least:.1f} to {most:.1f}".replace("-", "\N{MINUS SIGN}"),
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top" if above else "bottom",
            size=SMALL,
            color=look(task).colour,
        )
