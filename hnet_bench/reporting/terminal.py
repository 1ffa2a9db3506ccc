"""Tables for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import itemgetter

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from hnet_bench.papers.table import Table
from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.columns import Column, TextTable, text_table, verdicts_table
from hnet_bench.reporting.text import legend, measured_text, reported_text
from hnet_bench.reporting.verdicts import VERDICTS
from hnet_bench.runs.plan import CellState

_WIDTH_OF_FILES = 200  # where there is no terminal to fit in, nothing should be wrapped


def console() -> Console:
    """The console of the standard output as it is now."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False)


def print_results(table: Table, states: Sequence[CellState]) -> None:
    """Prints what is measured beside what is reported, with the number of runs done."""
    unit = " (%)" if states and states[0].cell.unit == "percent" else ""
    columns: tuple[Column[CellState], ...] = (
        Column("Row", lambda state: state.cell.row, "left"),
        Column("Scenario", lambda state: state.cell.scenario.label, "left"),
        Column("Done", lambda state: str(len(state.records))),
        Column("Failed", lambda state: str(len(state.failed_seeds) or "")),
        Column("Planned", lambda state: str(len(state.planned_seeds))),
        Column(f"Measured{unit}", measured_text),
        Column(f"Reported{unit}", lambda state: reported_text(state.cell.reported, state.cell.unit)),
    )
    print_table(text_table(columns, states, title=f"{table.name}: {table.title}", notes=legend(states)))


def print_verdicts(report: Report) -> None:
    """Prints the verdict on each cell that has a reported number, and what it rests on."""
    print_table(replace(verdicts_table(report) or text_table((), ()), title=f"{report.name}: {report.title}"))


def print_finding(check: str, scenario: str, problem: str | None) -> None:
    """Prints the answer to one check of a strategy, and what to change if it failed."""
    output = console()
    mark, style = ("failed", "bold red") if problem else ("ok", "green")
    output.print(Text.assemble((f"{mark:<7}", style), f"{scenario:<4}", check))
    if problem:
        output.print(Text(problem), soft_wrap=True)


def print_columns(header: Sequence[str], body: Iterable[Sequence[str]]) -> None:
    """Prints a plain table, columns aligned to the left."""
    columns: list[Column[Sequence[str]]] = [
        Column(heading, itemgetter(index), "left") for index, heading in enumerate(header)
    ]
    print_table(text_table(columns, body))


def print_table(table: TextTable) -> None:
    """Prints a table, with its title above and its notes below."""
    output = console()
    if table.title:
        output.print(Text(table.title, style="bold"))
    if table.columns:
        grid = RichTable(box=box.SIMPLE_HEAD, header_style="bold")
        for column in table.columns:
            grid.add_column(column.heading, justify=column.align, overflow="fold")
        for rows in table.bodies:
            grid.add_section()
            for row in rows:
                # Text, not str: a label may hold square brackets, which rich would take for markup.
                grid.add_row(
                    *(Text(one.text, style=VERDICTS[one.outcome].terminal if one.outcome else "") for one in row)
                )
        output.print(grid)
    for line in table.notes:
        output.print(Text(line, style="dim"))
