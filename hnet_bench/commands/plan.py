"""`plan`: what a sweep would do and what it would cost; and the part of it that fits into a budget."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from hnet_bench.arguments import chosen_seeds, seconds_of
from hnet_bench.commands.options import (
    Data,
    GpuSlots,
    Jobs,
    Results,
    Rows,
    Scenarios,
    Scheduler,
    Seeds,
    Slurm,
    TableName,
    cell_states,
    count,
    quiet_libraries,
    report_damage,
    select,
)
from hnet_bench.interfaces import UserError
from hnet_bench.runs.apart import Died, apart
from hnet_bench.runs.cost import BASES, Estimate, costs_of_store
from hnet_bench.runs.plan import CellState, runs_to_do
from hnet_bench.runs.provenance import cpu_name
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store

if TYPE_CHECKING:
    from hnet_bench.runs.cluster import Cluster

Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Estimator: TypeAlias = Callable[[RunSpec], Estimate | None]

NEAR = BASES[:2]  # what a probe would not improve on


def plan(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Seeds = None,
    jobs: Jobs = None,
    device: Annotated[Device, typer.Option(help="Where to train.")] = "auto",
    gpu_slots: GpuSlots = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    results: Results = Path("results"),
    data: Data = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Train for a few iterations what no record of its strategy tells of.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead.")] = False,
) -> None:
    """Show what `run` would do, and what it is expected to cost.

    Costs are learned from the records in --results; the range is that in
    which about eight of ten of them fell. Nothing is trained or stored,
    but for --probe, which trains and stores nothing.

    [bold]Examples[/bold]

    hnet-bench plan von_oswald_2020_table_1 --scenarios CL3 --seeds 1-5

    hnet-bench plan my_table.toml --device cuda --gpu-slots 4
    """
    from hnet_bench.reporting.cost import HEADER, CellCost, cell_line, sentence, total
    from hnet_bench.reporting.terminal import print_columns
    from hnet_bench.runs.budget import finished_after
    from hnet_bench.runs.cluster import Cluster, runs_at_a_time

    cluster = Cluster(jobs=jobs, scheduler=scheduler, slurm=slurm, gpu_slots=gpu_slots)
    store = Store(results)
    states = cell_states(select(table, rows, scenarios), table, store, chosen_seeds(seeds))
    report_damage(states)
    todo = runs_to_do(states, store)
    estimate = estimator(store, device, folder=data, probe_unless=NEAR if probe else None)
    counts = _todo_of(states, todo)
    cells = [
        CellCost(
            state=state, todo=counts[index], estimate=estimate(state.spec) if state.spec and counts[index] else None
        )
        for index, state in enumerate(states)
    ]
    estimates = [estimate(spec) for spec in todo]
    sums, workers = total(estimates), runs_at_a_time(cluster, len(todo), device)
    elapsed = finished_after([one.seconds for one in estimates if one], workers)
    if as_json:
        listed = [
            {
                "table": cell.state.cell.table,
                "row": cell.state.cell.row,
                "scenario": cell.state.cell.scenario.label,
                "done": len(cell.state.records),
                "failed": len(cell.state.failed_seeds),
                "to_do": cell.todo,
                "each": asdict(cell.estimate) if cell.estimate else None,
            }
            for cell in cells
        ]
        summary = {"runs": len(todo), **asdict(sums), "jobs": workers, "elapsed": elapsed}
        typer.echo(json.dumps({"cells": listed, "total": summary}, indent=2))
        return
    print_columns(HEADER, [cell_line(cell) for cell in cells])
    if not todo:
        typer.echo("Nothing to do.")
        return
    typer.echo(sentence(sums, runs=len(todo), elapsed=elapsed, jobs=workers, gpu=expects_gpu(device)))
    if sum(counts) > len(todo):
        typer.echo("Cells with the same settings share their runs, which are counted once.")
    if sums.unknown:
        typer.echo(f"Nothing is known of the cost of {count(sums.unknown, 'run')}: add --probe to find out.")


def within_budget(
    todo: list[RunSpec],
    states: list[CellState],
    store: Store,
    *,
    budget: str,
    cluster: Cluster,
    device: Device,
    folder: Path | None,
) -> list[RunSpec]:
    """The runs of a sweep that fit into a time, most informative first; says what was left out.

    Where no record tells of any cost, each strategy is probed first. Raises UserError if `budget` is no time, and if
    not even one run fits, and as `runs_at_a_time` does.
    """
    from hnet_bench.reporting.tables import duration
    from hnet_bench.runs.budget import fitting
    from hnet_bench.runs.cluster import runs_at_a_time

    seconds, workers = seconds_of(budget), runs_at_a_time(cluster, len(todo), device)
    estimate = estimator(store, device, folder=folder, probe_unless=BASES)
    chosen = fitting(todo, states, estimate, seconds=seconds, jobs=workers)
    if not chosen.runs:
        raise UserError(f"None of the {count(len(todo), 'run')} to do is expected to end within {budget}.")
    left = f"; {count(chosen.too_long, 'run')} left out" if chosen.too_long else ""
    fit = f"{len(chosen.runs)} of {count(len(todo), 'run')} fit into {budget}"
    typer.echo(f"{fit}, about {duration(chosen.seconds)} at {workers} at a time{left}.")
    return list(chosen.runs)


def estimator(store: Store, device: Device, *, folder: Path | None, probe_unless: tuple[str, ...] | None) -> Estimator:
    """Estimates by cell. What no record tells of at least as well as `probe_unless` says is probed (None: nothing)."""
    costs = costs_of_store(store.root, gpu=expects_gpu(device), cpu=cpu_name())
    known: dict[Hashable, Estimate | None] = {}

    def estimate(spec: RunSpec) -> Estimate | None:
        cell = spec.cell_key
        if cell not in known:
            found = costs.estimate(spec)
            if probe_unless is not None and (found is None or found.basis not in probe_unless):
                found = _probe(spec, device, folder)
            known[cell] = found
        return known[cell]

    return estimate


def expects_gpu(device: Device) -> bool:
    """Whether runs will go to a GPU, as far as can be told without torch."""
    return device == "cuda" or (device == "auto" and Path("/proc/driver/nvidia/version").exists())


def _probe(spec: RunSpec, device: Device, folder: Path | None) -> Estimate:
    typer.echo(f"Probing {spec.strategy} on {spec.benchmark} in {spec.scenario.label} ...", err=True)
    try:
        probed: Estimate = apart(_probed, spec, device, folder)
    except Died as death:
        raise UserError(f"{spec.strategy} cannot be probed: {death}.") from death
    return probed


def _probed(spec: RunSpec, device: Device, folder: Path | None) -> Estimate:
    """In a process of its own, as its runs have."""
    with quiet_libraries():
        from hnet_bench.runs.probe import probe
        from hnet_bench.runs.run import resolve_device

        return probe(spec, device=resolve_device(device), folder=folder)


def _todo_of(states: list[CellState], todo: list[RunSpec]) -> list[int]:
    """For each cell the number of runs to do, whether or not other cells share them."""
    runs = [spec.cell_key for spec in todo]
    return [runs.count(state.spec.cell_key) if state.spec else 0 for state in states]
