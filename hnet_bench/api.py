"""Every verb of the command line as a function, for notebooks and scripts: what is printed there is returned here.

    from hnet_bench import api

    api.run("quick")
    api.records("quick").groupby(["row", "scenario"]).average_accuracy.agg(["mean", "sem"])

What can be known is a data frame: `row` is in every one what the command line calls a row, `label` how tables print it.
What was done is a small dataclass or a list of files.

Tables are named as on the command line: one that ships with the package, or a TOML file of yours. `rows`, `scenarios`
and `seeds` choose a part of it: a name or a list of names; a seed, a list of seeds or a range such as "1-5". All
functions raise `UserError`, a sentence, for what the caller can mend.

Frames of a table are made of what `select`, `verdicts` and `traced` return, which is what the command line prints; so
pandas is loaded only where somebody asks for a frame.
"""

from __future__ import annotations

import inspect
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from hnet_bench import arguments as given
from hnet_bench import catalog
from hnet_bench.arguments import Bold, Device, Names, PathLike, Seeds, Spread
from hnet_bench.config import did_you_mean, naming
from hnet_bench.interfaces import NetworkName, Settings, UserError
from hnet_bench.messages import print_anything, say, warn
from hnet_bench.papers.reported import STATUS_KEYS
from hnet_bench.papers.search import RuleName
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.papers.table import Table, load_table, table_file, table_names
from hnet_bench.reporting import frames
from hnet_bench.reporting.figures.kinds import FORMATS, KINDS, check_kinds, file_name
from hnet_bench.reporting.text import count
from hnet_bench.runs.files import write_atomically
from hnet_bench.runs.plan import (
    CellState,
    Selection,
    repeats_together,
    runs_to_do,
    stale_files,
    table_state,
    with_repeats,
)
from hnet_bench.runs.process import Died, in_own_process, quiet_libraries
from hnet_bench.runs.shipped import installed_records, unpack
from hnet_bench.runs.spec import RunSpec, check_chosen, check_unit
from hnet_bench.runs.store import Store, read_record
from hnet_bench.runs.tuning import RULES, Tuned, check_search, check_trials, chosen, files_of, searched, trials_table
from hnet_bench.scaffold import first_files

if TYPE_CHECKING:
    from pandas import DataFrame

    from hnet_bench.data.load import Status
    from hnet_bench.reporting.cells import Report
    from hnet_bench.reporting.open_cells import OpenCell
    from hnet_bench.reporting.plan_costs import CellCost, Total
    from hnet_bench.runs.merge import Merged
    from hnet_bench.runs.repeat import Repetition

__all__ = [
    "Figures",
    "Plan",
    "Progress",
    "Reports",
    "Shown",
    "SweepResult",
    "TuningResult",
    "benchmarks",
    "cells",
    "check",
    "data",
    "draw_records",
    "figures",
    "latex",
    "merge",
    "new",
    "overview",
    "plan",
    "progress",
    "records",
    "report",
    "rerun",
    "run",
    "scores",
    "show",
    "status",
    "strategies",
    "tables",
    "trace",
    "tune",
    "verify",
]

# What there is


@dataclass(frozen=True, kw_only=True)
class Progress:
    """A table that ships with the package, and how far it has come."""

    name: str
    title: str
    done: int  # of the planned runs; those that several cells share count once
    planned: int


def tables() -> list[str]:
    """Names of the tables that ship with the package."""
    return list(table_names())


def strategies() -> list[str]:
    """Names of the strategies, those of plug-ins included."""
    return list(catalog.names("strategies"))


