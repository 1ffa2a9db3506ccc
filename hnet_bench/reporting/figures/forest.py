"""Forest plot: measured minus reported for each cell, in its units, with the margin that counts as equivalent.

The intervals are 90 % ones: two one-sided tests at 5 % find a cell equivalent just if its 90 % interval lies within the
margin (Schuirmann 1987).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hnet_bench.metrics import average_accuracy
from hnet_bench.reporting.figures.axes import even
from hnet_bench.reporting.figures.estimates import Estimate, difference
from hnet_bench.reporting.figures.frame import Side, Ticks, frame, names_of
from hnet_bench.reporting.figures.sheet import Grid, label_width, sheet
from hnet_bench.reporting.figures.style import BLACK, BLUE, PALE
from hnet_bench.reporting.figures.subject import SCENARIO_NAMES, Subject, seeds_text
from hnet_bench.reporting.tables import scenarios
from hnet_bench.runs.plan import CellState

_MARKS = {"verified": "o", "second-hand": "s", "recalled": "D"}


def figure(subject: Subject) -> Figure | None:
    """A panel for each scenario, a line for each row with both numbers; None if no cell has both."""
    states = [state for state in subject.measured if state.cell.reported]
    if not states:
        return None
    shown = scenarios(states)
    rows = list(dict.fromkeys(state.cell.row for state in states))
    labels = {state.cell.row: state.cell.label for state in states}
    page = sheet(
        Grid(
            columns=len(shown),
            panel=(2.5, 0.26 * len(rows) + 0.15),
            gap=(0.25, 0),
            left=label_width(list(labels.values())) + 0.06,
        ),
        title=subject.table.title,
        what="Measured minus reported",
        caption=f"{seeds_text(states)} Averages after the last experience. Bars: 90 % t "
        "interval of the difference (Cochran and Cox); one seed has none. Arrows: the bar goes on outside. Each panel "
        "has a scale of its own.",
        reduced=subject.reduced,
        legend=_legend(states, subject),
    )
    for column, scenario in enumerate(shown):
        panel = page.panel(0, column)
        found = [state for state in states if state.cell.scenario.label == scenario]
        draw(
            panel,
            [rows.index(state.cell.row) for state in found],
            [_difference(state, subject.quantity.factor) for state in found],
            margins=[_margin(state, subject.quantity.factor) for state in found],
            marks=[_MARKS[state.cell.reported.known] if state.cell.reported else "o" for state in found],
        )
        panel.set_ylim(len(rows) - 0.4, -0.6)
        unit = "percentage points" if subject.quantity.unit == "%" else subject.quantity.name
        frame(
            panel,
            below=Side(even(*panel.get_xlim(), ticks=5), f"difference, {unit}", lines=True),
            left=Side(names_of(rows, labels) if column == 0 else Ticks(), words=True),
            title=SCENARIO_NAMES[scenario],
        )
    return page.figure


def draw(
    axes: Axes,
    positions: Sequence[int],
    estimates: Sequence[Estimate],
    *,
    margins: Sequence[float | None],
    marks: Sequence[str],
) -> Axes:
    """Draws differences at their positions, in the axis' units; `margins` are half widths of what counts as equal."""
    reach = _reach(estimates, margins)
    axes.set_xlim(-reach, reach)
    axes.axvline(0, color=BLACK, linewidth=0.9)
    known = [(position, margin) for position, margin in zip(positions, margins, strict=True) if margin is not None]
    if known:
        at, half = (numpy.array(part) for part in zip(*known, strict=True))
        axes.barh(at, 2 * half, left=-half, height=0.9, zorder=0.45, color=PALE, edgecolor="#bbbbbb", linewidth=0.5)
    for position, estimate in zip(positions, estimates, strict=True):
        if estimate.half is not None:
            ends = (estimate.mean - estimate.half, estimate.mean + estimate.half)
            axes.plot([max(ends[0], -reach), min(ends[1], reach)], [position] * 2, color=BLUE, linewidth=1.5)
            for end, arrow in zip(ends, ("<", ">"), strict=True):
                if abs(end) > reach:
                    axes.plot(reach if end > 0 else -reach, position, arrow, color=BLUE, clip_on=False, markersize=5)
    for mark, hollow in sorted({(mark, one.half is None) for mark, one in zip(marks, estimates, strict=True)}):
        shown = [
            (one.mean, position)
            for one, position, other in zip(estimates, positions, marks, strict=True)
            if (other, one.half is None) == (mark, hollow)
        ]
        x, y = zip(*shown, strict=True)
        axes.plot(x, y, mark, color=BLUE, markerfacecolor="white" if hollow else BLUE, markersize=5)
    return axes


def _reach(estimates: Sequence[Estimate], margins: Sequence[float | None]) -> float:
    """Half the width of the axis: all means and margins, but not an interval of few seeds that would dwarf them."""
    far = max((abs(estimate.mean) for estimate in estimates), default=0.0)
    wide = max((margin for margin in margins if margin is not None), default=0.0)
    ends = [abs(estimate.mean) + (estimate.half or 0.0) for estimate in estimates]
    whole = max(ends, default=0.0)
    return 1.08 * max(far, 1.5 * wide, min(whole, 2.0 * far)) or 1.0


def _difference(state: CellState, factor: float) -> Estimate:
    assert state.cell.reported is not None
    values = [average_accuracy(record.score) for record in state.records]
    found = difference(values, state.cell.reported)
    return Estimate(factor * found.mean, None if found.half is None else factor * found.half)


def _margin(state: CellState, factor: float) -> float | None:
    """The margin declared with the reported number, on the axis; None if nobody declared one."""
    margin = getattr(state.cell.reported, "margin", None)
    return None if margin is None else factor * float(margin)


def _legend(states: Sequence[CellState], subject: Subject) -> list[Line2D | Patch]:
    known = [state.cell.reported.known for state in states if state.cell.reported]
    entries: list[Line2D | Patch] = [
        Line2D([], [], linestyle="", marker=mark, color=BLUE, markersize=5, label=f"reported number {name}")
        for name, mark in _MARKS.items()
        if name in known
    ]
    if any(len(state.records) == 1 for state in states):
        entries.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="o",
                color=BLUE,
                markerfacecolor="white",
                markersize=5,
                label="hollow: a single seed",
            )
        )
    if any(_margin(state, subject.quantity.factor) is not None for state in states):
        entries.append(Patch(facecolor=PALE, edgecolor="#bbbbbb", linewidth=0.5, label="margin that counts as equal"))
    return entries
