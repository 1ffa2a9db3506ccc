"""`trace`: the records behind a number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from hnet_bench.arguments import chosen_seeds
from hnet_bench.commands.options import (
    ReadResults,
    Seeds,
    TableName,
    cell_states,
    command,
    report_damage,
    select,
)
from hnet_bench.interfaces import UserError
from hnet_bench.runs.store import Store


def trace(
    table: TableName,
    row: Annotated[str, typer.Argument(metavar="ROW", help="A row of the table.")],
    scenario: Annotated[str, typer.Argument(metavar="CL1|CL2|CL3", help="A scenario of the row.")],
    seeds: Seeds = None,
    results: ReadResults = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one object per record.")] = False,
) -> None:
    """Show the records behind a number, and how it comes from them.

    [bold]Example[/bold]

    hnet-bench trace von_oswald_2020_table_1 split_hnet_ent CL3
    """
    from hnet_bench.reporting.tables import SCALES, measured_text, reported_text
    from hnet_bench.reporting.terminal import print_columns
    from hnet_bench.reporting.trace import Traced, arithmetic, header, made_with

    store = Store(results)
    states = cell_states(select(table, [row], [scenario]), table, store, chosen_seeds(seeds))
    report_damage(states)
    (state,) = states
    if state.spec is None:
        raise UserError(f"The strategy '{state.cell.strategy}' of {state.cell.where} is not implemented yet.")
    spec = state.spec
    found = [
        Traced(
            record=record,
            path=store.path(spec.with_seed(record.spec["seed"])),
            freshness=fresh,
        )
        for record, fresh in zip(state.records, state.freshness, strict=True)
    ]
    if as_json:
        typer.echo(json.dumps([one.to_json() for one in found], indent=2))
        return
    reported = f", reported {reported_text(state.cell.reported, state.cell.unit)}" if state.cell.reported else ""
    typer.echo(f"{state.cell.label}, {state.cell.scenario.label}: {measured_text(state)}{reported}")
    if not found:
        typer.echo(f"No record yet: {command('run', table, '--rows', row, '--scenarios', scenario, results=results)}")
        return
    scale = SCALES[state.cell.unit]
    print_columns(header(scale), [one.line(scale) for one in found])
    typer.echo(arithmetic([one.average for one in found], scale))
    for line in made_with(found):
        typer.echo(line)
    typer.echo(f"To repeat one: {command('rerun', found[0].record.run_id, results=results)}")