def benchmarks() -> list[str]:
    """Names of the benchmarks, those of plug-ins included."""
    return list(catalog.names("benchmarks"))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A table, a strategy or a benchmark, as its file has it."""

    kind: Literal["table", "strategy", "benchmark"]
    name: str
    file: Path
    text: str  # the TOML of a table; of a class what its file and the class say of themselves
    scenarios: tuple[str, ...] = ()  # that a strategy learns
    settings: tuple[catalog.Setting, ...] = ()  # that a class has: name, type, default and comment


def show(name: PathLike) -> Shown:
    """What there is to know of a table, a strategy or a benchmark, given by its name, as `path.py:Class` or
    `name.toml`. Raises UserError if it is unknown or broken."""
    name = given.table_name(name)
    if name.endswith(".toml") or name in table_names():
        load_table(name)  # which raises if it is broken
        path = table_file(name)
        return Shown(kind="table", name=name, file=path, text=path.read_text(encoding="utf-8"))
    kind = catalog.kind_of(name)
    if kind is None:
        raise UserError(
            f"There is no table, strategy or benchmark '{name}': `hnet-bench list` names them, or give a file, "
            f"name.toml or path.py:Class.{did_you_mean(name, [*table_names(), *strategies(), *benchmarks()])}"
        )
    found: Any = catalog.strategy_class(name) if kind == "strategies" else catalog.benchmark_class(name)
    return Shown(
        kind="strategy" if kind == "strategies" else "benchmark",
        name=name,
        file=Path(inspect.getfile(found)),
        text=catalog.documentation(found),
        scenarios=tuple(one.label for one in catalog.scenarios_of(found, name)) if kind == "strategies" else (),
        settings=tuple(catalog.settings_of(found)),
    )


def progress(*, results: PathLike = "results") -> list[Progress]:
    """Runs done and planned of each table that ships with the package."""
    store, found = _store(_existing(results)), []
    for name in table_names():
        table = load_table(name)
        whole = Selection(name=name, table=table, seeds=None, store=store, states=table_state(table, store))
        found.append(Progress(name=name, title=table.title, done=whole.done, planned=whole.planned))
    return found


def data(fetch: Names = None, *, data: PathLike | None = None) -> list[Status]:
    """The data sets and whether the content of their files is right; those to `fetch` are loaded first."""
    from hnet_bench.data.load import data_folder, load, status

    folder = given.path(data) or data_folder()
    for name in given.names(fetch, "fetch") or []:
        load(name, folder=folder, progress=say)
    return list(status(folder))


# A table and what is measured


def select(
    table: PathLike,
    *,
    rows: Names = None,
    scenarios: Names = None,
    seeds: Seeds = None,
    results: PathLike = "results",
    new: bool = False,
) -> Selection:
    """The part of a table that these arguments choose; names on stderr what is damaged in the store. Unless it may be
    `new`, a results folder must be there, but for the usual one."""
    name, folder = given.table_name(table), Path(results) if new else _existing(results)
    selected = _part(load_table(name), rows, scenarios)
    store, only = _store(folder), given.seeds(seeds)
    barred = [cell.barred_seeds for cell in selected.cells]
    if shared := [seed for seed in only or () if all(seed in seeds for seeds in barred)]:
        raise UserError(
            f"Seed {shared[0]} is one of those by which hyperparameters of table '{selected.name}' are chosen "
            f"({format_seeds(barred[0])}), and cannot judge them: choose other seeds."
        )
    states = _states(selected, store, only)
    _report_damage(with_repeats(states))
    return Selection(name=name, table=selected, seeds=only, store=store, states=states)


def status(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each cell: runs done, failed, planned, stale, mean and SEM measured, mean and spread reported (what
    it is says `reported_spread_kind`), all as fractions, and the verdict."""
    from pandas import DataFrame

    from hnet_bench.reporting.cells import status_of

    lines = []
    for state in select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results).states:
        line = status_of(state)
        reported = line.pop("reported") or {}
        of_reported = {f"reported_{key}": reported.get(key) for key in STATUS_KEYS}
        lines.append({**frames.named(state.cell), **line, **of_reported})
    return DataFrame(lines)


def overview(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """Rows by scenarios, as tables print them: mean ± SEM (seeds), beside what is reported."""
    return frames.overview(select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results).states)


def records(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each record: what was run, its scores (fractions; score[i][j] on experience j after i), their
    metrics, what it keeps and computes, its cost.

    Rows with the same settings in a scenario share their records, and each of them has its lines: group by `row` and
    `scenario` for the numbers of a table, or leave out what repeats a `run_id` to count each run once.
    """
    return frames.records(select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results).states)


def scores(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each score, as seaborn and `reporting.figures` like it: on test data of `experience`, `after`
    training on so many (from 1).

    `score` is a fraction, in tables of errors the error; `inferred` is how often the task of these samples was inferred
    right. What is known of a cell stands beside each of its scores: `method`, `reported` and more. What was not
    evaluated has no line. Rows share records as in `records`.
    """
    return frames.scores(select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results).states)


