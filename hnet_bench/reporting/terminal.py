"""Tables for the terminal, and what else takes more than a sentence there.

What is to be typed again, such as the name of a row, and what a verdict says is never cut nor broken: in a narrow
terminal columns of lesser weight are left out, and what does not even fit then is printed as a line for each field.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table as RichTable
from rich.text import Text

from hnet_bench.metrics import average_accuracy
from hnet_bench.papers.table import Table
from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.provenance import TracedRecord
from hnet_bench.reporting.text import PERCENT, SCALES, Scale, legend, measured_text, one_line, reported_text
from hnet_bench.reporting.text_table import Column, Entry, TextTable, text_table
from hnet_bench.reporting.verdict_tables import CODE_COLUMNS, VERDICT_COLUMNS, code_table, verdicts_table
from hnet_bench.reporting.verdicts import VERDICTS
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.provenance import surroundings
from hnet_bench.runs.record import Record
from hnet_bench.runs.revisions import changed_since
from hnet_bench.runs.store import Store

if TYPE_CHECKING:
    from hnet_bench.runs.repeat import Repetition

_WIDTH_OF_FILES = 200  # where there is no terminal to fit in, nothing should be wrapped
_LEAST_PROSE = 16  # characters of a line

# Of `list`, `show`, `data` and `tune`.
TABLES: tuple[Column[Any], ...] = (
    Column("Table", lambda one: one.name, "left"),
    Column("Title", lambda one: one.title, "left", spare=1, prose=True),
    Column("Done", lambda one: str(one.done), "left", spare=2),
    Column("Planned", lambda one: str(one.planned), "left", spare=3),
)
STRATEGIES: tuple[Column[Any], ...] = (
    Column("Strategy", itemgetter(0), "left"),
    Column("What it is", itemgetter(1), "left", spare=1, prose=True),
)
BENCHMARKS = (replace(STRATEGIES[0], heading="Benchmark"), STRATEGIES[1])
SETTINGS: tuple[Column[Any], ...] = (
    Column("Setting", lambda one: one.name, "left"),
    Column("Type", lambda one: one.type, "left", spare=1, prose=True),
    Column("Default", lambda one: one.default or "required", "left"),
    Column("What it is", lambda one: one.comment, "left", prose=True),
)
DATA_SETS: tuple[Column[Any], ...] = (
    Column("Data set", lambda one: one.name, "left"),
    Column("State", lambda one: one.state, "left"),
    Column("Size", lambda one: f"{one.size / 2**20:.1f} MiB" if one.size else "", "left", spare=1),
    Column("File", lambda one: one.path.name, "left", spare=2),
)
TUNED: tuple[Column[Any], ...] = (
    Column("Row", lambda one: one.cell.row, "left"),
    Column("Scenario", lambda one: one.cell.scenario.label, "left"),
    Column("Rule", lambda one: one.choice.search["rule"], "left", spare=1),
    Column("Trials", lambda one: str(one.choice.different), spare=2),
    Column("Chosen", lambda one: one_line(one.choice.values), "left"),
)


def traced_columns(scale: Scale) -> tuple[Column[TracedRecord], ...]:
    """Of the records behind a number, as `trace` prints them."""
    return (
        Column("Seed", lambda one: str(one.seed), "left"),
        Column(scale.heading, lambda one: scale.text(one.average), "left"),
        Column("Code", lambda one: one.code, "left", spare=1),
        Column("Run", lambda one: one.record.run_id, "left"),
        Column("Record", lambda one: str(one.path), "left", spare=2),
    )


def console(*, quiet: bool = False) -> Console:
    """The console of the standard output as it is now; a notebook's in one. A quiet one shows nothing."""
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES, highlight=False, quiet=quiet)


_NAME: Column[CellState] = Column("Row", lambda state: state.cell.row, "left")
# The row as reports print it: the first to go, since its name says as much.
_LABEL: Column[CellState] = Column("Label", lambda state: state.cell.label, "left", spare=9)


def print_toml(text: str) -> None:
    """Prints a TOML, in colours where there are any, else as it is."""
    output = console()
    if output.color_system and not output.no_color:
        output.print(Syntax(text, "toml", theme="ansi_dark", background_color="default", word_wrap=True))
    else:
        print(text, end="")


def print_results(table: Table, states: Sequence[CellState]) -> None:
    """Prints what is measured beside what is reported, with the number of runs done."""
    unit = " (%)" if states and states[0].cell.unit == "percent" else ""
    columns: tuple[Column[CellState], ...] = (
        _NAME,
        _LABEL,
        Column("Scenario", lambda state: state.cell.scenario.label, "left"),
        Column("Done", lambda state: str(len(state.records)), spare=3),
        Column("Failed", lambda state: str(len(state.failed_seeds) or ""), spare=2),
        Column("Planned", lambda state: str(len(state.planned_seeds)), spare=4),
        Column(f"Measured{unit}", measured_text),
        Column(f"Reported{unit}", lambda state: reported_text(state.cell.reported, state.cell.unit), spare=1),
    )
    print_table(text_table(columns, states, title=f"{table.name}: {table.title}", notes=legend(states)))


