"""What the verbs share: options, and the part of a table that they select."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from hnet_bench import catalog
from hnet_bench.arguments import split_values
from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.papers.table import Table, is_shipped, load_table
from hnet_bench.reporting.figures.kinds import check_kinds
from hnet_bench.runs.plan import CellState, table_state
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store

TableName = Annotated[
    str, typer.Argument(metavar="TABLE", help="A name that `hnet-bench list` shows, or a file of your own, name.toml.")
]
Rows = Annotated[list[str] | None, typer.Option(metavar="ROW...", help="Only these rows of the table.")]
Scenarios = Annotated[list[str] | None, typer.Option(metavar="CL1|CL2|CL3...", help="Only these scenarios.")]
Seeds = Annotated[
    list[str] | None, typer.Option(metavar="RANGE", help="Seeds, such as 1-5 or 1-3,7. Default: those of the table.")
]
Results = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the records.")]


def _existing(results: Path) -> Path:
    # The folder that nobody named need not be there yet; a name that was given and is not there is a slip.
    if results != Path("results") and not results.is_dir():
        raise UserError(f"There is no results folder {results}.")
    return results


# Of commands that only read it.
ReadResults = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the records.", callback=_existing)]
Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the data sets. Default: $HNET_BENCH_DATA, else your cache folder."),
]

Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, metavar="N", help="Runs at a time. Default: physical cores, or slots of GPUs."),
]
GpuSlots = Annotated[int | None, typer.Option(min=1, metavar="N", help="Runs that share one GPU. Default: 1.")]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Use this Dask cluster, such as tcp://10.0.0.1:8786.")
]
Slurm = Annotated[Path | None, typer.Option(metavar="FILE", help="Start workers with Slurm; a TOML for dask-jobqueue.")]


def select(table: str, rows: list[str] | None, scenarios: list[str] | None) -> Table:
    """The part of a table that --rows and --scenarios choose. Raises UserError for what it does not have."""
    chosen = [Scenario.parse(text) for text in split_values(scenarios) or []]
    return load_table(table).select(split_values(rows), chosen or None)


def cell_states(table: Table, name: str, store: Store, seeds: tuple[int, ...] | None = None) -> list[CellState]:
    """What a store holds of each cell; `name` is how the user calls the table. Raises UserError as `resolve` does."""
    # A sweep of hours must not end in a report that cannot be made.
    check_kinds(table.figures, table.name)
    # Our tables may be ahead of our strategies; in a user's table an unknown name is a slip.
    if not is_shipped(name):
        for cell in table.cells:
            resolve_cell(cell)
    return table_state(table, store, seeds)


def report_missing(states: list[CellState]) -> None:
    """Says which cells cannot be run because a strategy or a benchmark is not there."""
    missing = [state.cell for state in states if state.spec is None]
    if missing:
        names = {cell.strategy for cell in missing if not catalog.is_known("strategies", cell.strategy)}
        names |= {name for cell in missing if not catalog.is_known("benchmarks", name := cell.benchmark["name"])}
        typer.echo(f"Skipping {count(len(missing), 'cell')}: not implemented yet are {', '.join(sorted(names))}.")


def report_damage(states: list[CellState]) -> None:
    """Names on stderr each file that does not count although it stands in the place of a record, each archive that is
    lost, and each conflict."""
    for one in dict.fromkeys(one for state in states for one in state.damaged):
        # Another run takes the place of a file, but not of a folder.
        advice = " To do that run again: hnet-bench run." if one.path.suffix == ".json" else ""
        typer.echo(f"Damaged, not counted: {one.problem}{advice}", err=True)
    for one in dict.fromkeys(one for state in states for one in state.lacking):
        typer.echo(f"Arrays lost: {one.problem} To do that run again: hnet-bench run.", err=True)
    for path in dict.fromkeys(path for state in states for path in state.conflicts):
        typer.echo(f"Conflict, not counted: {path} has other scores than the record beside it.", err=True)


def planned_runs(states: list[CellState]) -> int:
    """Number of different runs."""
    # Cells of the same spec share their runs.
    return len({state.spec.with_seed(seed).key for state in states if state.spec for seed in state.planned_seeds})


def print_results(table: Table, states: list[CellState]) -> None:
    """Shows a table in the terminal."""
    from hnet_bench.reporting import terminal

    terminal.print_results(table, states)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keeps what Avalanche and its dependencies say when they are imported and used from the user, as workers do."""
    # Some announce their own deprecation whatever filters are set: what is recorded is not shown.
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        yield


def print_anything() -> None:
    """Has characters that the standard output cannot show, as with PYTHONIOENCODING=latin-1, printed as `\\u2020`."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # notebooks have a stream of their own, which takes all
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def command(*words: str, results: Path) -> str:
    """A command as a shell takes it, with the folder of the records where it is not the usual one."""
    place = [] if results == Path("results") else ["--results", str(results)]
    return shlex.join(["hnet-bench", *words, *place])


def count(number: int, noun: str) -> str:
    """ "1 run", "2 runs"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
