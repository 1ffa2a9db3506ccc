"""The command line, `hnet-bench`: the only file that reads argv.

What is imported here at the top loads neither torch nor Avalanche; `run` imports the engine when there is work to do.
Exit codes: 0 success, 1 some runs failed, 2 something the user can mend (one sentence on stderr), 130 interrupted.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from hnet_bench import __version__, catalog
from hnet_bench.arguments import SEVERAL, chosen_seeds, expand, hyperparameters_of, split_values
from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.papers.table import Table, is_shipped, load_table, table_names
from hnet_bench.runs.plan import CellState, runs_to_do, table_state
from hnet_bench.runs.spec import RunSpec, cell_spec, resolve_cell
from hnet_bench.runs.store import Store, write_atomically
from hnet_bench.scaffold import class_name_of, first_files

_INTERRUPTED = 130  # what shells report of a process that SIGINT ended
# Typer keeps the class of all usage errors to itself.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

TableName = Annotated[
    str, typer.Argument(metavar="TABLE", help="A name that `hnet-bench list` shows, or a file of your own, name.toml.")
]
Rows = Annotated[list[str] | None, typer.Option(metavar="ROW...", help="Only these rows of the table.")]
Scenarios = Annotated[list[str] | None, typer.Option(metavar="CL1|CL2|CL3...", help="Only these scenarios.")]
Seeds = Annotated[
    list[str] | None, typer.Option(metavar="RANGE", help="Seeds, such as 1-5 or 1-3,7. Default: those of the table.")
]
Results = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the records.")]
Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the data sets. Default: $HNET_BENCH_DATA, else your cache folder."),
]


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code; `argv` is what follows the program's name."""
    arguments = sys.argv[1:] if argv is None else argv
    command = typer.main.get_command(app)
    try:
        code = command.main(expand(arguments) or ["--help"], prog_name="hnet-bench", standalone_mode=False)
    except UserError as error:
        return _fail(str(error))
    except _UsageError as error:
        return _fail(error.format_message(), _advice(error, arguments))
    except typer.Abort:
        return _INTERRUPTED
    return code if isinstance(code, int) else 0


