"""`figures`: the figures of a table, as files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from hnet_bench.arguments import split_values
from hnet_bench.commands.options import ReadResults, Rows, TableName, cell_states, count, report_damage, select
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs.files import write_atomically
from hnet_bench.runs.store import Store


def figures(
    table: TableName,
    rows: Rows = None,
    kinds: Annotated[
        list[str] | None, typer.Option(metavar="KIND...", help="Such as forest. Default: all that the records fill.")
    ] = None,
    results: ReadResults = Path("results"),
    reports: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the figures.")] = Path("reports"),
    formats: Annotated[list[str] | None, typer.Option(metavar="svg|pdf|png...", help="Default: svg.")] = None,
    width: Annotated[
        float | None,
        typer.Option(min=2.0, metavar="INCHES", help="Such as 3.25 for a column of a conference. Default: as needed."),
    ] = None,
    font_size: Annotated[
        float | None, typer.Option(min=4.0, metavar="POINTS", help="Of labels; others follow. Default: 8.")
    ] = None,
    title: Annotated[
        str | None, typer.Option(metavar="TEXT", help='In place of the table\'s title; "" leaves it out.')
    ] = None,
    caption: Annotated[
        str | None, typer.Option(metavar="TEXT", help='In place of the caption; "" leaves it out.')
    ] = None,
) -> None:
    """Draw the figures of a table from its records, REPORTS/TABLE.svg and REPORTS/TABLE.KIND.svg.

    The same records give the same bytes. Without a caption, say in your text
    which seeds and which interval are shown.

    [bold]Examples[/bold]

    hnet-bench figures quick --formats svg pdf

    hnet-bench figures quick --kinds learning-curves --width 3.25 --title "" --formats pdf
    """
    from hnet_bench.reporting.figures.kinds import KINDS, file_name
    from hnet_bench.reporting.figures.page import encode
    from hnet_bench.reporting.figures.render import Subject, known_format, known_kind, pages
    from hnet_bench.reporting.owners import OWNERS, owners

    suffixes = dict.fromkeys(known_format(text) for text in split_values(formats) or ["svg"])
    chosen = [known_kind(text) for text in split_values(kinds) or KINDS]
    loaded, store = load_table(table), Store(results)
    ours = owners(reports, [table])
    states = cell_states(loaded, table, store)
    report_damage(states)
    drawn = select(table, rows, None).rows if rows else None
    subject = Subject(table=loaded, states=states, store=store, command=table, rows=drawn)
    texts: Any = {name: text for name, text in (("heading", title), ("caption", caption)) if text is not None}
    shown = {kind: replace(page, **texts) for kind, page in pages(subject, chosen).items()}
    if kinds and not shown:
        raise UserError(f"The records of table '{table}' have nothing for {', '.join(chosen)}.")
    files = {
        file_name(loaded.name, kind, suffix): encode(page, suffix, width=width, font_size=font_size)
        for kind, page in shown.items()
        for suffix in suffixes
    }
    for name, content in {**files, OWNERS: ours}.items():
        try:
            write_atomically(reports / name, content)
        except OSError as error:
            raise UserError(f"The figure {reports / name} cannot be written: {error.strerror}.") from error
    for name in files:
        typer.echo(str(reports / name))
    records = sum(len(state.records) for state in states if drawn is None or state.cell.row in drawn)
    typer.echo(f"{count(len(files), 'file')} from {count(records, 'record')}.")
