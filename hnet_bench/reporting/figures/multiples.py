"""Small multiples: a panel for each cell, rows and scenarios as in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hnet_bench.reporting.figures.axes import label_row, say
from hnet_bench.reporting.figures.sheet import Sheet
from hnet_bench.reporting.figures.subject import SCENARIO_NAMES, Subject
from hnet_bench.reporting.tables import scenarios
from hnet_bench.runs.plan import CellState

ASIDE = 36  # points from a panel to the name of its row


@dataclass(frozen=True)
class Multiples:
    """The measured cells by (row, column). Rows of one benchmark stand together; a row starts a block where the
    benchmark or its number of experiences changes."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]  # labels of scenarios
    cells: dict[tuple[int, int], CellState]
    blocks: tuple[int, ...]  # first rows of all blocks but the first

    def is_lowest(self, row: int, column: int) -> bool:
        """Whether no cell of the same block stands below: there the axis of experiences gets its labels."""
        end = next((first for first in self.blocks if first > row), len(self.rows))
        return not any((below, column) in self.cells for below in range(row + 1, end))

    def leftmost(self, row: int) -> int:
        """Column of the first cell of a row."""
        return min(column for at, column in self.cells if at == row)

    def label(self, sheet: Sheet, subject: Subject) -> None:
        """Names rows and columns, and says of the other panels that they were not run, or leaves them empty."""
        planned = {(state.cell.row, state.cell.scenario.label) for state in subject.states}
        for row, panels in enumerate(sheet.panels):
            label_row(panels[0], self.cells[row, self.leftmost(row)].cell.label, aside=ASIDE)
            for column, panel in enumerate(panels):
                if (row, column) not in self.cells:
                    say(panel, "not run" if (self.rows[row], self.columns[column]) in planned else "")
        for panel, scenario in zip(sheet.panels[0], self.columns, strict=True):
            panel.set_title(SCENARIO_NAMES[scenario])


def multiples(states: Sequence[CellState]) -> Multiples:
    """The arrangement of cells that have records."""
    benchmarks = {state.cell.row: _benchmark(state) for state in states}
    order = list(dict.fromkeys(benchmarks.values()))
    rows = sorted(benchmarks, key=lambda row: order.index(benchmarks[row]))
    columns = scenarios(states)
    return Multiples(
        rows=tuple(rows),
        columns=tuple(columns),
        cells={(rows.index(state.cell.row), columns.index(state.cell.scenario.label)): state for state in states},
        blocks=tuple(index for index in range(1, len(rows)) if benchmarks[rows[index]] != benchmarks[rows[index - 1]]),
    )


def _benchmark(state: CellState) -> tuple[str, int]:
    return state.cell.benchmark["name"], len(state.records[0].score)
