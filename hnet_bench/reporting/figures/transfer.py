"""During, final, from scratch and fine-tuned, task by task, as in Fig. 5 of von Oswald et al. 2020 (split CIFAR).

Drawn for a table with the rows `hnet`, `from_scratch` and `fine_tuned` in one scenario: during and final are those of
`hnet`, from scratch is how well each task is learned without the others, fine-tuned what is left without protection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from hnet_bench.reporting.figures.axes import errorbars, number_experiences, scale_scores
from hnet_bench.reporting.figures.during_final import during_and_final
from hnet_bench.reporting.figures.estimates import INTERVALS, Array
from hnet_bench.reporting.figures.frame import Side, frame
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import BLACK, BLUE, GREEN, ORANGE, SKY
from hnet_bench.reporting.figures.subject import Subject, group_titles, groups, head_of, seeds_text
from hnet_bench.runs.plan import CellState

ROWS = ("hnet", "from_scratch", "fine_tuned")
_LOOKS: dict[str, dict[str, Any]] = {
    "during": {"facecolor": SKY, "hatch": ""},
    "final": {"facecolor": BLUE, "hatch": ""},
    "from scratch": {"facecolor": ORANGE, "hatch": "////"},
    "fine-tuned": {"facecolor": GREEN, "hatch": "xx"},
}
_WIDTH = 0.2  # of a bar, in experiences


def figure(subject: Subject) -> Figure | None:
    """A panel for each scenario in which all of `ROWS` have records; None if there is none."""
    found = {
        key: by_row
        for key, members in groups(subject.measured).items()
        if set(ROWS) <= set(by_row := {state.cell.row: state for state in members})
    }
    if not found:
        return None
    titles = group_titles(list(found))
    states = [by_row[row] for by_row in found.values() for row in ROWS]
    page = sheet(
        Grid(rows=len(found), panel=(6.2, 2.4), gap=(0, 0.85), head=head_of(titles.values())),
        title=subject.table.title,
        what="During, final, from scratch, fine-tuned",
        caption=f"{seeds_text(states)} Means over seeds. {INTERVALS.replace('Bars', 'Black bars')}",
        reduced=subject.reduced,
        legend=[Patch(label=name, edgecolor=BLACK, linewidth=0.5, **look) for name, look in _LOOKS.items()],
    )
    for panel, (key, by_row) in zip(page.first(len(found)), found.items(), strict=True):
        curves = four_curves(by_row, subject.quantity.factor)
        draw(panel, curves, ceiling=subject.quantity.ceiling)
        heights = scale_scores(panel, [values.mean(axis=0) for values in curves.values()], subject.quantity)
        frame(
            panel,
            below=Side(number_experiences(panel, key[1]), "task"),
            left=Side(heights, subject.quantity.label, lines=True),
            title=titles[key],
        )
    return page.figure


def draw(axes: Axes, curves: Mapping[str, Array], *, ceiling: float | None = 100.0) -> Axes:
    """Draws scores (n, T) on the axis of "during", "final", "from scratch" and "fine-tuned"; n may differ."""
    for index, (name, look) in enumerate(_LOOKS.items()):
        values = curves[name]
        at = numpy.arange(1, values.shape[1] + 1) + (index - 1.5) * _WIDTH
        axes.bar(at, values.mean(axis=0), width=_WIDTH, edgecolor=BLACK, linewidth=0.5, **look)
        errorbars(axes, at, values, ceiling, linestyle="", color=BLACK)
    return axes


def four_curves(by_row: Mapping[str, CellState], factor: float) -> dict[str, Array]:
    """Scores (n, T) on the axis of the four bars, from the states of `ROWS`."""
    during, final = during_and_final(by_row["hnet"], factor)
    return {
        "during": during,
        "final": final,
        "from scratch": during_and_final(by_row["from_scratch"], factor)[0],
        "fine-tuned": during_and_final(by_row["fine_tuned"], factor)[1],
    }