def cells(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each cell, as `reporting.figures` likes it: mean and SEM measured and reported, their difference
    with the interval that verdicts are read from, the mean and SEM of every metric, what methods keep and compute (as
    in `scores`), and what the cell is."""
    return frames.cells(select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results).states)


def verdicts(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> Report:
    """The report on the chosen cells, with a verdict on each that has a reported number. Raises UserError if none has,
    and for one without a margin."""
    from hnet_bench.reporting.cells import build_report

    chosen = select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results)
    if not any(cell.reported for cell in chosen.table.cells):
        raise UserError(
            f"Nothing to verify: no number is reported for the chosen cells of table '{chosen.table.name}'."
        )
    for cell in chosen.table.cells:
        if cell.reported and cell.reported.margin is None:
            if cell.shipped:
                raise UserError(f"No margin is declared for {cell.where}, as its report explains: choose other rows.")
            raise UserError(
                f"No margin is declared for {cell.where}: write one into its `reported`, in the table's unit, such as "
                "margin = 1.0, and do so before you look at the results."
            )
    return build_report(chosen.table, chosen.states, command=chosen.name)


def open_cells(report: Report, *, results: PathLike = "results") -> list[OpenCell]:
    """What the cells of `verdicts` wait for that are inconclusive or not run: the reason, how many seeds it takes, and
    what the records of `results` say that these cost."""
    from hnet_bench.reporting import open_cells as waiting
    from hnet_bench.runs.estimates import estimator, expects_gpu

    if not any(map(waiting.is_open, report.cells)):
        return []
    store = _store(Path(results), quiet=True)  # whoever made the report has heard
    # Where there is a GPU and no record of one, those of processors say more than nothing.
    devices = ("cuda", "cpu") if expects_gpu("auto") else ("cpu",)
    known = [estimator(store, one, folder=None, probe_unless=None, announce=warn) for one in devices]
    return waiting.open_cells(report, lambda spec: next((found for one in known if (found := one(spec))), None))


def verify(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each cell with a reported number: the verdict, the difference and its interval (fractions), the
    same beside the authors' code where somebody ran that, and what an open cell waits for (`open.reason`,
    `open.seeds` in all, `open.expected_seconds` of the `open.runs` that are missing)."""
    from pandas import json_normalize

    from hnet_bench.reporting.open_cells import OPEN_KEYS, judged_json

    report = verdicts(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results)
    decided = dict.fromkeys(OPEN_KEYS)
    return json_normalize(
        [
            {
                **{key: one[key] for key in ("row", "label", "scenario")},
                **one["verdict"],
                "authors_code": _without_nothing(one["authors_code"]),
                "open": one["open"] or decided,
            }
            for one in judged_json(report, open_cells(report, results=results))
        ]
    )


def _without_nothing(code: Settings | None) -> Settings:
    """What is said beside the authors' code but for its runs; no verdict is no column of its own."""
    return {key: value for key, value in (code or {}).items() if key != "runs" and value is not None}


def one_cell(
    table: PathLike, row: str, scenario: str, *, seeds: Seeds = None, results: PathLike = "results"
) -> CellState:
    """The cell behind one number. Raises UserError for names of several."""
    given.names(row, "row")
    given.names(scenario, "scenario")
    states = select(table, rows=row, scenarios=scenario, seeds=seeds, results=results).states
    if len(states) > 1:
        raise UserError(
            f"One number has one row and one scenario: '{row}' and '{scenario}' name {len(states)} cells of table "
            f"'{table}'."
        )
    return states[0]


def trace(table: PathLike, row: str, scenario: str, *, seeds: Seeds = None, results: PathLike = "results") -> DataFrame:
    """One line for each record behind a number: score, file, command, commit, versions, hardware, data."""
    from pandas import DataFrame, json_normalize

    from hnet_bench.reporting.provenance import traced

    found = traced(one_cell(table, row, scenario, seeds=seeds, results=results))
    if not found:
        return DataFrame(columns=["run_id", "seed", "file", "average", "code", "changed"])
    return json_normalize([one.to_json() for one in found], max_level=1)


# Runs


@dataclass(frozen=True, kw_only=True, repr=False)
class SweepResult:
    """What a sweep did, beside what is in the store now. Notebooks show it as `overview` does."""

    selection: Selection  # as it was found before
    todo: list[RunSpec]
    failed: list[RunSpec]
    left: list[RunSpec]  # for another sweep, when the time of this one was over
    begun: int  # of those that are left, with a checkpoint

    @property
    def records(self) -> DataFrame:
        """`api.records` of the chosen part."""
        return frames.records(self.selection.again().states)

    @property
    def overview(self) -> DataFrame:
        """`api.overview` of the chosen part."""
        return frames.overview(self.selection.again().states)

    def __repr__(self) -> str:
        done = len(self.todo) - len(self.failed) - len(self.left)
        return f"{count(done, 'run')} done, {len(self.failed)} failed, {len(self.left)} left\n\n{self.overview}"

    def _repr_html_(self) -> str:
        return str(self.overview.to_html())


def run(
    table: PathLike,
    *,
    rows: Names = None,
    scenarios: Names = None,
    seeds: Seeds = None,
    jobs: int | None = None,
    device: Device = "auto",
    gpu_slots: int | None = None,
    scheduler: str | None = None,
    slurm: PathLike | None = None,
    checkpoint_every: float = 120,
    logger: Names = None,
    logs: PathLike = "logs",
    results: PathLike = "results",
    data: PathLike | None = None,
    rerun_stale: bool = False,
    budget: str | None = None,
    stop_after: str | None = None,
    until_decided: bool = False,
    share: bool = True,
    quiet: bool = False,
) -> SweepResult:
    """Does the runs that have no record yet, shows how they go, and says how the sweep ended; if `quiet` it shows
    nothing but what fails. With `until_decided` only those that open cells take to their next look, look after look.

    The options are those of `hnet-bench run`. KeyboardInterrupt stops the sweep. Another call goes on where it was.
    Raises UserError if there is nothing that could be run, and if nothing advanced in the time of `stop_after`.
    """
    given.at_least(checkpoint_every, 0, "checkpoint_every")
    _require_extra_train()
    from hnet_bench.runs.cluster import Cluster
    from hnet_bench.runs.deadline import Deadline
    from hnet_bench.runs.engine import Options
    from hnet_bench.sweep import Sweep

    print_anything()
    cluster = Cluster(jobs=jobs, scheduler=scheduler, slurm=given.path(slurm), gpu_slots=gpu_slots)
    options = Options(
        device=given.device(device),
        folder=given.path(data),
        seconds_between_checkpoints=checkpoint_every,
        loggers=given.loggers(logger),
        logs=Path(logs),
        deadline=Deadline.after(given.seconds_of(stop_after)) if stop_after else None,
        share=share,
    )
    chosen = select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results, new=True)
    if rerun_stale:
        chosen = _renewing(chosen)
    for state in chosen.states:
        check_chosen(state.cell)
    sweep = Sweep(chosen=chosen, cluster=cluster, options=options, budget=budget, stop_after=stop_after, quiet=quiet)
    done = sweep.until_decided() if until_decided else sweep.all_runs()
    return SweepResult(selection=chosen, **vars(done))


