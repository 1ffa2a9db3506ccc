"""`run` and `status`: do the runs of a table, and see how far they are."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from hnet_bench.arguments import chosen_seeds, known_loggers, seconds_of
from hnet_bench.commands.options import (
    Data,
    GpuSlots,
    Jobs,
    ReadResults,
    Results,
    Rows,
    Scenarios,
    Scheduler,
    Seeds,
    Slurm,
    TableName,
    cell_states,
    command,
    count,
    planned_runs,
    print_results,
    report_damage,
    report_missing,
    select,
)
from hnet_bench.commands.plan import within_budget
from hnet_bench.interfaces import UserError
from hnet_bench.runs.plan import CellState, runs_to_do, stale_files
from hnet_bench.runs.provenance import unnamed_commit
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store

if TYPE_CHECKING:
    from hnet_bench.runs.cluster import Cluster
    from hnet_bench.runs.engine import Options


INTERRUPTED = 130  # what shells report of a process that SIGINT ended
LEFT = 75  # EX_TEMPFAIL of sysexits.h: call the same command again


def run(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Seeds = None,
    jobs: Jobs = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    gpu_slots: GpuSlots = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    checkpoint_every: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Time between checkpoints of a run.")
    ] = 120,
    logger: Annotated[
        list[str] | None, typer.Option(metavar="csv|tensorboard|wandb...", help="Also tell these loggers.")
    ] = None,
    logs: Annotated[Path, typer.Option(metavar="DIR", help="Where loggers write.")] = Path("logs"),
    results: Results = Path("results"),
    data: Data = None,
    rerun_stale: Annotated[
        bool, typer.Option("--rerun-stale", help="Also renew stale records: the code computes something else now.")
    ] = False,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what is expected to end within 90m, 2h, 1d, ...")
    ] = None,
    stop_after: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="End in time, such as 9m, with checkpoints of what is under way."),
    ] = None,
) -> None:
    """Do the runs of a table that have no record yet.

    Finished runs are never repeated: after an interruption or a failure,
    the same command does what is left, from the last checkpoint. With
    --stop-after it ends with exit code 75 while anything is left, with 2 if
    nothing advanced in that time.

    [bold]Examples[/bold]

    hnet-bench run quick

    hnet-bench run von_oswald_2020_table_1 --rows split_hnet_ent --scenarios CL1 CL3 --seeds 1-5 -j 4

    hnet-bench run my_table.toml --device cuda --gpu-slots 4

    hnet-bench run my_table.toml --slurm cluster.toml -j 40

    hnet-bench run my_table.toml --device cuda --budget 2h

    hnet-bench run my_table.toml --device cuda --stop-after 9m
    """
    from hnet_bench.runs.cluster import Cluster
    from hnet_bench.runs.deadline import Deadline
    from hnet_bench.runs.engine import Options

    deadline = Deadline.after(seconds_of(stop_after)) if stop_after else None
    cluster = Cluster(jobs=jobs, scheduler=scheduler, slurm=slurm, gpu_slots=gpu_slots)
    options = Options(
        device=device,
        folder=data,
        seconds_between_checkpoints=checkpoint_every,
        loggers=known_loggers(logger),
        logs=logs,
        deadline=deadline,
    )
    selected = select(table, rows, scenarios)
    chosen = chosen_seeds(seeds)
    store = Store(results)
    states = cell_states(selected, table, store, chosen)
    if rerun_stale:
        store = replace(store, renew=stale_files(states, store))
    report_missing(states)
    report_damage(states)
    if all(state.spec is None for state in states):
        raise UserError(f"Nothing to run: no strategy of the chosen cells of table '{selected.name}' exists yet.")
    todo = runs_to_do(states, store)
    if not todo:
        typer.echo(f"Nothing to do: all {planned_runs(states)} runs of {selected.name} are done.")
        return
    if budget:
        todo = within_budget(todo, states, store, budget=budget, cluster=cluster, device=device, folder=data)
    before = _steps(todo, store)
    try:
        ended = _sweep(todo, states, store, cluster, options)
    except KeyboardInterrupt:
        done = sum(store.has(spec) for spec in todo)
        typer.echo(
            f"Interrupted: {done} of {count(len(todo), 'run')} finished, and their records are kept in {results}; "
            "the same command does the rest.",
            err=True,
        )
        raise typer.Exit(INTERRUPTED) from None
    print_results(selected, cell_states(selected, table, store, chosen))
    typer.echo(f"For the page with all details: {command('report', table, results=results)}")
    if stop_after and (left := [spec for spec in todo if spec.key not in ended.failed and not store.has(spec)]):
        if len(left) == len(todo) and _steps(todo, store) == before and not ended.others:
            raise UserError(_too_short(stop_after, ended))
        _say_what_is_left(left, todo, store, stop_after)
        raise typer.Exit(LEFT)
    if ended.failed:
        raise typer.Exit(1)


def status(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Seeds = None,
    results: ReadResults = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one object per cell.")] = False,
) -> None:
    """Show how many runs of a table are done, and what they measured.

    With --seeds only these seeds count; without, every seed that has a record does.

    [bold]Examples[/bold]

    hnet-bench status von_oswald_2020_table_1 --scenarios CL3

    hnet-bench status quick --json
    """
    selected = select(table, rows, scenarios)
    states = cell_states(selected, table, Store(results), chosen_seeds(seeds))
    report_damage(states)
    if as_json:
        from hnet_bench.reporting.model import status_of

        typer.echo(json.dumps([status_of(state) for state in states], indent=2))
    else:
        print_results(selected, states)


@dataclass(frozen=True)
class _Ended:
    """What is known of a sweep when it has ended, beside what the store tells."""

    failed: frozenset[str]
    begun: bool  # whether a run was
    others: bool  # whether another sweep was found at some of the runs


def _sweep(todo: list[RunSpec], states: list[CellState], store: Store, cluster: Cluster, options: Options) -> _Ended:
    """Does the runs and shows them. What can be checked is checked before the first."""
    store.check_writable()
    if problem := unnamed_commit():
        typer.echo(problem, err=True)
    if cluster.is_local:  # elsewhere the workers' machines need the data, not this one
        _load_data(todo, options.folder)
    from hnet_bench.reporting.progress import Watcher
    from hnet_bench.reporting.terminal import console
    from hnet_bench.runs.engine import run_all

    typer.echo(f"{count(len(todo), 'run')} to do.")
    with Watcher(_run_names(todo, states), console()) as watcher:
        outcome = run_all(
            todo, store=store, cluster=cluster, options=options, observer=watcher, announce=watcher.announce
        )
    for spec in todo:
        if event := watcher.sweep.failures.get(spec.key):
            place = store.failure_path(spec)
            typer.echo(f"Failed: {watcher.name(event)}: {event.message} (traceback in {place})", err=True)
    return _Ended(frozenset(watcher.sweep.failures), watcher.sweep.begun > 0, outcome.others)


def _steps(runs: list[RunSpec], store: Store) -> dict[str, int]:
    """Optimiser steps that the checkpoints of runs hold."""
    from hnet_bench.runs.checkpoint import steps_kept

    return {spec.key: steps_kept(store.checkpoint_path(spec)) for spec in runs}


def _too_short(stop_after: str, ended: _Ended) -> str:
    reason = (
        "no run that was begun came as far as its next checkpoint"
        if ended.begun
        else "they were over before a run began"
    )
    return (
        f"Nothing advanced in the {stop_after} of --stop-after: {reason}. The same command would do the same again: "
        "give it more time."
    )


def _say_what_is_left(left: list[RunSpec], todo: list[RunSpec], store: Store, stop_after: str) -> None:
    begun = sum(steps > 0 for steps in _steps(left, store).values())
    typer.echo(
        f"Stopped, since --stop-after {stop_after} was given: of {count(len(todo), 'run')} {len(todo) - len(left)} "
        f"ended, {begun} left a checkpoint, {len(left) - begun} did not begin; the same command goes on."
    )


def _load_data(todo: list[RunSpec], folder: Path | None) -> None:
    """Fetches and verifies each data set once, rather than in every worker."""
    from hnet_bench.data.load import load

    names = {name: None for spec in todo for name in spec.build_benchmark().datasets}
    for name in names:
        load(name, folder=folder, progress=typer.echo)


def _run_names(todo: list[RunSpec], states: list[CellState]) -> dict[str, str]:
    """How each run is called: by its row, since rows may differ in hyperparameters alone."""
    rows = {state.spec.cell_key: state.cell.row for state in reversed(states) if state.spec}
    return {spec.key: f"{rows[spec.cell_key]} {spec.scenario.label} seed {spec.seed}" for spec in todo}
