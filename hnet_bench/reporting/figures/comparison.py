"""Comparison bars: means, seeds as points, what is reported as diamonds. One panel for each scenario."""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hnet_bench.metrics import average_accuracy
from hnet_bench.reporting.figures.axes import logarithmic
from hnet_bench.reporting.figures.sheet import Grid, label_width, sheet
from hnet_bench.reporting.figures.style import SKY, SMALL, TEXT
from hnet_bench.reporting.figures.subject import ACCURACY, SCENARIO_NAMES, Quantity, Subject, seeds_text
from hnet_bench.reporting.tables import percent, scenarios
from hnet_bench.runs.plan import CellState

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
        lines="x",
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
        draw_scenario(panel, found, rows, subject.quantity)
        panel.set_title(SCENARIO_NAMES[scenario])
        panel.set_yticks(range(len(rows)), [labels[row] for row in rows] if column == 0 else [])
        panel.tick_params(axis="y", length=0, labelsize=TEXT)
        panel.set_ylim(len(rows) - 0.4, -0.6)
    return page.figure


def draw_scenario(axes: Axes, states: Sequence[CellState], rows: Sequence[str], quantity: Quantity = ACCURACY) -> Axes:
    """Draws the cells of one scenario, each at the position of its row."""
    every: list[float] = []
    for state in states:
        position = rows.index(state.cell.row)
        values = [quantity.factor * average_accuracy(record.score) for record in state.records]
        every += values
        mean = sum(values) / len(values)
        # A logarithmic axis has no zero that a bar could begin at.
        if quantity.ceiling is None:
            axes.plot(mean, position, "|", color=_EDGE, markersize=14, markeredgewidth=4)
        else:
            axes.barh(position, mean, height=0.66, color=_BAR, edgecolor=_EDGE)
        axes.plot(values, [position] * len(values), "o", color=_SEED, markersize=3, alpha=0.8, markeredgewidth=0)
        text = percent(mean / 100) if quantity is ACCURACY else f"{mean:.3g}"
        beside = (0, position) if quantity.ceiling else (mean, position - 0.38)
        axes.annotate(text, beside, (3, 0), textcoords="offset points", va="center", size=SMALL)
        reported = state.cell.reported
        if reported:
            spread = None if reported.spread is None else quantity.factor * reported.spread
            mean = quantity.factor * reported.mean
            axes.errorbar(mean, position, xerr=spread, fmt="D", color=_REPORTED, ms=5, markerfacecolor="none")
    if quantity.ceiling is None:
        logarithmic(axes, "x", numpy.array(every))
    else:
        axes.set_xlim(0, 1.02 * quantity.ceiling)
    axes.set_xlabel(f"average {quantity.label}")
    return axes


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
