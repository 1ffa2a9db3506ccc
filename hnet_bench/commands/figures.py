"""`figures`: the figures of a table, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hnet_bench.arguments import split_values
from hnet_bench.commands.options import ReadResults, TableName, cell_states, count, report_damage
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs.files import write_atomically
from hnet_bench.runs.store import Store


def figures(
    table: TableName,
    results: ReadResults = Path("results"),
    reports: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the figures.")] = Path("reports"),
    formats: Annotated[list[str] | None, typer.Option(metavar="svg|pdf|png...", help="Default: svg.")] = None,
) -> None:
    """Draw the figures of a table from its records, REPORTS/TABLE.svg and REPORTS/TABLE.KIND.svg.

    The same records give the same bytes.

    [bold]Example[/bold]

    hnet-bench figures quick --formats svg pdf
    """
    from hnet_bench.reporting.figures.render import known_format, render_all
    from hnet_bench.reporting.figures.subject import Subject
    from hnet_bench.reporting.owners import OWNERS, owners

    chosen = dict.fromkeys(known_format(text) for text in split_values(formats) or ["svg"])
    loaded, store = load_table(table), Store(results)
    ours = owners(reports, [table])
    states = cell_states(loaded, table, store)
    report_damage(states)
    files = render_all(Subject(table=loaded, states=states, store=store, command=table), tuple(chosen))
    for name, content in {**files, OWNERS: ours}.items():
        try:
            write_atomically(reports / name, content)
        except OSError as error:
            raise UserError(f"The figure {reports / name} cannot be written: {error.strerror}.") from error
    for name in files:
        typer.echo(str(reports / name))
    typer.echo(f"{count(len(files), 'file')} from {count(sum(len(state.records) for state in states), 'record')}.")