@dataclass(frozen=True, kw_only=True)
class TuningResult:
    """What the trials of a table came to."""

    chosen: list[Tuned]
    failed: list[RunSpec]  # trials, without which nothing is chosen
    files: list[Path]  # that hold the choices
    stale: int = 0  # trials that other code made

    @property
    def frame(self) -> DataFrame:
        """One line for each trial of each cell: the values, what the rule makes of its scores, whether it is chosen."""
        from pandas import DataFrame

        return DataFrame(
            {
                **frames.named(one.cell),
                "rule": one.choice.search["rule"],
                **trial.values,
                "score": trial.score,
                "chosen": trial.values == one.choice.values,
            }
            for one in self.chosen
            for trial in one.choice.trials
        )


def tune(
    table: PathLike,
    *,
    rows: Names = None,
    scenarios: Names = None,
    rule: RuleName | None = None,
    jobs: int | None = None,
    device: Device = "auto",
    gpu_slots: int | None = None,
    scheduler: str | None = None,
    slurm: PathLike | None = None,
    checkpoint_every: float = 120,
    rerun_stale: bool = False,
    results: PathLike = "results",
    data: PathLike | None = None,
) -> TuningResult:
    """Does the trials of the rows that have a search, as `run` does runs, and writes what their rules choose into the
    file of choices beside the table, which `run` needs.

    With `rerun_stale` also those whose records other code made are done anew. With a `rule` it is said what that would
    choose, trials that it lacks are done, and no choice is written. Raises UserError if no row has a search.
    """
    _require_extra_train()
    from hnet_bench.runs.cluster import Cluster
    from hnet_bench.runs.engine import Options
    from hnet_bench.sweep import Sweep

    print_anything()
    cluster = Cluster(jobs=jobs, scheduler=scheduler, slurm=given.path(slurm), gpu_slots=gpu_slots)
    given.at_least(checkpoint_every, 0, "checkpoint_every")
    options = Options(
        device=given.device(device), folder=given.path(data), seconds_between_checkpoints=checkpoint_every
    )
    name, store = given.table_name(table), _store(Path(results))
    selected = _part(load_table(name), rows, scenarios)
    if rule:
        given.one_of(RULES, rule, f"rule '{rule}'")
    asked = searched(selected, rule)
    if not rule:
        _check_writable({cell.search.file for cell in asked.cells if cell.search}, "file of choices")
    failed: list[RunSpec] = []
    while not failed:  # what a sampler draws next depends on what came before
        trials, runs = trials_table(asked, store)
        states = table_state(trials, store, trials.seeds)
        _report_damage(states)
        stale = stale_files(states)
        writing = replace(store, renew=stale) if rerun_stale else store
        todo = [spec for spec in runs_to_do(states, writing) if spec.key in runs]
        if not todo:
            found = [Tuned(cell=cell, choice=chosen(cell, store)) for cell in asked.cells]
            files = {} if rule else files_of(found)
            _write(files, "file of choices")
            return TuningResult(chosen=found, failed=[], files=list(files), stale=len(stale))
        selection = Selection(name=name, table=trials, seeds=None, store=writing, states=states)
        Sweep(chosen=selection, cluster=cluster, options=options).do(todo)
        failed = [spec for spec in todo if not writing.has(spec)]
    return TuningResult(chosen=[], failed=failed, files=[])


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan:
    """What a sweep would do, and what it is expected to cost. Notebooks show its frame."""

    cells: list[CellCost]
    runs: int  # runs that several cells share count once
    total: Total
    jobs: int  # runs at a time
    elapsed: float  # seconds
    gpu: bool  # whether that is time of GPUs
    shared: int = 0  # trainings that runs are given by another
    saved: float = 0.0  # seconds of these: not in the total, but in what each cell would take alone
    stale: int = 0  # records that other code made, and that are not renewed

    @property
    def lines(self) -> list[Settings]:
        """One for each cell: what is done, what is to do, and the expected seconds of a run, with a range."""
        names = {"seconds": "seconds", "low": "seconds_low", "high": "seconds_high", "basis": "learned_from"}
        return [
            {
                **frames.named(cell.state.cell),
                "done": len(cell.state.records),
                "failed": len(cell.state.failed_seeds),
                "to_do": cell.todo,
                **{name: getattr(cell.estimate, field, None) for field, name in names.items()},
                **(cell.next.to_json() if cell.next else {}),
            }
            for cell in self.cells
        ]

    @property
    def frame(self) -> DataFrame:
        """The same as a frame."""
        from pandas import DataFrame

        return DataFrame(self.lines)

    def __repr__(self) -> str:
        from hnet_bench.reporting.plan_costs import sentence

        cost = sentence(self.total, runs=self.runs, elapsed=self.elapsed, jobs=self.jobs, gpu=self.gpu)
        return f"{cost if self.runs else 'Nothing to do.'}\n\n{self.frame}"

    def _repr_html_(self) -> str:
        return str(self.frame.to_html())


