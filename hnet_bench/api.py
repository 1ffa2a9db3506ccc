"""Every verb of the command line as a function, for notebooks and scripts: what is printed there is returned here.

    from hnet_bench import api

    api.run("quick")
    api.records("quick").groupby(["row", "scenario"]).average_accuracy.agg(["mean", "sem"])

`row` is in every frame what the command line calls a row, `label` how tables print it.

Tables are named as on the command line: one that ships with the package, or a TOML file of yours. `rows`, `scenarios`
and `seeds` choose a part of it: a name or a list of names; a seed, a list of seeds or a range such as "1-5". All
functions raise `UserError`, a sentence, for what the caller can mend.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hnet_bench import api_arguments as given
from hnet_bench import catalog
from hnet_bench.api_arguments import Device, Names, PathLike, Seeds
from hnet_bench.commands import options
from hnet_bench.commands.extend import examine
from hnet_bench.interfaces import Scenario, Settings, UserError
from hnet_bench.metrics import average_accuracy, backward_transfer, during_accuracy, forgetting
from hnet_bench.papers.table import Table, table_names
from hnet_bench.runs.plan import CellState, runs_to_do
from hnet_bench.runs.record import Record
from hnet_bench.runs.store import Store

if TYPE_CHECKING:
    from pandas import DataFrame

    from hnet_bench.runs.compare import Comparison
    from hnet_bench.runs.merge import Merged


def tables() -> list[str]:
    """Names of the tables that ship with the package."""
    return list(table_names())


def strategies() -> list[str]:
    """Names of the strategies, those of plug-ins included."""
    return list(catalog.names("strategies"))


def benchmarks() -> list[str]:
    """Names of the benchmarks, those of plug-ins included."""
    return list(catalog.names("benchmarks"))


def run(
    table: PathLike,
    *,
    rows: Names = None,
    scenarios: Names = None,
    seeds: Seeds = None,
    jobs: int | None = None,
    device: Device = "auto",
    results: PathLike = "results",
    data: PathLike | None = None,
    **more: Any,
) -> DataFrame:
    """Does the runs that have no record yet, shows how they go, and returns the records of the chosen part.

    `more` are the other options of `hnet-bench run`: gpu_slots, scheduler, slurm, checkpoint_every, logger, logs,
    rerun_stale, budget, stop_after. Runs that failed are printed, and are not among the records; so is what was left
    after the time of `stop_after`, such as "9m". KeyboardInterrupt stops the sweep. Another call goes on where it was.
    """
    import typer

    from hnet_bench.commands import sweep

    options.print_anything()
    try:
        sweep.run(
            given.table_name(table),
            rows=given.names(rows, "rows"),
            scenarios=given.names(scenarios, "scenarios"),
            seeds=given.seeds_option(seeds),
            jobs=jobs,
            device=given.device(device),
            results=Path(results),
            data=given.path(data),
            **_more(more),
        )
    except typer.Exit as stopped:
        if stopped.exit_code == sweep.INTERRUPTED:
            raise KeyboardInterrupt from None
    return records(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results)


def status(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each cell: runs done, failed, planned, stale, mean and SEM measured and reported (fractions), and
    the verdict."""
    from pandas import DataFrame

    from hnet_bench.reporting.model import status_of

    lines = []
    for state in _states(table, rows, scenarios, seeds, results):
        line = status_of(state)
        reported = line.pop("reported") or {}
        lines.append(
            {
                **_cell(state),
                **line,
                **{f"reported_{key}": reported.get(key) for key in ("mean", "spread", "n", "known")},
            }
        )
    return DataFrame(lines)