@app.callback(invoke_without_command=True)
def _program(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Benchmarks and reproducible comparisons for continual learning with hypernetworks.

    A [bold]table[/bold] has rows of strategies in the scenarios CL1 (task), CL2
    (domain) and CL3 (class), and what a paper reports for each.
    Every finished run leaves one record below results/.

    [bold]Begin with[/bold] hnet-bench run quick
    """
    if version:
        typer.echo(f"hnet-bench {__version__}")


@app.command()
def run(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Seeds = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, metavar="N", help="Runs at a time. Default: number of cores.")
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to train.")] = "auto",
    results: Results = Path("results"),
    data: Data = None,
) -> None:
    """Do the runs of a table that have no record yet.

    Finished runs are never repeated: after an interruption or a failure,
    the same command does what is left.

    [bold]Examples[/bold]

    hnet-bench run quick

    hnet-bench run von_oswald_2020_table_1 --rows split_hnet_ent --scenarios CL1 CL3 --seeds 1-5 -j 4

    hnet-bench run my_table.toml --device cuda
    """
    selected = _select(table, rows, scenarios)
    chosen = chosen_seeds(seeds)
    store = Store(results)
    states = _states(selected, table, store, chosen)
    _report_missing(states)
    if all(state.spec is None for state in states):
        raise UserError(f"Nothing to run: no strategy of the chosen cells of table '{selected.name}' exists yet.")
    todo = runs_to_do(states, store)
    if not todo:
        typer.echo(f"Nothing to do: all {_planned_runs(states)} runs of {selected.name} are done.")
        return
    try:
        failed = _sweep(todo, states, store, jobs=jobs, device=device, folder=data)
    except KeyboardInterrupt:
        done = sum(store.has(spec) for spec in todo)
        typer.echo(
            f"Interrupted: {done} of {_count(len(todo), 'run')} finished, and their records are kept in {results}; "
            "the same command does the rest.",
            err=True,
        )
        raise typer.Exit(_INTERRUPTED) from None
    _print_results(selected, _states(selected, table, store, chosen))
    place = "" if results == Path("results") else f" --results {results}"
    typer.echo(f"For the page with all details: hnet-bench report {table}{place}")
    if failed:
        raise typer.Exit(1)


@app.command()
def status(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Seeds = None,
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one object per cell.")] = False,
) -> None:
    """Show how many runs of a table are done, and what they measured.

    With --seeds only these seeds count; without, every seed that has a record does.

    [bold]Examples[/bold]

    hnet-bench status von_oswald_2020_table_1 --scenarios CL3

    hnet-bench status quick --json
    """
    selected = _select(table, rows, scenarios)
    states = _states(selected, table, Store(results), chosen_seeds(seeds))
    if as_json:
        typer.echo(json.dumps([state.to_json() for state in states], indent=2))
    else:
        _print_results(selected, states)


@app.command()
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
    states = _states(loaded, table, Store(results))
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
    _print_results(loaded, states)
    typer.echo(f"Written to {' and '.join(str(reports / name) for name in files)}")


@app.command("list")
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


@app.command("data")
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


@app.command()
def new(name: Annotated[str, typer.Argument(metavar="NAME", help="Such as my_method.")]) -> None:
    """Begin a strategy of your own: NAME.py, which works, and NAME.toml, which compares it.

    [bold]Example[/bold]

    hnet-bench new my_method
    """
    files = first_files(name)
    for file in files:
        if Path(file).exists():
            raise UserError(f"There is a file {file} here already, and it is left as it is: choose another name.")
    if name in catalog.names("strategies"):
        raise UserError(f"There is a strategy '{name}' already: choose another name.")
    for file, text in files.items():
        try:
            write_atomically(Path(file), text.encode())
        except OSError as error:
            raise UserError(f"The file {file} cannot be written: {error.strerror}.") from error
    typer.echo(f"Written: {' and '.join(files)}. Next:")
    typer.echo(f"  hnet-bench check {name}.py:{class_name_of(name)}")
    typer.echo(f"  hnet-bench run {name}.toml")


@app.command()
def check(
    strategy: Annotated[
        str, typer.Argument(metavar="STRATEGY", help="A name that `hnet-bench list` shows, or my.py:MyStrategy.")
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE...", help="Hyperparameters, values as in TOML.")
    ] = None,
) -> None:
    """Check that a strategy trains, repeats, resumes and does not cheat.

    On a synthetic benchmark, in every scenario that it declares; in seconds.

    [bold]Examples[/bold]

    hnet-bench check hnet_ent

    hnet-bench check my.py:MyStrategy --set strength=10.0 'widths=[5, 5]'
    """
    hyperparameters = hyperparameters_of(settings)
    catalog.build("strategies", strategy, hyperparameters, where="the check")
    from hnet_bench.reporting.terminal import print_finding

    findings = []
    with warnings.catch_warnings(record=True):  # those of Avalanche and what it imports are not the user's
        from hnet_bench.conformance.kit import conformance

        for finding in conformance(strategy, hyperparameters):
            print_finding(finding.check, finding.scenario.label if finding.scenario else "", finding.problem)
            findings.append(finding)
    failed = sum(finding.problem is not None for finding in findings)
    typer.echo(f"{strategy}: {_count(len(findings), 'check')}, {failed or 'none'} failed.")
    if failed:
        raise typer.Exit(1)


def _select(table: str, rows: list[str] | None, scenarios: list[str] | None) -> Table:
    chosen = [Scenario.parse(text) for text in split_values(scenarios) or []]
    return load_table(table).select(split_values(rows), chosen or None)


def _states(table: Table, name: str, store: Store, seeds: tuple[int, ...] | None = None) -> list[CellState]:
    # Our tables may be ahead of our strategies; in a user's table an unknown name is a slip.
    if not is_shipped(name):
        for cell in table.cells:
            resolve_cell(cell)
    return table_state(table, store, seeds)


def _report_missing(states: list[CellState]) -> None:
    missing = [state.cell for state in states if state.spec is None]
    if missing:
        names = {cell.strategy for cell in missing if not catalog.is_known("strategies", cell.strategy)}
        names |= {name for cell in missing if not catalog.is_known("benchmarks", name := cell.benchmark["name"])}
        typer.echo(f"Skipping {_count(len(missing), 'cell')}: not implemented yet are {', '.join(sorted(names))}.")


def _sweep(
    todo: list[RunSpec], states: list[CellState], store: Store, *, jobs: int | None, device: str, folder: Path | None
) -> bool:
    """Does the runs and shows them; True if any failed. What can be checked is checked before the first run."""
    store.check_writable()
    _load_data(todo, folder)
    from hnet_bench.reporting.progress import Watcher
    from hnet_bench.reporting.terminal import console
    from hnet_bench.runs.engine import default_jobs, run_all

    workers = min(jobs or default_jobs(), len(todo))
    typer.echo(f"{_count(len(todo), 'run')} to do, {workers} at a time.")
    with Watcher(_run_names(todo, states), console()) as watcher:
        run_all(todo, store=store, jobs=workers, device=device, folder=folder, observer=watcher)
    for spec in todo:
        if event := watcher.sweep.failures.get(spec.key):
            place = store.failure_path(spec)
            typer.echo(f"Failed: {watcher.name(event)}: {event.message} (traceback in {place})", err=True)
    return bool(watcher.sweep.failures)


def _load_data(todo: list[RunSpec], folder: Path | None) -> None:
    """Fetches and verifies each data set once, rather than in every worker."""
    from hnet_bench.data.load import load

    names = {name: None for spec in todo for name in spec.build_benchmark().datasets}
    for name in names:
        load(name, folder=folder, progress=typer.echo)


def _run_names(todo: list[RunSpec], states: list[CellState]) -> dict[tuple[str, str, str, str], str]:
    """How each run is called: by its row, since rows may differ in hyperparameters alone."""
    rows = {(state.spec.folder, state.spec.digest): state.cell.row for state in reversed(states) if state.spec}
    return {spec.key: f"{rows[spec.folder, spec.digest]} {spec.scenario.label} seed {spec.seed}" for spec in todo}


def _planned_runs(states: list[CellState]) -> int:
    # Cells of the same spec share their runs.
    return len({state.spec.with_seed(seed).key for state in states if state.spec for seed in state.planned_seeds})


def _print_results(table: Table, states: list[CellState]) -> None:
    from hnet_bench.reporting.terminal import print_results

    print_results(table, states)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _advice(error: Any, arguments: list[str]) -> str:
    parameter = getattr(error, "param", None)
    if parameter is not None and parameter.name == "table" and any(option in arguments for option in SEVERAL):
        command = getattr(error.ctx, "info_name", "run")
        return f"Put TABLE first, as in hnet-bench {command} quick --rows finetune joint."
    path = error.ctx.command_path if error.ctx else "hnet-bench"
    return f"See {path} --help."


def _fail(*sentences: str) -> int:
    ended = (sentence if sentence.endswith(".") else f"{sentence}." for sentence in sentences)
    print("Error:", *ended, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