def plan(
    table: PathLike,
    *,
    rows: Names = None,
    scenarios: Names = None,
    seeds: Seeds = None,
    jobs: int | None = None,
    device: Device = "auto",
    gpu_slots: int | None = None,
    scheduler: str | None = None,
    slurm: PathLike | None = None,
    results: PathLike = "results",
    data: PathLike | None = None,
    probe: bool = False,
    rerun_stale: bool = False,
    until_decided: bool = False,
    share: bool = True,
) -> Plan:
    """What `run` would do with these options, and what that is expected to cost. With `probe` it trains for a few
    iterations what no record of its strategy tells of. With `until_decided` it is about the next look of each open
    cell, in the order in which `run` does them."""
    from hnet_bench.reporting.plan_costs import CellCost, total
    from hnet_bench.reporting.until_decided import check_seeds, next_looks, runs_of_looks
    from hnet_bench.runs.budget import finished_after, once

    _require_extra_train()
    from hnet_bench.runs.cluster import Cluster, runs_at_a_time
    from hnet_bench.runs.cost import BASES
    from hnet_bench.runs.estimates import estimator, expects_gpu

    cluster = Cluster(jobs=jobs, scheduler=scheduler, slurm=given.path(slurm), gpu_slots=gpu_slots)
    chosen = select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results, new=True)
    if rerun_stale:
        chosen = _renewing(chosen)
    # A probe would not improve on what records of the same strategy and benchmark tell.
    place, near = given.device(device), BASES[:2] if probe else None
    estimate = estimator(chosen.store, place, folder=given.path(data), probe_unless=near, announce=warn)
    if until_decided:
        check_seeds(chosen)
        looks = next_looks(chosen.states, chosen.store, estimate)
        todo = runs_of_looks(looks)
        cells = [CellCost(state=one.state, todo=len(one.runs), estimate=one.estimate, next=one) for one in looks]
    else:
        todo = runs_to_do(chosen.states, chosen.store)
        keys = Counter(spec.cell_key for spec in todo)
        lefts = [([state], state) for state in chosen.states]
        lefts += [([*state.repeats], repeats_together(state)) for state in chosen.states if state.repeats]
        cells = []
        for parts, state in lefts:
            left = sum(keys[one.spec.cell_key] for one in parts if one.spec)
            with naming(state.cell.where):
                cost = estimate(state.spec) if state.spec and left else None
            cells.append(CellCost(state=state, todo=left, estimate=cost))
    shared = once(todo, chosen.store) if share else None
    estimates = [shared.add(spec, estimate(spec)) if shared else estimate(spec) for spec in todo]
    workers = runs_at_a_time(cluster, len(todo), place)
    return Plan(
        cells=cells,
        runs=len(todo),
        total=total(estimates),
        jobs=workers,
        elapsed=finished_after([one.seconds for one in estimates if one], workers),
        gpu=expects_gpu(place),
        shared=shared.taken if shared else 0,
        saved=shared.saved if shared else 0.0,
        stale=0 if rerun_stale else len(stale_files(chosen.states)),
    )


def _require_extra_train() -> None:
    """Raises UserError where what runs need beside reports is not installed."""
    for name in ("torch", "torchvision", "avalanche", "distributed"):
        if find_spec(name) is None:
            raise UserError(f"This needs {name}, which is not installed: pip install hnet_bench[train].")


