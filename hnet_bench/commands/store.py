"""`merge`: two results folders become one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hnet_bench.commands.options import Results, count
from hnet_bench.metrics import average_accuracy
from hnet_bench.runs.merge import Conflict
from hnet_bench.runs.merge import merge as merge_stores
from hnet_bench.runs.store import Store


def merge(
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="A results folder, as from another machine.")],
    results: Results = Path("results"),
) -> None:
    """Add the records of another results folder to yours.

    Any order and any repetition give the same files. Records of the same
    run with the same scores become one; if the scores differ, all are
    kept, they are named, and the exit code is 1. OTHER stays as it is.

    [bold]Example[/bold]

    hnet-bench merge from_the_cluster/results
    """
    Store(results).check_writable()
    merged = merge_stores(other, results)
    for path, problem in merged.damaged:
        typer.echo(f"Damaged, set aside as {path}: {problem}", err=True)
    for path, problem in merged.unreadable:
        typer.echo(f"Damaged, not merged: {path} cannot be read ({problem}).", err=True)
    for conflict in merged.conflicts:
        typer.echo(_sentence(conflict), err=True)
    restored = f", {merged.restored} restored that had been damaged" if merged.restored else ""
    typer.echo(f"{count(merged.added, 'record')} added to {results}{restored}; it has {merged.records} now.")
    if merged.conflicts:
        raise typer.Exit(1)


def _sentence(conflict: Conflict) -> str:
    from hnet_bench.reporting.tables import percent

    counts, *others = (
        f"{path} (average {percent(average_accuracy(record.score))} %)"
        for path, record in zip(conflict.paths, conflict.records, strict=True)
    )
    return f"Conflict: {counts} counts, but other scores are in {', '.join(others)}."
