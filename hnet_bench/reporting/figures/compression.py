"""Accuracy against compression, as in Fig. 3b of von Oswald et al. 2020: rows that differ in size alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.axes import errorbars, round_numbers, scale_scores
from hnet_bench.reporting.figures.during_final import during_and_final
from hnet_bench.reporting.figures.estimates import INTERVALS, Array
from hnet_bench.reporting.figures.frame import Side, Ticks, frame, numbers
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.style import BLUE, GREY, VERMILION
from hnet_bench.reporting.figures.subject import Subject, group_titles, groups, head_of, seeds_text
from hnet_bench.runs.plan import CellState

_FEWEST_RATIOS = 3
_LOOKS: dict[str, dict[str, Any]] = {
    "during": {"color": VERMILION, "marker": "o", "markerfacecolor": "white", "linestyle": (0, (4, 1.5))},
    "final": {"color": BLUE, "marker": "s", "linestyle": "-"},
}


def figure(subject: Subject) -> Figure | None:
    """A panel for each scenario of one strategy in at least three sizes; None if the table has no such rows."""
    curves = _curves(subject.measured)
    if not curves:
        return None
    titles = group_titles([key[:3] for key in curves])
    states = [state for members in curves.values() for state in members]
    page = sheet(
        Grid(columns=len(curves), panel=(3.4, 2.5), gap=(0.6, 0), head=head_of(titles.values())),
        title=subject.table.title,
        what="Accuracy against compression",
        caption=f"{seeds_text(states)} Average over experiences, right after training on each (during) and after the "
        f"last (final); means over seeds. {INTERVALS} Dotted: as many parameters as the network that classifies.",
        reduced=subject.reduced,
        legend=[Line2D([], [], label=name, **look) for name, look in _LOOKS.items()],
    )
    for panel, (key, members) in zip(page.first(len(curves)), curves.items(), strict=True):
        pairs = [during_and_final(state, subject.quantity.factor) for state in members]
        sizes = draw(
            panel,
            [ratio(state) for state in members],
            [during.mean(axis=1) for during, _ in pairs],
            [final.mean(axis=1) for _, final in pairs],
            ceiling=subject.quantity.ceiling,
        )
        heights = scale_scores(panel, [part.mean(axis=1) for pair in pairs for part in pair], subject.quantity)
        frame(
            panel,
            below=Side(sizes, "compression ratio: trained parameters / those of the classifier"),
            left=Side(heights, f"average {subject.quantity.label}", lines=True),
            title=f"{key[3]}, {titles[key[:3]]}",
        )
    return page.figure


def draw(
    axes: Axes,
    ratios: Sequence[float],
    during: Sequence[Array],
    final: Sequence[Array],
    *,
    ceiling: float | None = 100.0,
) -> Ticks:
    """Draws average scores of the seeds, on the axis, one array (n) for each ratio; n may differ. Returns the ticks of
    the ratios."""
    order = numpy.argsort(ratios)
    at = numpy.array(ratios)[order]
    for name, values in (("during", during), ("final", final)):
        look = _LOOKS[name]
        axes.plot(at, [values[index].mean() for index in order], **{**look, "marker": ""})
        for index in order:
            errorbars(axes, numpy.array([ratios[index]]), values[index][:, None], ceiling, **{**look, "linestyle": ""})
    axes.axvline(1, color=GREY, linestyle=":", linewidth=1)
    low, high = 0.85 * min(ratios), 1.18 * max(*ratios, 1.0)
    axes.set(xscale="log", xlim=(low, high))
    return numbers(round_numbers(low, high, 6))


def _curves(states: Sequence[CellState]) -> dict[tuple[str, int, str, str], list[CellState]]:
    """The cells of one strategy on one benchmark in one scenario, where they have enough different sizes."""
    found: dict[tuple[str, int, str, str], list[CellState]] = {}
    for key, members in groups(states).items():
        for state in members:
            found.setdefault((*key, state.cell.strategy), []).append(state)
    return {key: members for key, members in found.items() if len({ratio(one) for one in members}) >= _FEWEST_RATIOS}


def ratio(state: CellState) -> float:
    """Compression ratio of a cell, the same for all of its seeds."""
    return float(state.records[0].parameters["compression_ratio"])
