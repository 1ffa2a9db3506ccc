"""Tables for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from hnet_bench.papers.table import Table
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.tables import legend, measured_text, reported_text
from hnet_bench.reporting.verdict_grid import verdict_grid
from hnet_bench.reporting.verdicts import Outcome
from hnet_bench.runs.plan import CellState

_STYLES: dict[Outcome | None, str] = {"reproduced": "green", "above": "bold red", "below": "bold red"}
_WIDTH_OF_FILES = 200  # where there is no terminal to fit in, nothing should be wrapped


def console() -> Console:
    """The console of the standard output as it is now."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False)


def print_results(table: Table, states: Sequence[CellState]) -> None:
    """Prints what is measured beside what is reported, with the number of runs done."""
    unit = " (%)" if states and states[0].cell.unit == "percent" else ""
    grid = _grid("Row", "Scenario", right=("Done", "Failed", "Planned", f"Measured{unit}", f"Reported{unit}"))
    for state in states:
        counts = (str(len(state.records)), str(len(state.failed_seeds) or ""), str(len(state.planned_seeds)))
        numbers = (measured_text(state), reported_text(state.cell.reported, state.cell.unit))
        grid.add_row(*_texts((state.cell.row, state.cell.scenario.label, *counts, *numbers)))
    output = console()
    output.print(Text(f"{table.name}: {table.title}", style="bold"))
    output.print(grid)
    for line in legend(states):
        output.print(Text(line, style="dim"))


def print_verdicts(report: Report) -> None:
    """Prints the verdict on each cell that has a reported number, and what it rests on."""
    output = console()
    output.print(Text(f"{report.name}: {report.title}", style="bold"))
    found = verdict_grid(report)
    if found is None:
        return
    grid = _grid()
    for column in found.columns:
        grid.add_column(column.heading, justify=column.align)
    for index, row in enumerate(found.rows):
        if index in found.sections:
            grid.add_section()
        grid.add_row(*(Text(entry.text, style=_STYLES.get(entry.outcome, "")) for entry in row))
    output.print(grid)
    for line in found.notes:
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
