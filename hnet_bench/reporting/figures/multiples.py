"""Small multiples: a panel for each cell, rows and scenarios as in the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hnet_bench.reporting.figures.sheet import Sheet, wrap
from hnet_bench.reporting.figures.style import GREY, TEXT
from hnet_bench.reporting.figures.subject import SCENARIO_NAMES, Subject
from hnet_bench.reporting.tables import scenarios
from hnet_bench.runs.plan import CellState

ASIDE = 0.5  # inches from a panel to the name of its row
LABEL_WIDTH = 1.3  # inches that such a name may take


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
        """Names rows and columns, and says which of the other panels were not run."""
        planned = {(state.cell.row, state.cell.scenario.label) for state in subject.states}
        for row, name in enumerate(self.rows):
            text = self.cells[row, self.leftmost(row)].cell.label
            write_beside(sheet, "\n".join(wrap(text, LABEL_WIDTH, TEXT)), row, va="center")
            for column, scenario in enumerate(self.columns):
                if (row, column) not in self.cells and (name, scenario) in planned:
                    sheet.write("not run", row, column, (0.5, 0.5), ha="center", va="center", color=GREY)
        for column, scenario in enumerate(self.columns):
            over = 1 + 0.08 / sheet.grid.panel[1]
            sheet.write(SCENARIO_NAMES[scenario], 0, column, (0, over), va="bottom")


def write_beside(sheet: Sheet, text: str, row: int, *, height: float = 0.5, **look: Any) -> None:
    """Writes to the left of a row of panels, at a height from 0 to 1 of its panels."""
    sheet.write(text, row, 0, (-ASIDE / sheet.grid.panel[0], height), ha="right", **look)


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
