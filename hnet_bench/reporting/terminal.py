"""Tables for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from hnet_bench.papers.table import Table
from hnet_bench.reporting.tables import legend, result_rows
from hnet_bench.runs.plan import CellState

_WIDTH_OF_FILES = 200  # where there is no terminal to fit in, nothing should be wrapped


def console() -> Console:
    """The console of the standard output as it is now."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False)


def print_results(table: Table, states: Sequence[CellState]) -> None:
    """Prints what is measured beside what is reported, with the number of runs done."""
    grid = _grid("Row", "Scenario", right=("Done", "Failed", "Planned", "Measured (%)", "Reported (%)"))
    for row in result_rows(states):
        for cell in row.cells:
            counts = (str(cell.done), str(cell.failed or ""), str(cell.planned))
            grid.add_row(*_texts((row.name, cell.scenario, *counts, cell.measured, cell.reported)))
    output = console()
    output.print(Text(f"{table.name}: {table.title}", style="bold"))
    output.print(grid)
    for line in legend(states):
        output.print(Text(line, style="dim"))


def print_finding(check: str, scenario: str, problem: str | None) -> None:
    """Prints the answer to one check of a strategy, and what to change if it failed."""
    output = console()
    mark, style = ("failed", "bold red") if problem else ("ok", "green")
    output.print(Text.assemble((f"{mark:<7}", style), f"{scenario:<4}", check))
    if problem:
        output.print(Text(problem), soft_wrap=True)


def print_columns(header: Sequence[str], body: Iterable[Sequence[str]]) -> None:
    """Prints a plain table, columns aligned to the left."""
    grid = _grid(*header)
    for line in body:
        grid.add_row(*_texts(line))
    console().print(grid)


def _grid(*left: str, right: Sequence[str] = ()) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, header_style="bold")
    for heading in left:
        grid.add_column(heading, overflow="fold")
    for heading in right:
        grid.add_column(heading, justify="right")
    return grid


def _texts(strings: Iterable[str]) -> list[Text]:
    # Text, not str: a label may hold square brackets, which rich would take for markup.
    return [Text(string) for string in strings]
