"""`trace` and `rerun`: the records behind a number, and whether a run gives it again."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from hnet_bench.arguments import chosen_seeds
from hnet_bench.commands.options import (
    Data,
    ReadResults,
    Seeds,
    TableName,
    cell_states,
    quiet_libraries,
    report_damage,
    select,
)
from hnet_bench.interfaces import UserError
from hnet_bench.metrics import average_accuracy
from hnet_bench.runs.compare import TOLERANCE, Comparison, compare, different_settings, surroundings
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.staleness import Judge
from hnet_bench.runs.store import RUN_ID, Store, read_record


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

    store, judge = Store(results), Judge()
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
            verdict=judge.verdict(record, spec.files),
        )
        for record in state.records
    ]
    if as_json:
        typer.echo(json.dumps([one.to_json() for one in found], indent=2))
        return
    reported = f", reported {reported_text(state.cell.reported, state.cell.unit)}" if state.cell.reported else ""
    typer.echo(f"{state.cell.label}, {state.cell.scenario.label}: {measured_text(state)}{reported}")
    if not found:
        place = _place(results)
        typer.echo(f"No record yet: hnet-bench run {table} --rows {row} --scenarios {scenario}{place}")
        return
    scale = SCALES[state.cell.unit]
    print_columns(header(scale), [one.line(scale) for one in found])
    typer.echo(arithmetic([one.average for one in found], scale))
    for line in made_with(found):
        typer.echo(line)
    typer.echo(f"To repeat one: hnet-bench rerun {found[0].record.run_id}{_place(results)}")


def rerun(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run id such as seed1-0a1b..., or a record's file.")],
    results: ReadResults = Path("results"),
    data: Data = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"] | None, typer.Option(help="Where to train. Default: as in the record.")
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0.0, metavar="POINTS", help="Percentage points (of errors: per cent) by which any score may differ."
        ),
    ] = 100 * TOLERANCE,
) -> None:
    """Repeat a run, and say whether it gives the same scores.

    Identical: every score is the same. Within tolerance: none differs by
    more than --tolerance, as another processor or library may cause.
    Exit code 0 for either, 1 if they are different. Nothing is stored.

    [bold]Example[/bold]

    hnet-bench rerun seed1-94d8e972603c
    """
    repeated = repeat(run, results, data, device, tolerance / 100)
    _print_comparison(repeated, tolerance)
    _print_scale(repeated.found, repeated.path, repeated.spec)
    if repeated.found.verdict == "different":
        raise typer.Exit(1)


@dataclass(frozen=True)
class Repeated:
    """A run and its repetition."""

    path: Path
    spec: RunSpec
    record: Record
    again: Record
    found: Comparison

    @property
    def errors(self) -> bool:
        """Whether its scores are errors rather than accuracies."""
        return _are_errors(self.spec)


def repeat(run: str, results: Path, data: Path | None, device: str | None, tolerance: float) -> Repeated:
    """Does a run once more and compares; `tolerance` is a fraction. Raises UserError if it cannot be repeated."""
    path = _find(run, results)
    record = read_record(path)
    spec = _spec_of(record, path)
    again = _repeat(spec, device or ("cpu" if record.provenance.get("device", "cpu") == "cpu" else "cuda"), data)
    return Repeated(path, spec, record, again, compare(record, again, tolerance, errors=_are_errors(spec)))


def _are_errors(spec: RunSpec) -> bool:
    return spec.build_benchmark().facts.goal == "regression"


def _find(run: str, results: Path) -> Path:
    """The file of a record, from its path or the beginning of its run id."""
    if run.endswith(".json"):
        if not Path(run).is_file():
            raise UserError(f"There is no record {run}.")
        return Path(run)
    start = run.rstrip(".")
    paths = [path for path in sorted(results.glob("*/*/*/seed*.json")) if RUN_ID.fullmatch(path.stem)]
    matching = [path for path in paths if path.stem.startswith(start)]
    # A whole run id is meant as it stands, though the digits of another might begin like it.
    matching = [path for path in matching if path.stem == start] or matching
    if not matching:
        raise UserError(f"There is no record of a run '{run}' below {results}: hnet-bench trace shows the run ids.")
    if len(matching) > 1:
        shown = ", ".join(str(path) for path in matching[:5]) + (" ..." if len(matching) > 5 else "")
        raise UserError(f"{len(matching)} records are of a run '{run}...': give more digits or one of {shown}.")
    return matching[0]


def _spec_of(record: Record, path: Path) -> RunSpec:
    # Where the sweep found a user's file it is found again: beside the table that the record's command names, from here
    # or from where the results are.
    command = str(record.provenance.get("command", ""))
    tables = [Path(word).parent for word in command.split() if word.endswith(".toml")]
    home = path.resolve().parents[3].parent
    folders = list(dict.fromkeys([*tables, *(home / table for table in tables)]))
    spec = RunSpec.from_json(record.spec, folders=folders, where=f"the record {path}")
    if spec.run_id != record.run_id:
        names = ", ".join(different_settings(record.spec, spec.to_json()))
        raise UserError(f"{path} cannot be repeated: the present code has other settings than the record ({names}).")
    return spec


def _repeat(spec: RunSpec, device: str, folder: Path | None) -> Record:
    typer.echo(f"Repeating {spec.strategy} on {spec.benchmark} in {spec.scenario.label} with seed {spec.seed} ...")
    from hnet_bench.reporting.progress import Watcher
    from hnet_bench.reporting.terminal import console

    name = f"{spec.strategy} {spec.scenario.label} seed {spec.seed}"
    with quiet_libraries(), Watcher({spec.key: name}, console()) as watcher:
        from hnet_bench.runs.run import resolve_device, run

        return run(spec, device=resolve_device(device), folder=folder, observer=watcher)


def _print_comparison(repeated: Repeated, tolerance: float) -> None:
    from hnet_bench.reporting.tables import percent

    found, record, again = repeated.found, repeated.record, repeated.again
    before, now = (_average_text(one, repeated.errors) for one in (record, again))
    average = f"average {before}, now {now}"
    unit = "%" if repeated.errors else "percentage points"
    if found.verdict == "identical":
        typer.echo(f"Identical: every score is the same ({average}).")
    elif found.where is None:
        typer.echo(f"Different: another number of experiences ({average}).")
    else:
        after, on = found.where
        typer.echo(
            f"{found.verdict.capitalize()}: {average}; the largest difference of a score is {percent(found.largest)} "
            f"{unit} ({tolerance:g} are tolerated), on experience {on + 1} after training on {after + 1}."
        )
    verdict = Judge().verdict(record, repeated.spec.files)
    changed = [f"code: {name} has changed" for name in (*verdict.strategy, *verdict.harness)]
    if verdict.state == "unknown":
        changed.append("code: whether it has changed cannot be told")
    differences = [*changed, *surroundings(record, again)]
    for line in differences:
        typer.echo(f"  {line}")
    if not differences and found.verdict != "identical":
        typer.echo("  Nothing that the record names has changed: something that it does not name decides scores.")


def _average_text(record: Record, errors: bool) -> str:
    from hnet_bench.reporting.tables import SCALES

    average = average_accuracy(record.score)
    return SCALES["mse"].text(average) if errors else f"{SCALES['percent'].text(average)} %"


def _print_scale(found: Comparison, path: Path, spec: RunSpec) -> None:
    """How much scores differ from seed to seed, to set the difference beside."""
    from hnet_bench.reporting.tables import SCALES

    if found.verdict == "identical":
        return
    averages = [average_accuracy(record.score) for record in Store(path.absolute().parents[3]).records(spec)]
    if len(averages) > 1:
        errors = _are_errors(spec)
        scale, unit = SCALES["mse" if errors else "percent"], "" if errors else " points"
        typer.echo(
            f"For scale: the averages of the {len(averages)} seeds of this cell have a standard deviation of "
            f"{scale.text(statistics.stdev(averages))}{unit}; this one moved by {scale.text(found.average)}."
        )


def _place(results: Path) -> str:
    return "" if results == Path("results") else f" --results {results}"