def rerun(
    run: PathLike,
    *,
    results: PathLike = "results",
    data: PathLike | None = None,
    device: Device | None = None,
    tolerance: float | None = None,
) -> Repetition:
    """Repeats a run, given by its run id or file: `verdict` is "identical", "within tolerance" or "different", `found`
    says how far its scores are from those of the record. Stores nothing.

    `tolerance` is the fraction by which any score may differ (default: that of the command line, 0.02).
    """
    given.at_least(tolerance, 0, "tolerance")
    _require_extra_train()
    from hnet_bench.reporting.progress import Watcher
    from hnet_bench.reporting.terminal import console
    from hnet_bench.runs import repeat
    from hnet_bench.runs.compare import TOLERANCE, compare

    path = repeat.find(str(run), _store(_existing(results)))
    record = read_record(path)
    spec = repeat.spec_of(record, path)
    errors = spec.build_benchmark().facts.problem_type == "regression"
    where = given.device(device) if device else "cpu" if record.provenance.get("device", "cpu") == "cpu" else "cuda"
    name = f"{spec.strategy} {spec.scenario.label} seed {spec.seed}"
    say(f"Repeating {spec.strategy} on {spec.benchmark} in {spec.scenario.label} with seed {spec.seed} ...")
    with Watcher({spec.key: name}, console()) as watcher:
        again = repeat.repeat(spec, name=name, device=where, folder=given.path(data), hear=watcher)
    found = compare(record, again, TOLERANCE if tolerance is None else tolerance, errors=errors)
    return repeat.Repetition(path=path, spec=spec, record=record, again=again, found=found, errors=errors)


def draw_records(number: int, *, seed: int = 0, results: PathLike = "results") -> list[Path]:
    """Files of so many records, drawn at random: what `rerun` may be given. The same seed draws the same."""
    from hnet_bench.runs import repeat

    given.at_least(number, 1, "number", whole=True)
    given.at_least(seed, 0, "seed", whole=True)
    return repeat.draw(number, seed, _store(_existing(results)))


def merge(other: PathLike, *, results: PathLike = "results", sha256: str | None = None) -> Merged:
    """Adds the records of another results folder, or of an archive of one: how many came, what conflicts, what is
    damaged.

    An archive is a zip, such as the wheel of the records of this release; others need the SHA-256 of the file. Nothing
    in it is executed.
    """
    from hnet_bench.runs import merge

    if not os.path.isfile(other):
        if sha256 is not None:
            raise UserError(
                f"{other} is no file: expected an archive, since --sha256 is given. A folder has no such sum."
            )
        return merge.merge(Path(other), Path(results))
    with TemporaryDirectory() as folder:
        unpack(Path(other), Path(folder), sha256)
        return merge.merge(Path(folder), Path(results))


# Files


@dataclass(frozen=True, kw_only=True)
class Reports:
    """What reports were written or checked."""

    made: list[Report] = field(repr=False)
    files: list[Path]  # in the order of the reports; then those of all tables
    problems: list[str]  # of a check: what is not as the records give it


