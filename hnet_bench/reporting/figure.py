"""A table as a picture: bars for means, points for seeds, diamonds for what is reported. One panel for each scenario.

The same records and papers give the same bytes with the same versions of matplotlib: no date, no random identifiers.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from hnet_bench.metrics import average_accuracy
from hnet_bench.reporting.tables import percent, scenarios
from hnet_bench.runs.plan import CellState

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "hnet_bench",
    "svg.fonttype": "path",  # looks the same wherever it is opened
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}
# Dark enough to be told from each other in grey, and apart for the colour-blind.
_BAR, _SEED, _REPORTED = "#56b4e9", "#1b3a57", "#d55e00"
_NAMES = {"CL1": "CL1: task given", "CL2": "CL2: domain", "CL3": "CL3: class"}


def svg(states: Sequence[CellState]) -> str | None:
    """The picture as SVG, None if nothing is measured."""
    measured = [state for state in states if state.records]
    if not measured:
        return None
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    shown = scenarios(measured)
    rows = list(dict.fromkeys(state.cell.row for state in measured))
    labels = {state.cell.row: state.cell.label for state in measured}
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(2.9 * len(shown) + 1.2, 0.42 * len(rows) + 1.5), layout="constrained")
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for panel, scenario in zip(panels, shown, strict=True):
            draw_scenario(panel, [state for state in measured if state.cell.scenario.label == scenario], rows)
            panel.set_title(_NAMES[scenario], loc="left")
        panels[0].set_yticks(range(len(rows)), [labels[row] for row in rows])
        panels[0].set_ylim(len(rows) - 0.4, -0.6)
        figure.supxlabel("average accuracy after the last experience, %", fontsize=9)
        _add_legend(figure, measured)
        buffer = StringIO()
        FigureCanvasSVG(figure).print_figure(buffer, metadata={"Date": None})
    # Lines end without blanks, so that editors and version control leave the file alone.
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def draw_scenario(axes: Axes, states: Sequence[CellState], rows: Sequence[str]) -> Axes:
    """Draws the cells of one scenario, each at the position of its row."""
    for state in states:
        position = rows.index(state.cell.row)
        values = [100 * average_accuracy(record.score) for record in state.records]
        mean = sum(values) / len(values)
        axes.barh(position, mean, height=0.62, color=_BAR)
        axes.plot(values, [position] * len(values), "o", color=_SEED, markersize=3, alpha=0.8)
        axes.annotate(percent(mean / 100), (2, position), va="center", fontsize=8)
        reported = state.cell.reported
        if reported:
            spread = None if reported.spread is None else 100 * reported.spread
            mean = 100 * reported.mean
            axes.errorbar(mean, position, xerr=spread, fmt="D", color=_REPORTED, ms=5, markerfacecolor="none")
    axes.set_xlim(0, 102)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    return axes


def _add_legend(figure: object, states: Sequence[CellState]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[object] = [
        Patch(color=_BAR, label="measured, mean"),
        Line2D([], [], marker="o", linestyle="", color=_SEED, markersize=3, label="one seed"),
    ]
    if any(state.cell.reported for state in states):
        entries.append(
            Line2D([], [], marker="D", linestyle="", color=_REPORTED, markerfacecolor="none", label="reported")
        )
    figure.legend(handles=entries, loc="outside upper right", ncols=3, frameon=False, fontsize=8)  # type: ignore[attr-defined]
