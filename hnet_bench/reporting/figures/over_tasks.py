"""A panel for each benchmark and scenario with many experiences, over which a figure draws a line for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.axes import number_experiences
from hnet_bench.reporting.figures.frame import Side, Ticks, frame
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.subject import MANY, Subject, group_titles, groups, head_of, seeds_text
from hnet_bench.runs.plan import CellState

Draw: TypeAlias = "Callable[[Axes, Sequence[CellState]], Ticks]"  # lines for the cells of a panel, its vertical scale


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What such a figure says; `caption` follows the seeds."""

    what: str
    caption: str
    horizontal: str
    vertical: str


def over_tasks(subject: Subject, texts: Texts, draw: Draw) -> Figure | None:
    """The figure of the cells with at least `MANY` experiences; None if no record has as many."""
    states = [state for state in subject.measured if len(state.records[0].score) >= MANY]
    if not states:
        return None
    grouped = groups(states)
    titles = group_titles(list(grouped))
    rows = {state.cell.row: state for state in states}
    page = sheet(
        Grid(rows=len(grouped), panel=(6.2, 2.4), gap=(0, 0.85), head=head_of(titles.values())),
        title=subject.table.title,
        what=texts.what,
        caption=f"{seeds_text(states)} {texts.caption}",
        reduced=subject.reduced,
        legend=[Line2D([], [], label=state.cell.label, **subject.look(state).style) for state in rows.values()],
    )
    for panel, (key, members) in zip(page.first(len(grouped)), grouped.items(), strict=True):
        heights = draw(panel, members)
        frame(
            panel,
            below=Side(number_experiences(panel, key[1]), texts.horizontal),
            left=Side(heights, texts.vertical, lines=True),
            title=titles[key],
        )
    return page.figure
