"""`rerun`: whether a run, or a few that are drawn at random, give their scores again."""

from __future__ import annotations

import random
import shlex
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from hnet_bench.commands.options import Data, ReadResults, count, quiet_libraries
from hnet_bench.interfaces import UserError
from hnet_bench.metrics import average_accuracy
from hnet_bench.runs.apart import Died, Failed, apart
from hnet_bench.runs.compare import TOLERANCE, Comparison, compare, different_settings, surroundings
from hnet_bench.runs.events import Observer
from hnet_bench.runs.record import Record
from hnet_bench.runs.revisions import freshness
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import RUN_ID, Store, read_record


def rerun(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run id such as seed1-0a1b..., or a record's file.", show_default=False),
    ] = None,
    draw: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Instead of RUN: so many records, drawn at random.")
    ] = None,
    draw_seed: Annotated[
        int | None, typer.Option(min=0, metavar="K", help="The same K draws the same of the same records. Default: 0.")
    ] = None,
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
    Exit code 0 for either, 1 if they are different or if one of those that
    were drawn cannot be repeated. Nothing is stored.

    [bold]Examples[/bold]

    hnet-bench rerun seed1-94d8e972603c

    hnet-bench rerun --draw 5 --draw-seed 2026
    """
    if run is not None and draw is None and draw_seed is None:
        if _rerun(run, results, data, device, tolerance) == "different":
            raise typer.Exit(1)
    elif run is None and draw is not None:
        chosen = drawn(results, draw, draw_seed or 0)
        found = _rerun_each(chosen, results, data, device, tolerance)
        typer.echo(f"{count(draw, 'record')} drawn with seed {draw_seed or 0}: {_counted(found)}.")
        if found["different"] or found["not repeatable"]:
            raise typer.Exit(1)
    else:
        raise UserError("Say which run to repeat: either one, by its run id or file, or how many to draw, --draw N.")


def drawn(results: Path, number: int, seed: int) -> list[Path]:
    """Files of so many different records of a store, each as likely as any other; the same for the same seed and file
    names. Raises UserError if there are not so many."""
    paths = _records(results)
    if len(paths) < number:
        raise UserError(f"Below {results} {number} cannot be drawn: found {count(len(paths), 'record')}.")
    return random.Random(seed).sample(paths, number)


def _rerun_each(
    paths: Sequence[Path], results: Path, data: Path | None, device: str | None, tolerance: float
) -> Counter[str]:
    """How many gave each verdict; one that fails keeps none of the others from being repeated."""
    found: Counter[str] = Counter()
    for path in paths:
        typer.echo(f"{path}, {_took(path)}:")
        try:
            found[_rerun(str(path), results, data, device, tolerance)] += 1
        except KeyboardInterrupt:
            typer.echo(f"Interrupted; until then: {_counted(found) or 'none repeated'}.", err=True)
            raise
        except Exception as error:
            # Of a strategy that breaks, as of a damaged file, the user wants to know beside how the others fared.
            problem = str(error) if isinstance(error, (UserError, Failed)) else f"{type(error).__name__}: {error}"
            typer.echo(f"Not repeated: {problem}", err=True)
            found["not repeatable"] += 1
    return found


def _took(path: Path) -> str:
    from hnet_bench.reporting.tables import duration

    try:
        return f"which took {duration(read_record(path).seconds['total'])}"
    except UserError:
        return "which cannot be read"


def _rerun(run: str, results: Path, data: Path | None, device: str | None, tolerance: float) -> str:
    repeated = repeat(run, results, data, device, tolerance / 100)
    _print_comparison(repeated, tolerance)
    _print_scale(repeated.found, repeated.path, repeated.spec)
    return repeated.found.verdict


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in found.most_common())


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
    matching = [path for path in _records(results) if path.stem.startswith(start)]
    # A whole run id is meant as it stands, though the digits of another might begin like it.
    matching = [path for path in matching if path.stem == start] or matching
    if not matching:
        raise UserError(f"There is no record of a run '{run}' below {results}: hnet-bench trace shows the run ids.")
    if len(matching) > 1:
        shown = ", ".join(str(path) for path in matching[:5]) + (" ..." if len(matching) > 5 else "")
        raise UserError(f"{len(matching)} records are of a run '{run}...': give more digits or one of {shown}.")
    return matching[0]


def _records(results: Path) -> list[Path]:
    return [path for path in sorted(results.glob("*/*/*/seed*.json")) if RUN_ID.fullmatch(path.stem)]


def _spec_of(record: Record, path: Path) -> RunSpec:
    # Where the sweep found a user's file it is found again: beside the table that the record's command names, from here
    # or from where the results are.
    command = str(record.provenance.get("command", ""))
    tables = [Path(word).parent for word in _words(command) if word.endswith(".toml")]
    home = path.resolve().parents[3].parent
    folders = list(dict.fromkeys([*tables, *(home / table for table in tables)]))
    spec = RunSpec.from_json(record.spec, folders=folders, where=f"the record {path}")
    if spec.run_id != record.run_id:
        names = ", ".join(different_settings(record.spec, spec.to_json()))
        raise UserError(f"{path} cannot be repeated: the present code has other settings than the record ({names}).")
    return spec


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # of a record that was made when commands were not quoted
        return command.split()


def _repeat(spec: RunSpec, device: str, folder: Path | None) -> Record:
    typer.echo(f"Repeating {spec.strategy} on {spec.benchmark} in {spec.scenario.label} with seed {spec.seed} ...")
    from hnet_bench.reporting.progress import Watcher
    from hnet_bench.reporting.terminal import console

    name = f"{spec.strategy} {spec.scenario.label} seed {spec.seed}"
    try:
        with Watcher({spec.key: name}, console()) as watcher:
            # As in a sweep, whatever was repeated before in this process and whatever its strategy left.
            again: Record = apart(_run, spec, device, folder, hear=watcher)
    except Died as death:
        raise UserError(f"{name} cannot be repeated: {death}.") from death
    return again


def _run(spec: RunSpec, device: str, folder: Path | None, observer: Observer) -> Record:
    """In the process of the run."""
    with quiet_libraries():
        from hnet_bench.runs.run import resolve_device, run

        return run(spec, device=resolve_device(device), folder=folder, observer=observer)


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
    differences = [*freshness(record.revisions, again.revisions).changed, *surroundings(record, again)]
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
