"""The comparison bars alone, for `hnet-bench report` until it takes all that `figures.render.render_all` gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hnet_bench.papers.table import Table
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.store import Store


def svg(states: Sequence[CellState]) -> str | None:
    """The picture as SVG, None if nothing is measured."""
    if not any(state.records for state in states):
        return None
    from hnet_bench.reporting.figures.comparison import figure
    from hnet_bench.reporting.figures.encode import encode
    from hnet_bench.reporting.figures.style import style
    from hnet_bench.reporting.figures.subject import Subject

    cells = tuple(state.cell for state in states)
    table = Table(name=cells[0].table, title="Measured and reported", source="", note="", seeds=(), cells=cells)
    with style():
        drawn = figure(Subject(table=table, states=states, store=Store(Path("results")), command=table.name))
    return encode(drawn, "svg").decode() if drawn else None
