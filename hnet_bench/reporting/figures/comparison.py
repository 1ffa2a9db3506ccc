"""Comparison bars: means, seeds as points, what is reported as diamonds. One panel for each scenario."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import offset_copy

from hnet_bench.metrics import average_accuracy
from hnet_bench.reporting.figures.axes import even, logarithmic
from hnet_bench.reporting.figures.frame import Side, Ticks, frame, names_of
from hnet_bench.reporting.figures.sheet import Grid, label_width, sheet
from hnet_bench.reporting.figures.style import SKY
from hnet_bench.reporting.figures.subject import ACCURACY, SCENARIO_NAMES, Quantity, Subject, seeds_text
from hnet_bench.reporting.figures.words import write
from hnet_bench.reporting.tables import percent, scenarios
from hnet_bench.runs.plan import CellState

_HALF = 0.33  # of the height of a bar, in rows
# Light, so that points and diamonds stand out from the bar in grey too.
_BAR, _EDGE, _SEED, _REPORTED = "#c3e2f6", SKY, "#1b3a57", "#b34700"


def figure(subject: Subject) -> Figure | None:
    """The bars of all cells that have a record, None if there is none."""
    measured = subject.measured
    if not measured:
        return None
    shown = scenarios(measured)
    rows = list(dict.fromkeys(state.cell.row for state in measured))
    labels = {state.cell.row: state.cell.label for state in measured}
    grid = Grid(
        columns=len(shown),
        panel=(2.6, 0.3 * len(rows) + 0.15),
        gap=(0.25, 0),
        left=label_width(list(labels.values())),
    )
    page = sheet(
        grid,
        title=subject.table.title,
        what="Measured and reported averages" if any(state.cell.reported for state in measured) else "Averages",
        caption=f"{seeds_text(measured)} Average over all experiences after the last one. {_spread_text(measured)} "
        f"{subject.coverage}",
        reduced=subject.reduced,
        legend=_legend(measured),
    )
    for column, scenario in enumerate(shown):
        panel = page.panel(0, column)
        found = [state for state in measured if state.cell.scenario.label == scenario]
        ticks = draw_scenario(panel, found, rows, subject.quantity)
        panel.set_ylim(len(rows) - 0.4, -0.6)
        frame(
            panel,
            below=Side(ticks, f"average {subject.quantity.label}", lines=True),
            left=Side(names_of(rows, labels) if column == 0 else Ticks(), words=True),
            title=SCENARIO_NAMES[scenario],
        )
    return page.figure


def draw_scenario(axes: Axes, states: Sequence[CellState], rows: Sequence[str], quantity: Quantity = ACCURACY) -> Ticks:
    """Draws the cells of one scenario, each at the position of its row. Returns the ticks of the averages."""
    places = [rows.index(state.cell.row) for state in states]
    every = [[quantity.factor * average_accuracy(record.score) for record in state.records] for state in states]
    means = [sum(values) / len(values) for values in every]
    # A logarithmic axis has no zero that a bar could begin at.
    if quantity.ceiling is None:
        axes.plot(means, places, "|", color=_EDGE, markersize=14, markeredgewidth=4)
        ticks = logarithmic(axes, "x", numpy.concatenate(every))
    else:
        boxes = [
            [(0, y - _HALF), (mean, y - _HALF), (mean, y + _HALF), (0, y + _HALF)]
            for y, mean in zip(places, means, strict=True)
        ]
        axes.add_collection(PolyCollection(boxes, facecolor=_BAR, edgecolor=_EDGE, linewidth=1.0))
        axes.set_xlim(0, 1.02 * quantity.ceiling)
        ticks = even(*axes.get_xlim())
    beside = [place for place, values in zip(places, every, strict=True) for _ in values]
    axes.plot(numpy.concatenate(every), beside, "o", color=_SEED, markersize=3, alpha=0.8, markeredgewidth=0)
    _draw_reported(axes, places, states, quantity)
    texts = [
        (*((0.0, place) if quantity.ceiling else (mean, place - 0.38)), _number(mean, quantity))
        for place, mean in zip(places, means, strict=True)
    ]
    write(
        axes, texts, ha="left", transform=offset_copy(axes.transData, axes.get_figure(root=True), x=3, units="points")
    )
    return ticks


def _number(mean: float, quantity: Quantity) -> str:
    return percent(mean / 100) if quantity is ACCURACY else f"{mean:.3g}"


def _draw_reported(axes: Axes, places: Sequence[int], states: Sequence[CellState], quantity: Quantity) -> None:
    known = [(place, state.cell.reported) for place, state in zip(places, states, strict=True) if state.cell.reported]
    if not known:
        return
    at = [place for place, _ in known]
    means = quantity.factor * numpy.array([reported.mean for _, reported in known])
    spreads = quantity.factor * numpy.array([reported.spread or 0.0 for _, reported in known])
    axes.plot(means, at, "D", color=_REPORTED, markersize=5, markerfacecolor="none")
    axes.hlines(at, means - spreads, means + spreads, color=_REPORTED, linewidth=1.3)


def _spread_text(states: Sequence[CellState]) -> str:
    kinds = {state.cell.reported.spread_kind for state in states if state.cell.reported}
    names = [{"sem": "SEM", "sd": "SD"}[kind] for kind in ("sem", "sd") if kind in kinds]
    return f"Bars of the diamonds: reported {' or '.join(names)}." if names else ""


def _legend(states: Sequence[CellState]) -> list[Line2D | Patch]:
    entries: list[Line2D | Patch] = [
        Patch(facecolor=_BAR, edgecolor=_EDGE, label="measured, mean"),
        Line2D([], [], marker="o", linestyle="", color=_SEED, markersize=3, label="one seed"),
    ]
    if any(state.cell.reported for state in states):
        entries.append(
            Line2D([], [], marker="D", linestyle="", color=_REPORTED, markerfacecolor="none", label="reported")
        )
    return entries