def records(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each record: what was run, its scores (fractions; score[i][j] on experience j after i), its cost.

    Rows with the same settings in a scenario share their records, and each of them has its lines: group by `row` and
    `scenario` for the numbers of a table, or leave out what repeats a `run_id` to count each run once.
    """
    from pandas import DataFrame

    store = Store(Path(results))
    states = _states(table, rows, scenarios, seeds, results)
    lines = [_record_line(state, record, store) for state in states for record in state.records]
    return DataFrame(lines, columns=list(lines[0]) if lines else _RECORD_COLUMNS)


def scores(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each score, as seaborn and `reporting.figures` like it: on test data of `experience`, `after`
    training on so many (from 1).

    `score` is a fraction, in tables of errors the error; `inferred` is how often the task of these samples was inferred
    right. What is known of a cell stands beside each of its scores: `method`, `reported` and more. What was not
    evaluated has no line. Rows share records as in `records`.
    """
    from hnet_bench.reporting.frames import scores as scores_of

    return scores_of(_states(table, rows, scenarios, seeds, results))


def plan(
    table: PathLike,
    *,
    rows: Names = None,
    scenarios: Names = None,
    seeds: Seeds = None,
    device: Device = "auto",
    results: PathLike = "results",
    data: PathLike | None = None,
    probe: bool = False,
) -> DataFrame:
    """One line for each cell: what is done, what `run` would do, and the expected seconds of a run, with a range."""
    from pandas import DataFrame

    from hnet_bench.commands.plan import NEAR, estimator

    store = Store(Path(results))
    states = _states(table, rows, scenarios, seeds, results)
    todo = [spec.cell_key for spec in runs_to_do(states, store)]
    estimate = estimator(store, given.device(device), folder=given.path(data), probe_unless=NEAR if probe else None)
    lines = []
    for state in states:
        left = todo.count(state.spec.cell_key) if state.spec else 0
        cost = estimate(state.spec) if state.spec and left else None
        lines.append(
            {
                **_cell(state),
                "done": len(state.records),
                "failed": len(state.failed_seeds),
                "to_do": left,
                "seconds": cost.seconds if cost else None,
                "seconds_low": cost.low if cost else None,
                "seconds_high": cost.high if cost else None,
                "learned_from": cost.basis if cost else None,
            }
        )
    return DataFrame(lines)


def verify(
    table: PathLike, *, rows: Names = None, scenarios: Names = None, seeds: Seeds = None, results: PathLike = "results"
) -> DataFrame:
    """One line for each cell with a reported number: the verdict, the difference and its 90 % interval (fractions)."""
    from pandas import DataFrame, json_normalize

    from hnet_bench.reporting.data_files import cell_json
    from hnet_bench.reporting.model import build_report

    states = _states(table, rows, scenarios, seeds, results)
    chosen, name = _selected(table, rows, scenarios), given.table_name(table)
    cells = [cell_json(cell) for cell in build_report(chosen, states, command=name).cells if cell.verdict]
    found = json_normalize(
        [{**{key: one[key] for key in ("row", "label", "scenario")}, **one["verdict"]} for one in cells]
    )
    return found if cells else DataFrame(columns=_VERDICT_COLUMNS)


def report(
    *names: PathLike, results: PathLike = "results", reports: PathLike = "reports", check: bool = False
) -> list[Path]:
    """Writes the reports of these tables, or of all that have records; the files that are there then, but hidden ones.

    With `check` it writes nothing and raises UserError if a file is not what the records give.
    """
    import typer

    from hnet_bench.commands.report import report as write
    from hnet_bench.reporting.render import belongs

    options.print_anything()
    try:
        write(
            [given.table_name(name) for name in names] or None,
            check=check,
            results=Path(results),
            reports=Path(reports),
        )
    except typer.Exit:
        raise UserError(f"Reports in {reports} are not what the records in {results} give, as printed.") from None
    files = sorted(path for path in Path(reports).rglob("[!.]*") if path.is_file())
    tables = [Path(name).stem for name in names]
    return [path for path in files if not tables or any(belongs(path.name, table) for table in tables)]


def trace(table: PathLike, row: str, scenario: str, *, seeds: Seeds = None, results: PathLike = "results") -> DataFrame:
    """One line for each record behind a number: score, file, command, commit, versions, hardware, data."""
    from pandas import DataFrame, json_normalize

    from hnet_bench.reporting.trace import Traced

    store = Store(Path(results))
    (state,) = _states(table, [row], [scenario], seeds, results)
    found = [
        Traced(
            record=record,
            path=store.path(state.spec.with_seed(record.spec["seed"])),
            freshness=fresh,
        )
        for record, fresh in zip(state.records, state.freshness, strict=True)
        if state.spec
    ]
    return json_normalize([one.to_json() for one in found], max_level=1) if found else DataFrame(columns=_TRACE_COLUMNS)


def rerun(
    run_id: str,
    *,
    results: PathLike = "results",
    data: PathLike | None = None,
    device: Device | None = None,
    tolerance: float | None = None,
) -> Comparison:
    """Repeats a run and compares: `verdict` is "identical", "within tolerance" or "different". Stores nothing.

    `tolerance` is the fraction by which any score may differ (default: that of the command line, 0.02).
    """
    from hnet_bench.commands.rerun import repeat
    from hnet_bench.runs.compare import TOLERANCE

    return repeat(run_id, Path(results), given.path(data), device, TOLERANCE if tolerance is None else tolerance).found


def merge(other: PathLike, *, results: PathLike = "results") -> Merged:
    """Adds the records of another results folder: how many came, what conflicts, what is damaged."""
    from hnet_bench.runs.merge import merge as merge_stores

    Store(Path(results)).check_writable()
    return merge_stores(Path(other), Path(results))


def check(strategy: str, **hyperparameters: Any) -> DataFrame:
    """What `hnet-bench check` asks of a strategy; `problem` is None where it passes."""
    from pandas import DataFrame

    catalog.build("strategies", strategy, hyperparameters, where="the check")
    lines = []

    def note(check: str, scenario: Scenario | None, problem: str | None) -> None:
        label = scenario.label if scenario else None
        lines.append({"check": check, "scenario": label, "passed": problem is None, "problem": problem})

    examine(strategy, hyperparameters, "mlp", note)
    return DataFrame(lines)


def _states(table: PathLike, rows: Names, scenarios: Names, seeds: Seeds, results: PathLike) -> list[CellState]:
    selected = _selected(table, rows, scenarios)
    states = options.cell_states(selected, given.table_name(table), Store(Path(results)), given.seeds(seeds))
    options.report_damage(states)
    return states


def _selected(table: PathLike, rows: Names, scenarios: Names) -> Table:
    return options.select(given.table_name(table), given.names(rows, "rows"), given.names(scenarios, "scenarios"))


def _more(more: dict[str, Any]) -> dict[str, Any]:
    """The other options of `run`, as the command line has them."""
    paths: dict[str, Any] = {name: given.path(more[name]) for name in ("logs", "slurm") if name in more}
    return {**more, **paths, "logger": given.names(more.get("logger") or None, "logger")}


def _cell(state: CellState) -> Settings:
    """The first columns of every frame: `row` names a row on the command line, `label` is how tables print it."""
    cell = state.cell
    return dict(zip(_CELL_COLUMNS, (cell.table, cell.row, cell.label, cell.scenario.label), strict=True))


def _record_line(state: CellState, record: Record, store: Store) -> Settings:
    spec = record.spec
    inferred = record.task_inference
    assert state.spec is not None  # there is a record of it
    return {
        **_cell(state),
        "strategy": spec["strategy"]["name"],
        "benchmark": spec["benchmark"]["name"],
        "seed": spec["seed"],
        "run_id": record.run_id,
        "average_accuracy": average_accuracy(record.score),
        "during_accuracy": during_accuracy(record.score),
        "backward_transfer": backward_transfer(record.score),
        "forgetting": forgetting(record.score),
        "task_inference": average_accuracy(inferred) if inferred else None,
        "trained_parameters": record.parameters["trained"],
        "compression_ratio": record.parameters["compression_ratio"],
        "seconds": record.seconds["total"],
        "stale": spec["seed"] in state.stale_seeds,
        "score": record.score,
        "settings": spec,
        "file": store.path(state.spec.with_seed(spec["seed"])),
    }


# fmt: off
_CELL_COLUMNS = ("table", "row", "label", "scenario")
_RECORD_COLUMNS = [
    *_CELL_COLUMNS, "strategy", "benchmark", "seed", "run_id", "average_accuracy", "during_accuracy",
    "backward_transfer", "forgetting", "task_inference", "trained_parameters", "compression_ratio", "seconds",
    "stale", "score", "settings", "file",
]
_VERDICT_COLUMNS = [
    "row", "label", "scenario", "outcome", "margin", "seeds", "difference", "interval_low", "interval_high",
    "p_reproduced", "seeds_if_equal", "seeds_if_observed", "reported_exactly", "known",
]
# Without those that are named after data sets.
_TRACE_COLUMNS = [
    "run_id", "seed", "file", "average", "code", "changed", "revisions.strategy", "revisions.benchmark",
    "revisions.protocol", "provenance.commit",
    "provenance.dirty", "provenance.code_sha256", "provenance.strategy_sha256",
    "provenance.command", "provenance.started", "provenance.finished", "provenance.device", "provenance.cpu",
    "provenance.threads", "provenance.matrix_products", "provenance.cpu_capability",
    "provenance.switches", "provenance.platform", "provenance.versions",
    "provenance.resumes",
]
# fmt: on