def print_verdicts(report: Report) -> None:
    """Prints the verdict on each cell that has a reported number, and what it rests on."""
    table = verdicts_table(report, (_NAME, _LABEL, *VERDICT_COLUMNS[1:])) or text_table((), ())
    print_table(replace(table, title=f"{report.name}: {report.title}"))
    if code := code_table(report, (_NAME, _LABEL, *CODE_COLUMNS[1:])):
        console().print()
        print_table(code)


def print_finding(check: str, scenario: str, problem: str | None) -> None:
    """Prints the answer to one check of a strategy, and what to change if it failed."""
    output = console()
    mark, style = ("failed", "bold red") if problem else ("ok", "green")
    output.print(Text.assemble((f"{mark:<7}", style), f"{scenario:<4}", check))
    if problem:
        output.print(Text(problem), soft_wrap=True)


def print_repetition(repeated: Repetition, tolerance: float) -> None:
    """Whether the scores are the same, what differs around them, and how much they differ from seed to seed."""
    found, record, again = repeated.found, repeated.record, repeated.again
    scale = SCALES["mse" if repeated.errors else "percent"]

    def average_of(one: Record) -> str:
        return f"{scale.text(average_accuracy(one.score))}{'' if repeated.errors else ' %'}"

    average = f"average {average_of(record)}, now {average_of(again)}"
    if found.verdict == "identical":
        print(f"Identical: every score is the same ({average}).")
    elif found.where is None:
        print(f"Different: another number of experiences ({average}).")
    else:
        (after, on), largest = found.where, PERCENT.text(found.largest)
        print(
            f"{found.verdict.capitalize()}: {average}; the largest difference of a score is {largest} "
            f"{'%' if repeated.errors else 'percentage points'} ({tolerance:g} are tolerated), on experience {on + 1} "
            f"after training on {after + 1}."
        )
    differences = [*changed_since(record.revisions, again.revisions), *surroundings(record, again)]
    for line in differences:
        print(f"  {line}")
    if found.verdict == "identical":
        return
    if not differences:
        print("  Nothing that the record names has changed: something that it does not name decides scores.")
    same_cell = Store(repeated.path.absolute().parents[3]).records(repeated.spec)
    averages = [average_accuracy(one.score) for one in same_cell]
    if len(averages) > 1:
        print(
            f"For scale: the averages of the {len(averages)} seeds of this cell have a standard deviation of "
            f"{scale.text(statistics.stdev(averages))}{'' if repeated.errors else ' points'}; this one moved by "
            f"{scale.text(found.average)}."
        )


def print_table(table: TextTable) -> None:
    """Prints a table, with its title above and its notes below."""
    output = console()
    if table.title:
        output.print(Text(table.title, style="bold"))
    if table.columns:
        _print_grid(table, output)
    for line in table.notes:
        output.print(Text(line, style="dim"))


def _print_grid(table: TextTable, output: Console) -> None:
    grid, width = _grid(table, output)
    if not sys.stdout.isatty():
        output.width = max(output.width, width)
    narrow, left_out = table, []
    while width > output.width and any(column.spare for column in narrow.columns):
        index = max(range(len(narrow.columns)), key=lambda index: _order(narrow, index))
        left_out += [narrow.columns[index].heading] if any(row[index].text for row in narrow.rows) else []
        narrow = _without(narrow, index)
        grid, width = _grid(narrow, output)
    if width > output.width:
        for row in table.rows:
            for column, field in zip(table.columns, row, strict=True):
                if field.text:
                    output.print(Text(f"{column.heading}: ").append_text(_text(field)), soft_wrap=True)
            output.print()
        return
    output.print(grid)
    if left_out:
        output.print(Text(f"A wider terminal also shows: {', '.join(reversed(left_out))}.", style="dim"))


def _grid(table: TextTable, output: Console) -> tuple[RichTable, int]:
    """The table as rich renders it, and the least width at which nothing of it is broken."""
    grid = RichTable(box=box.SIMPLE_HEAD, header_style="bold")
    for index, column in enumerate(table.columns):
        longest = max((cell_len(row[index].text) for row in table.rows), default=0)
        least = min(longest, _LEAST_PROSE) if column.prose else longest
        words = column.heading.split() if column.prose or longest else [column.heading]
        least = max([least, *map(cell_len, words)])
        grid.add_column(column.heading, justify=column.align, overflow="fold", min_width=least)
    for rows in table.bodies:
        grid.add_section()
        for row in rows:
            grid.add_row(*map(_text, row))
    measured = output.measure(grid, options=output.options.update(max_width=10_000))
    if measured.maximum > output.width:
        for shown, column in zip(grid.columns, table.columns, strict=True):
            # Rich would take from the widest column what all others lack, and cut where that is not enough.
            shown.width = None if column.prose else shown.min_width
    return grid, measured.minimum


def _text(field: Entry) -> Text:
    # Text, not str: a label may hold square brackets, which rich would take for markup.
    return Text(field.text, style=VERDICTS[field.outcome].terminal if field.outcome else "")


def _order(table: TextTable, index: int) -> tuple[bool, bool, int]:
    """The column with the greatest is left out first: of those that may be, one that says nothing."""
    spare = table.columns[index].spare
    return spare > 0, not any(row[index].text for row in table.rows), spare


def _without(table: TextTable, index: int) -> TextTable:
    rows = tuple(row[:index] + row[index + 1 :] for row in table.rows)
    return replace(table, columns=table.columns[:index] + table.columns[index + 1 :], rows=rows)