def report(
    *tables: PathLike,
    results: PathLike = "results",
    reports: PathLike = "reports",
    html: bool = False,
    check: bool = False,
) -> Reports:
    """Writes the reports of these tables, with `html` a page of each; with `check` it writes nothing, and says what is
    not as the records give it.

    Without a table it is about all that ship with the package and have records, but those for trying things out, and
    about documents beside the folder of the reports that ask for results.
    """
    from hnet_bench.reporting.cells import build_report
    from hnet_bench.reporting.documents import documents
    from hnet_bench.reporting.figures.kept import NOTES, figures_of
    from hnet_bench.reporting.figures.page import Subject
    from hnet_bench.reporting.report_files import OWNERS, differing, outdated, owners, render, stale

    print_anything()
    folder, store = Path(reports), _store(_existing(results))
    if check and not os.path.isdir(folder):
        raise UserError(f"There is no folder of reports {folder}, and so nothing to check.")
    asked = [given.table_name(table) for table in tables]
    loaded = {name: load_table(name) for name in asked or table_names()}
    # Large ones first: that is how they are listed, and their figures take longest.
    names = asked or sorted((n for n, one in loaded.items() if not one.trial), key=lambda n: -len(loaded[n].cells))
    built = [build_report(loaded[name], _states(loaded[name], store), command=name) for name in names]
    made = [one for one in built if asked or one.measured]
    note = owners(folder, {one.command: one.name for one in made})  # before anything is drawn for nothing
    for one in made:
        _report_damage(list(one.cells))
    subjects = [Subject(table=one.table, states=one.cells, command=one.command) for one in made if one.measured]
    drawn, kept = figures_of(subjects, folder, check=check)
    files = render(made, drawn, listed=built if made and not asked else None, pages=bool(asked) and html)
    beside = {} if asked else documents(made, folder, records=store.root)
    of_tables, problems = [one.name for one in made], []
    if check:
        trials = [] if asked else [name for name, table in loaded.items() if table.trial]
        # A page of one table is there for whoever asked for it.
        ignored = [] if html or not asked else [f"{name}.html" for name in of_tables]
        problems = stale(files, folder, ours=of_tables if asked else None, others=trials, ignored=ignored)
        problems += [problem for path, content in beside.items() if (problem := differing(path, content))]
    else:
        hidden = {NOTES: kept, OWNERS: note} if made else {}
        _write({**{folder / name: content for name, content in {**files, **hidden}.items()}, **beside}, "report")
        for path in outdated(files, folder, of_tables):
            path.unlink()
    return Reports(made=made, files=[*(folder / name for name in files), *beside], problems=problems)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Figures that were drawn."""

    files: list[Path]
    records: int  # that they show
    empty: bool = False  # whether one of them says what to run, since there is nothing to show


def figures(
    table: PathLike,
    *,
    rows: Names = None,
    scenarios: Names = None,
    kinds: Names = None,
    results: PathLike = "results",
    reports: PathLike = "reports",
    formats: Names = "svg",
    width: float | None = None,
    font_size: float | None = None,
    title: str | None = None,
    caption: str | None = None,
) -> Figures:
    """Draws the figures of a table, or those of these `kinds`, into REPORTS/TABLE.svg and REPORTS/TABLE.KIND.svg.

    `width` is in inches, from 2 to 50, `font_size` in points, from 4 to 40; an empty `title` or `caption` leaves it
    out.
    For figures on axes of your own see `hnet_bench.reporting.figures`.
    """
    from hnet_bench.reporting.figures.layout import encode
    from hnet_bench.reporting.figures.page import Subject, pages
    from hnet_bench.reporting.report_files import OWNERS, owners

    given.at_least(width, 2, "width", most=50)
    given.at_least(font_size, 4, "font_size", most=40)
    suffixes = dict.fromkeys(
        given.one_of(FORMATS, text.lower(), f"format '{text.lower()}'")
        for text in given.names(formats, "formats") or ["svg"]
    )
    asked = given.names(kinds, "kinds")
    chosen = [given.one_of(KINDS, text, f"kind of figure '{text}'") for text in asked or KINDS]
    folder = Path(reports)
    found = select(table, results=results)
    note = owners(folder, {found.name: found.table.name})
    only = given.scenarios(scenarios)
    chosen_rows = _part(found.table, rows, scenarios).rows if rows or only else None
    labels = [scenario.label for scenario in only] or None
    subject = Subject(table=found.table, states=found.states, command=found.name, rows=chosen_rows, scenarios=labels)
    texts: Any = {name: text for name, text in (("heading", title), ("caption", caption)) if text is not None}
    shown = {kind: replace(page, **texts) for kind, page in pages(subject, chosen).items()}
    empty = [kind for kind in chosen if asked and kind not in shown]
    if empty:
        there = f"the chosen cells of table '{found.table.name}'"
        what = "this kind shows" if len(empty) == 1 else "these kinds show"
        told = f"Nothing to draw for {', '.join(empty)}: {there} have nothing that {what}."
        if not shown:
            raise UserError(told)
        warn(told)
    files = {
        folder / file_name(found.table.name, kind, suffix): encode(page, suffix, width=width, font_size=font_size)
        for kind, page in shown.items()
        for suffix in suffixes
    }
    _write({**files, folder / OWNERS: note}, "figure")
    records = sum(len(state.records) for state in found.states if subject.shows(state.cell))
    return Figures(files=list(files), records=records, empty=any(page.empty for page in shown.values()))


def latex(
    table: PathLike,
    *,
    rows: Names = None,
    scenarios: Names = None,
    seeds: Seeds = None,
    results: PathLike = "results",
    spread: Spread = "sem",
    bold: Bold = "best",
    reported: bool = True,
    caption: str | None = None,
    label: str | None = None,
) -> str:
    r"""A table for a paper, as LaTeX: rows by scenarios in one float, which `\input` takes and which needs booktabs.

    Behind each mean stands its standard error, with `spread="sd"` the standard deviation over seeds. Bold is the best
    of the chosen rows in each scenario, with `bold="tied"` also what cannot be told from it. `caption` and `label` are
    LaTeX. Raises UserError if none of the cells has a record.
    """
    from hnet_bench.reporting.cells import build_report
    from hnet_bench.reporting.paper_table import paper_table

    spread = given.one_of(get_args(Spread), spread, f"spread {spread!r}")
    bold = given.one_of(get_args(Bold), bold, f"choice of what is bold, {bold!r}")
    chosen = select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results)
    report = build_report(chosen.table, chosen.states, command=chosen.name)
    if not report.measured:
        raise UserError(f"No chosen cell of table '{chosen.table.name}' has a record in {results}.")
    return paper_table(report, spread=spread, bold=bold, reported=reported, caption=caption, label=label)


# A strategy of your own


def new(name: str) -> list[Path]:
    """Begins a strategy: NAME.py, which works, and NAME.toml, which compares it, in the current folder."""
    files = {Path(file): text.encode() for file, text in first_files(name).items()}
    for path in files:
        if path.exists():
            raise UserError(f"There is a file {path} here already, and it is left as it is: choose another name.")
    if name in catalog.names("strategies"):
        raise UserError(f"There is a strategy '{name}' already: choose another name.")
    _write(files, "file")
    return list(files)


def check(
    name: str,
    settings: Settings | None = None,
    *,
    network: NetworkName = "mlp",
    on_finding: OnFinding | None = None,
) -> DataFrame:
    """One line for each thing that a strategy or a benchmark must do, in each scenario; `problem` is None where it
    does. A strategy is asked on the synthetic benchmark, with this network; a benchmark with all its data.

    It is checked in a process of its own, so that whatever it does there reaches nothing else. As soon as a line is
    known `on_finding` is called with it: what is asked, the scenario (None if it concerns the class) and the problem.
    Raises UserError if the process comes to no end.
    """
    from pandas import DataFrame

    lines = []

    def hear(finding: tuple[str, str | None, str | None]) -> None:
        lines.append(finding)
        if on_finding:
            on_finding(*finding)

    _require_extra_train()
    kind = catalog.kind_of(name)
    if kind is None:
        every = [*strategies(), *benchmarks()]
        raise UserError(
            f"There is no strategy or benchmark '{name}': known are {', '.join(every)}, or give path.py:Class."
            f"{did_you_mean(name, every)}"
        )
    if kind == "benchmarks" and network != "mlp":
        raise UserError(f"A network is for the check of a strategy, and {name} is a benchmark.")
    catalog.build(kind, name, settings or {}, where="the settings")
    try:
        in_own_process(_examine, kind, name, settings or {}, network, hear=hear)
    except Died as death:
        raise UserError(f"The check of {name} came to no end: {death}.") from death
    found = DataFrame(lines, columns=["check", "scenario", "problem"])
    return found.assign(passed=found.problem.isna())


OnFinding: TypeAlias = "Callable[[str, str | None, str | None], None]"


def _examine(
    kind: catalog.Kind, name: str, settings: Settings, network: NetworkName, hear: Callable[[Any], None]
) -> None:
    with quiet_libraries():
        from hnet_bench.conformance.kit import benchmark_conformance, conformance

        benchmarks = kind == "benchmarks"
        for finding in benchmark_conformance(name, settings) if benchmarks else conformance(name, settings, network):
            hear((finding.check, finding.scenario and finding.scenario.label, finding.problem))


# What several verbs do


def _existing(results: PathLike) -> Path:
    # The folder that nobody named need not be there yet; a name that was given and is not there is a slip.
    if Path(results) != Path("results") and not os.path.isdir(results):  # also of a folder that may not be looked into
        raise UserError(f"There is no results folder {results}.")
    return Path(results)


def _part(table: Table, rows: Names, scenarios: Names) -> Table:
    """The chosen part of a table; it is said which of the rows that were named are not in it."""
    named, only = given.names(rows, "rows"), given.scenarios(scenarios)
    part = table.select(named, only or None)
    for row in dict.fromkeys(named or ()):
        if row not in part.rows:
            warn(f"Left out: row '{row}' has no cell in {', '.join(one.label for one in only)}.")
    return part


def _store(results: Path, *, quiet: bool = False) -> Store:
    """A results folder, with the records behind it that are installed; unless `quiet` it is said why these do not
    count."""
    try:
        return Store(results, shipped=installed_records())
    except UserError as error:
        if not quiet:
            warn(str(error))
        return Store(results)


def _renewing(chosen: Selection) -> Selection:
    """The same, whose stale records do not count as done."""
    return replace(chosen, store=replace(chosen.store, renew=stale_files(chosen.states)))


def _states(table: Table, store: Store, seeds: tuple[int, ...] | None = None) -> list[CellState]:
    """What a store holds of each cell. Raises UserError as `resolve` does."""
    # A sweep of hours must not end in a report that cannot be made.
    check_kinds(table.figures, table.name)
    for cell in table.cells:
        if cell.search:
            if cell.search.problem:
                check_chosen(cell)
            check_search(cell)
            check_trials(cell)
        check_unit(cell)
    return table_state(table, store, seeds)


def _report_damage(states: list[CellState]) -> None:
    """Names on stderr each file that does not count although it stands in the place of a record, each archive that is
    lost, and each conflict."""
    for one in dict.fromkeys(one for state in states for one in state.damaged):
        # Another run takes the place of a file, but not of a folder.
        advice = " To do that run again: hnet-bench run." if one.path.suffix == ".json" and not one.newer else ""
        warn(f"{'Newer' if one.newer else 'Damaged'}, not counted: {one.problem}{advice}")
    for one in dict.fromkeys(one for state in states for one in state.lacking):
        warn(f"Arrays lost: {one.problem} To do that run again: hnet-bench run.")
    for path in dict.fromkeys(path for state in states for path in state.conflicts):
        warn(f"Conflict, not counted: {path} has other scores than the record that counts.")


def _check_writable(files: set[Path], what: str) -> None:
    """Raises UserError for a file that could not be written once its content is known."""
    for path in sorted(files):
        probe = path.with_name(f".{path.name}.probe")
        try:
            write_atomically(probe, b"")
            probe.unlink()
        except OSError as error:
            raise UserError(f"The {what} {path} cannot be written: {error.strerror}.") from error


def _write(files: dict[Path, bytes], what: str) -> None:
    for path, content in files.items():
        try:
            if not path.is_file() or path.read_bytes() != content:  # to wait for the disk takes longer than to read
                write_atomically(path, content)
        except OSError as error:
            raise UserError(f"The {what} {path} cannot be written: {error.strerror}.") from error
