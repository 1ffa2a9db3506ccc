"""`list` and `data`: what there is, and what is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hnet_bench import catalog
from hnet_bench.arguments import split_values
from hnet_bench.commands.options import Data, Results
from hnet_bench.papers.table import load_table, table_names
from hnet_bench.runs.spec import cell_spec
from hnet_bench.runs.store import Store


def list_all(results: Results = Path("results")) -> None:
    """List the tables with their runs done and planned, the strategies and the benchmarks."""
    from hnet_bench.reporting.terminal import print_columns

    store = Store(results)
    tables = []
    for name in table_names():
        table = load_table(name)
        specs = [spec for cell in table.cells if (spec := cell_spec(cell))]
        planned = {spec.with_seed(seed).key for spec in specs for seed in table.seeds}
        done = {spec.with_seed(seed).key for spec in specs for seed in store.done_seeds(spec)}
        tables.append((name, table.title, str(len(done & planned)), str(len(planned))))
    print_columns(("Table", "Title", "Done", "Planned"), tables)
    print_columns(("Strategy", "Class"), catalog.names("strategies").items())
    print_columns(("Benchmark", "Class"), catalog.names("benchmarks").items())


def data_sets(
    fetch: Annotated[list[str] | None, typer.Option(metavar="NAME...", help="Fetch these data sets first.")] = None,
    data: Data = None,
) -> None:
    """Show where the data sets are and whether their content is right; fetch them.

    Runs fetch what they need by themselves; on a cluster without a network, fetch beforehand.

    [bold]Example[/bold]

    hnet-bench data --fetch mnist
    """
    from hnet_bench.data.load import data_folder, load
    from hnet_bench.data.load import status as data_status
    from hnet_bench.reporting.terminal import print_columns

    folder = data or data_folder()
    for name in split_values(fetch) or []:
        load(name, folder=folder, progress=typer.echo)
    typer.echo(f"Data folder: {folder}")
    found = data_status(folder)
    print_columns(
        ("Data set", "State", "Size", "File"),
        [(one.name, one.state, f"{one.size / 2**20:.1f} MiB" if one.size else "", one.path.name) for one in found],
    )
    for problem in filter(None, (one.problem for one in found)):
        typer.echo(problem, err=True)
    if any(one.state == "corrupt" for one in found):
        raise typer.Exit(2)
