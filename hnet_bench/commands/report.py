"""`report`: what was measured beside what is reported, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hnet_bench.commands.options import Results, TableName, cell_states, print_results, report_damage
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs.files import write_atomically
from hnet_bench.runs.store import Store


def report(
    table: TableName,
    results: Results = Path("results"),
    reports: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the pages.")] = Path("reports"),
) -> None:
    """Write the page and the picture of a table, REPORTS/TABLE.md and .svg, from its records.

    The same records give the same bytes.

    [bold]Example[/bold]

    hnet-bench report quick
    """
    from hnet_bench.reporting.figure import svg
    from hnet_bench.reporting.markdown import page

    loaded = load_table(table)
    states = cell_states(loaded, table, Store(results))
    report_damage(states)
    picture = svg(states)
    files = {
        f"{loaded.name}.md": page(loaded, states, command=table, picture=f"{loaded.name}.svg" if picture else None)
    }
    if picture:
        files[f"{loaded.name}.svg"] = picture
    for name, text in files.items():
        try:
            write_atomically(reports / name, text.encode())
        except OSError as error:
            raise UserError(f"The report {reports / name} cannot be written: {error.strerror}.") from error
    print_results(loaded, states)
    typer.echo(f"Written to {' and '.join(str(reports / name) for name in files)}")
