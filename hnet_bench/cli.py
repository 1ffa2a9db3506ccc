"""The command line, `hnet-bench`: the only file that reads argv. It parses, calls `hnet_bench.api`, and prints.

What is imported here at the top loads neither torch nor Avalanche nor pandas.
Exit codes: 0 success; 1 some runs failed, or numbers or files are not what they should be; 2 something the user can
mend (one sentence on stderr) or no verdict yet; 70 a fault in the program (a traceback on stderr); 75 a sweep stopped
in time with something left; 130 interrupted; 141 whoever read the output went away. So no crash looks like a verdict.
"""

from __future__ import annotations

import glob
import json
import os
import shlex
import sys
import traceback
from collections import Counter
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from hnet_bench import FAULT, __version__, api, catalog
from hnet_bench.arguments import Bold, Device, Spread
from hnet_bench.config import parse_value
from hnet_bench.interfaces import NetworkName, Scenario, UserError
from hnet_bench.messages import print_anything
from hnet_bench.metrics import average_accuracy
from hnet_bench.papers.search import RuleName
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.papers.table import Table, load_table, table_names
from hnet_bench.reporting.text import count
from hnet_bench.runs.compare import TOLERANCE
from hnet_bench.runs.plan import stale_files
from hnet_bench.runs.shipped import DISTRIBUTION
from hnet_bench.runs.spec import check_chosen
from hnet_bench.runs.store import Store, read_record
from hnet_bench.scaffold import class_name_of

if TYPE_CHECKING:
    from hnet_bench.runs.merge import Conflict
    from hnet_bench.runs.plan import Selection

INTERRUPTED = 130  # what shells report of a process that SIGINT ended
LEFT = 75  # EX_TEMPFAIL of sysexits.h: call the same command again
_PIPE_CLOSED = 141  # what shells report of a process that SIGPIPE ended

# With which a shell asks how a word may go on, and the options with which it learns to; all of them Typer's.
COMPLETE = "_HNET_BENCH_COMPLETE"
_COMPLETION = {"--install-completion", "--show-completion"}

# Options that take several values after one flag: `--scenarios CL1 CL3`.
SEVERAL = ("--rows", "--scenarios", "--seeds", "--fetch", "--set", "--logger", "--formats", "--kinds")

_MAY_BE_EMPTY = ("--title", "--caption", "--label")

# Typer keeps the class of all usage errors to itself.
_UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


# What a shell offers for a word that is begun. Nothing of it may be slow, nor say anything.


def _tables(incomplete: str) -> list[str]:
    return [*table_names(), *sorted(glob.glob(f"{glob.escape(incomplete)}*.toml"))]


def _begun_table(ctx: typer.Context) -> Table | None:
    # Behind an option without its value nothing is parsed, and what came before it is left as it was.
    try:
        return load_table(ctx.params.get("table") or next(iter(ctx.args), ""))
    except UserError:
        return None


def _rows(ctx: typer.Context, incomplete: str) -> list[str]:
    table = _begun_table(ctx)
    return [incomplete[: incomplete.rfind(",") + 1] + row for row in table.rows] if table else []


def _seeds(ctx: typer.Context, incomplete: str) -> list[str]:
    """All seeds of the table as one word, and each by itself."""
    table = _begun_table(ctx)
    offered = dict.fromkeys([format_seeds(table.seeds), *map(str, table.seeds)]) if table else {}
    return [incomplete[: incomplete.rfind(",") + 1] + seeds for seeds in offered]


def _seeds_option(default: str) -> Any:
    return typer.Option(
        metavar="RANGE", help=f"Seeds, such as 1-5 or 1-3,7. Default: {default}.", autocompletion=_seeds
    )


def _names(incomplete: str) -> list[str]:
    return [*_tables(incomplete), *api.strategies(), *api.benchmarks()]


def _scenarios() -> list[str]:
    return [scenario.label for scenario in Scenario]


TableName = Annotated[
    str,
    typer.Argument(
        metavar="TABLE",
        help="A name that `hnet-bench list` shows, or a file of your own, name.toml.",
        autocompletion=_tables,
    ),
]
Rows = Annotated[
    list[str] | None, typer.Option(metavar="ROW...", help="Only these rows of the table.", autocompletion=_rows)
]
Scenarios = Annotated[
    list[str] | None,
    typer.Option(metavar="CL1|CL2|CL3...", help="Only these scenarios.", autocompletion=_scenarios),
]
Seeds = Annotated[list[str] | None, _seeds_option("those of the table")]
Measured = Annotated[list[str] | None, _seeds_option("all that have a record")]
Results = Annotated[Path, typer.Option(metavar="DIR", help="Folder of the records.")]
Data = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the data sets. Default: $HNET_BENCH_DATA, else your cache folder."),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", "-j", min=1, metavar="N", help="Runs at a time. Default: physical cores, or slots of GPUs."),
]
Where = Annotated[Device, typer.Option(help="Where to train.")]
GpuSlots = Annotated[int | None, typer.Option(min=1, metavar="N", help="Runs that share one GPU. Default: 1.")]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Use this Dask cluster, such as tcp://10.0.0.1:8786.")
]
Share = Annotated[
    bool, typer.Option("--share/--no-share", help="Have runs take trainings that they have in common from each other.")
]
CheckpointEvery = Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Time between checkpoints of a run.")]
RerunStale = Annotated[
    bool, typer.Option("--rerun-stale", help="Also renew stale records: the code computes something else now.")
]
UntilDecided = Annotated[
    bool,
    typer.Option(
        "--until-decided", help="Only as many seeds as it takes: to the looks of the table, until a number is decided."
    ),
]
Slurm = Annotated[Path | None, typer.Option(metavar="FILE", help="Start workers with Slurm; a TOML for dask-jobqueue.")]


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code; `argv` is what follows the program's name."""
    print_anything()
    arguments = sys.argv[1:] if argv is None else argv
    if option := _emptied(arguments):
        return _fail(f"{option} has an empty value, as of a variable that is not set: give one, or leave it away.")
    command = typer.main.get_command(app)
    try:
        code = command.main(expand(arguments) or ["--help"], prog_name="hnet-bench", standalone_mode=False)
    except UserError as error:
        return _fail(str(error))
    except _UsageError as error:
        return _fail(error.format_message(), _advice(error, arguments))
    except typer.Abort:
        return INTERRUPTED
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and (COMPLETE in os.environ or _COMPLETION & set(arguments)):
            return error.code if isinstance(error.code, int) else 0  # a shell asked, and Typer has answered
        # Typer and rich leave with 1 if the reader of a pipe, such as `head`, has had enough.
        if isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError):
            return _PIPE_CLOSED
        traceback.print_exc()
        return FAULT
    return code if isinstance(code, int) else 0


def _emptied(arguments: list[str]) -> str:
    """The first option that is given an empty value, where that would mean something else; "" if none is."""
    option = ""
    for word in takewhile(lambda word: word != "--", arguments):
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            if equals and not value and option not in _MAY_BE_EMPTY:
                return option
        elif option and not word and option not in _MAY_BE_EMPTY:
            return option
    return ""


def expand(arguments: list[str]) -> list[str]:
    """Repeats an option for each of its values, as Typer expects it: `--rows a b` becomes `--rows a --rows b`.

    The values end at the next word that begins with a dash, or at the end.
    """
    expanded: list[str] = []
    option = None
    for word in arguments:
        if word.startswith("-"):
            option = word if word in SEVERAL else None
            expanded.append(word)
        elif option and expanded[-1] != option:
            expanded += [option, word]
        else:
            expanded.append(word)
    return expanded


@app.callback(invoke_without_command=True)
def _program(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Benchmarks and reproducible comparisons for continual learning with hypernetworks.

    A [bold]table[/bold] has rows of strategies in the scenarios CL1 (task), CL2
    (domain) and CL3 (class), and what a paper reports for each.
    Every finished run leaves one record below results/.

    [bold]Exit codes[/bold] 0: success. 1: some runs failed, or numbers or files are not
    what they should be. 2: a mistake, in one sentence, or no verdict yet.
    70: a fault of hnet-bench, with a traceback. 75: something is left after
    --stop-after. 130: interrupted. 141: nobody reads the output any more.

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
    jobs: Jobs = None,
    device: Where = "auto",
    gpu_slots: GpuSlots = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    checkpoint_every: CheckpointEvery = 120,
    logger: Annotated[
        list[str] | None, typer.Option(metavar="csv|tensorboard|wandb...", help="Also tell these loggers.")
    ] = None,
    logs: Annotated[Path, typer.Option(metavar="DIR", help="Where loggers write.")] = Path("logs"),
    results: Results = Path("results"),
    data: Data = None,
    rerun_stale: RerunStale = False,
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only what is expected to end within 90m, 2h, 1d, ...")
    ] = None,
    stop_after: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="End in time, such as 9m, with checkpoints of what is under way."),
    ] = None,
    until_decided: UntilDecided = False,
    share: Share = True,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but what fails.")] = False,
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

    hnet-bench run my_table.toml --until-decided
    """
    try:
        done = api.run(**locals())  # whose arguments these are
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    if not quiet:
        _print_outcome(done, table, results, stop_after, until_decided=until_decided)
    if stop_after and done.left:
        raise typer.Exit(LEFT)
    if done.failed:
        raise typer.Exit(1)


@app.command()
def tune(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    rule: Annotated[
        RuleName | None,
        typer.Option(
            metavar="RULE",
            help="Show what this rule would choose instead, and write no choice; trials that it lacks are done: "
            f"{', '.join(get_args(RuleName))}.",
        ),
    ] = None,
    jobs: Jobs = None,
    device: Where = "auto",
    gpu_slots: GpuSlots = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    checkpoint_every: CheckpointEvery = 120,
    rerun_stale: RerunStale = False,
    results: Results = Path("results"),
    data: Data = None,
) -> None:
    """Choose hyperparameters for the rows of a table that have a search.

    Does the trials that have no record yet, on validation data and with
    seeds of their own, and writes what the rules choose into
    TABLE.chosen.json beside the table, which `run` needs (docs/tuning.md).
    Another rule takes the same trials, but for `test`, which judges them on
    test data, as many papers did.

    [bold]Examples[/bold]

    hnet-bench tune my_table.toml -j 4

    hnet-bench tune my_table.toml --rows ewc --rule first_experiences
    """
    try:
        done = api.tune(**locals())  # whose arguments these are
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    from hnet_bench.reporting.terminal import TUNED, print_table
    from hnet_bench.reporting.text_table import text_table

    if done.failed:
        typer.echo(
            f"Nothing is chosen, since {count(len(done.failed), 'trial')} failed; the same command tries again. Take a "
            "value with which training always fails, as where it diverges, out of the search."
        )
        raise typer.Exit(1)
    print_table(text_table(TUNED, done.chosen))
    if ends := [f"{one.cell.row} {one.cell.scenario.label}" for one in done.chosen if one.at_an_end]:
        typer.echo(f"At an end of its list, beyond which a better value may lie: {', '.join(ends)}.")
    if done.stale:
        typer.echo(_stale(done.stale, "trial"))
    for path in done.files:
        typer.echo(f"Written: {path}")


@app.command()
def plan(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Seeds = None,
    jobs: Jobs = None,
    device: Where = "auto",
    gpu_slots: GpuSlots = None,
    scheduler: Scheduler = None,
    slurm: Slurm = None,
    results: Results = Path("results"),
    data: Data = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Train for a few iterations what no record of its strategy tells of.")
    ] = False,
    rerun_stale: RerunStale = False,
    until_decided: UntilDecided = False,
    share: Share = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object instead.")] = False,
) -> None:
    """Show what `run` would do, and what it is expected to cost.

    Costs are learned from the records in --results; the range is that in
    which about eight of ten of them fell. Nothing is stored, and nothing is
    trained but by --probe. Whether a strategy takes the network and the data
    of its row is known once it is built: by --probe, or by the run.

    [bold]Examples[/bold]

    hnet-bench plan von_oswald_2020_table_1 --scenarios CL3 --seeds 1-5

    hnet-bench plan my_table.toml --device cuda --gpu-slots 4
    """
    given = {name: value for name, value in locals().items() if name != "as_json"}
    from hnet_bench.reporting.plan_costs import COLUMNS, LOOK_COLUMNS, hours, sentence
    from hnet_bench.reporting.terminal import print_table
    from hnet_bench.reporting.text_table import text_table

    found = api.plan(**given)
    if as_json:
        shared = {"shared_trainings": found.shared, "saved": found.saved}
        summary = {"runs": found.runs, **asdict(found.total), "jobs": found.jobs, "elapsed": found.elapsed, **shared}
        summary["stale"] = found.stale
        typer.echo(json.dumps({"cells": found.lines, "total": summary}, indent=2))
        return
    print_table(text_table(LOOK_COLUMNS if until_decided else COLUMNS, found.cells))
    if found.stale:
        typer.echo(_stale(found.stale))
    if not found.runs:
        untuned = any(cost.state.cell.untuned for cost in found.cells)
        typer.echo(
            f"Nothing to do before {_suggested('tune', table, results=results)}." if untuned else "Nothing to do."
        )
        return
    typer.echo(sentence(found.total, runs=found.runs, elapsed=found.elapsed, jobs=found.jobs, gpu=found.gpu))
    if found.shared:
        saved = f", which would take {hours(found.saved)} hours more" if found.saved else ""
        taken = "training is" if found.shared == 1 else "trainings are"
        alone = "; the table has what each takes alone" if found.total.unknown < found.runs else ""
        typer.echo(f"{found.shared} {taken} taken from another run{saved}{alone}.")
    if sum(cell.todo for cell in found.cells) > found.runs:
        typer.echo("Cells with the same settings share their runs, which are counted once.")
    if found.total.unknown:
        typer.echo(f"Nothing is known of the cost of {count(found.total.unknown, 'run')}: add --probe to find out.")


@app.command()
def status(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Measured = None,
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one object per cell.")] = False,
) -> None:
    """Show how many runs of a table are done, and what they measured.

    With --seeds only these seeds count; without, every seed that has a record does.

    [bold]Examples[/bold]

    hnet-bench status von_oswald_2020_table_1 --scenarios CL3

    hnet-bench status quick --json
    """
    chosen = api.select(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results)
    if as_json:
        from hnet_bench.reporting.cells import status_of

        typer.echo(json.dumps([status_of(state) for state in chosen.states], indent=2))
    else:
        from hnet_bench.reporting.terminal import print_results

        print_results(chosen.table, chosen.states)
        _say_what_was_shipped(chosen)


@app.command()
def report(
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TABLE]...",
            help="Names that `hnet-bench list` shows, or files of your own. Default: every shipped table that has "
            "a record, but for those that are for trying things out (quick).",
            show_default=False,
            autocompletion=_tables,
        ),
    ] = None,
    html: Annotated[
        bool,
        typer.Option("--html", help="With names: also write a page of each table, TABLE.html, that works from disk."),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; name every file that is not what the records give.")
    ] = False,
    results: Results = Path("results"),
    reports: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the reports.")] = Path("reports"),
) -> None:
    """Write tables with all their numbers and figures, REPORTS/TABLE.md, .tex, .csv, .json and .svg.

    Without names also one page of everything, REPORTS/index.html, the appendix
    and, where a README.md or docs/findings.md.j2 beside the folder asks for
    results, these. The same records give the same bytes. With --check the exit
    code is 1 if any file is missing, superfluous or differs; figures are
    compared by the data that they show, so that another version of matplotlib
    is no difference.

    [bold]Examples[/bold]

    hnet-bench report quick --html

    hnet-bench report --check
    """
    from hnet_bench.reporting.report_files import belongs
    from hnet_bench.reporting.terminal import print_results

    found = api.report(*tables or [], results=results, reports=reports, html=html, check=check)
    for problem in found.problems:
        typer.echo(problem, err=True)
    if found.problems:
        typer.echo(
            f"{count(len(found.problems), 'file')} in {reports} not as the records give them: hnet-bench report writes "
            "them anew; delete what is superfluous then.",
            err=True,
        )
        raise typer.Exit(1)
    if check:
        typer.echo(f"{count(len(found.files), 'file')} in {reports} checked: all are what the records give.")
        return
    if tables:
        for name, one in zip(tables, found.made, strict=True):
            print_results(load_table(name), one.cells)
    rest = found.files
    for one in found.made:
        written = [path for path in found.files if belongs(path.name, one.name)]
        rest = [path for path in rest if path not in written]
        kinds = ", ".join(dict.fromkeys(path.suffix for path in written))
        typer.echo(f"Written: {reports / one.name}{kinds} ({count(len(written), 'file')})")
    for path in rest:
        typer.echo(f"Written: {path}")
    if not found.made:
        typer.echo(f"Nothing to report: no shipped table has a record in {results}.")


@app.command()
def verify(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Measured = None,
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one object per cell.")] = False,
) -> None:
    """Judge each measured number of a table against the reported one.

    Two one-sided tests against the margin that the table declares
    (docs/verdicts.md), and what each open cell waits for: the reason, the seeds
    that it takes, and their expected cost. Exit code 0: all are reproduced. 1:
    at least one is above or below. 2: neither, something is close, inconclusive
    or not run; then there are verdicts on the standard output, unlike after a
    wrong command, which ends with 2 and "Error:" as it does everywhere.

    [bold]Examples[/bold]

    hnet-bench verify von_oswald_2020_table_1

    hnet-bench verify von_oswald_2020_table_1 --rows split_hnet_ent --scenarios CL1
    """
    from hnet_bench.reporting.open_cells import judged_json, open_table
    from hnet_bench.reporting.terminal import print_table, print_verdicts
    from hnet_bench.reporting.verdicts import exit_code

    built = api.verdicts(table, rows=rows, scenarios=scenarios, seeds=seeds, results=results)
    outcomes, waiting = built.outcomes, api.open_cells(built, results=results)
    if as_json:
        typer.echo(json.dumps(judged_json(built, waiting), indent=2))
    else:
        print_verdicts(built)
        if waiting:
            typer.echo()
            print_table(open_table(waiting))
        typer.echo(", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items())))
    raise typer.Exit(exit_code(outcomes))


@app.command()
def figures(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    kinds: Annotated[
        list[str] | None, typer.Option(metavar="KIND...", help="Such as forest. Default: all that the records fill.")
    ] = None,
    results: Results = Path("results"),
    reports: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the figures.")] = Path("reports"),
    formats: Annotated[list[str] | None, typer.Option(metavar="svg|pdf|png...", help="Default: svg.")] = None,
    width: Annotated[
        float | None,
        typer.Option(
            min=2.0, max=50.0, metavar="INCHES", help="Such as 3.25 for a column of a conference. Default: as needed."
        ),
    ] = None,
    font_size: Annotated[
        float | None, typer.Option(min=4.0, max=40.0, metavar="POINTS", help="Of labels; others follow. Default: 8.")
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
    drawn = api.figures(**locals())  # whose arguments these are
    for path in drawn.files:
        typer.echo(str(path))
    nothing = " A figure says what to run, since there is nothing to show." if drawn.empty else ""
    typer.echo(f"{count(len(drawn.files), 'file')} from {count(drawn.records, 'record')}.{nothing}")


@app.command()
def latex(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Measured = None,
    results: Results = Path("results"),
    spread: Annotated[Spread, typer.Option(help="Behind each mean: standard error, standard deviation.")] = "sem",
    bold: Annotated[Bold, typer.Option(help="The best mean, or also what cannot be told from it.")] = "best",
    reported: Annotated[bool, typer.Option(help="With the numbers that papers report.")] = True,
    caption: Annotated[
        str | None, typer.Option(metavar="LATEX", help="In place of the table's title, such as 'On \\textbf{digits}.'")
    ] = None,
    label: Annotated[
        str | None, typer.Option(metavar="LABEL", help="For \\ref. Default: tab: and the table's name.")
    ] = None,
) -> None:
    """Print a table for a paper, as LaTeX: rows by scenarios.

    It is one float, which \\input takes and which needs booktabs and nothing else:
    a table where it fits into a column of an article with two, else a table*.
    Bold is the best of the rows that are chosen.

    [bold]Examples[/bold]

    hnet-bench latex quick > quick.tex

    hnet-bench latex von_oswald_2020_table_1 --scenarios CL3 --spread sd --no-reported
    """
    typer.echo(api.latex(**locals()), nl=False)  # whose arguments these are


@app.command()
def trace(
    table: TableName,
    row: Annotated[str, typer.Argument(metavar="ROW", help="A row of the table.", autocompletion=_rows)],
    scenario: Annotated[
        str, typer.Argument(metavar="CL1|CL2|CL3", help="A scenario of the row.", autocompletion=_scenarios)
    ],
    seeds: Measured = None,
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one object per record.")] = False,
) -> None:
    """Show the records behind a number, and how it comes from them.

    [bold]Example[/bold]

    hnet-bench trace von_oswald_2020_table_1 split_hnet_ent CL3
    """
    from hnet_bench.reporting.provenance import arithmetic, traced, traced_lines
    from hnet_bench.reporting.terminal import print_table, traced_columns
    from hnet_bench.reporting.text import SCALES, code_sources, code_text, measured_text, reported_text, source_text
    from hnet_bench.reporting.text_table import text_table

    state = api.one_cell(table, row, scenario, seeds=seeds, results=results)
    check_chosen(state.cell)
    assert state.spec is not None  # as it is for all cells whose hyperparameters are chosen
    found = traced(state)
    if as_json:
        typer.echo(json.dumps([one.to_json() for one in found], indent=2))
        return
    reported = f", reported {reported_text(state.cell.reported, state.cell.unit)}" if state.cell.reported else ""
    typer.echo(f"{state.cell.label}, {state.cell.scenario.label}: {measured_text(state)}{reported}")
    if state.cell.reported:
        typer.echo(f"Reported: {source_text(state.cell.reported)}.")
    if code := code_text(state.cell):
        typer.echo(f"Authors' code: {code}.")
        for line in code_sources([state]):
            typer.echo(f"  {line}")
    store = Store(results)
    for seed in state.failed_seeds:
        if problem := store.failure(state.spec.with_seed(seed)):
            typer.echo(f"Seed {seed} failed: {problem.rstrip('.')} ({store.failure_path(state.spec.with_seed(seed))}).")
    if not found:
        only = ["--seeds", ",".join(seeds)] if seeds else []
        again = _suggested("run", table, "--rows", row, "--scenarios", scenario, *only, results=results)
        typer.echo(f"No record yet: {again}")
        return
    scale = SCALES[state.cell.unit]
    print_table(text_table(traced_columns(scale), found))
    typer.echo(arithmetic([one.average for one in found], scale))
    for line in traced_lines(found):
        typer.echo(line)
    for repeat in state.repeats:
        for record in repeat.records:
            score, file = scale.text(average_accuracy(record.score)), repeat.files[record.spec["seed"]]
            typer.echo(f"Draw {repeat.cell.benchmark['draw_seed']} with another initialisation: {score}, {file}")
    typer.echo(f"To repeat one: {_suggested('rerun', found[0].record.run_id, results=results)}")


@app.command()
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
    results: Results = Path("results"),
    data: Data = None,
    device: Annotated[Device | None, typer.Option(help="Where to train. Default: as in the record.")] = None,
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

    from hnet_bench.reporting.terminal import print_repetition

    def verdict(one: str) -> str:
        repeated = api.rerun(one, results=results, data=data, device=device, tolerance=tolerance / 100)
        print_repetition(repeated, tolerance)
        return repeated.verdict

    if run is not None and draw is None and draw_seed is None:
        if verdict(run) == "different":
            raise typer.Exit(1)
        return
    if run is not None or draw is None:
        raise UserError("Say which run to repeat: either one, by its run id or file, or how many to draw, --draw N.")
    found: Counter[str] = Counter()
    for path in api.draw_records(draw, seed=draw_seed or 0, results=results):
        typer.echo(f"{path}, {_took(path)}:")
        try:
            found[verdict(str(path))] += 1
        except KeyboardInterrupt:
            typer.echo(f"Interrupted; until then: {_counted(found) or 'none repeated'}.", err=True)
            raise
        except Exception as error:
            # One that breaks keeps none of the others from being repeated.
            known = isinstance(error, UserError)
            typer.echo(f"Not repeated: {error if known else f'{type(error).__name__}: {error}'}", err=True)
            found["not repeatable"] += 1
    typer.echo(f"{count(draw, 'record')} drawn with seed {draw_seed or 0}: {_counted(found)}.")
    if found["different"] or found["not repeatable"]:
        raise typer.Exit(1)


@app.command()
def merge(
    other: Annotated[
        Path, typer.Argument(metavar="OTHER", help="A results folder, as from another machine, or an archive of one.")
    ],
    results: Results = Path("results"),
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", metavar="HEX", help="Of an archive that is not of this release's records."),
    ] = None,
) -> None:
    """Add the records of another results folder to yours.

    Any order and any repetition give the same files. Records of the same
    run with the same scores become one; if the scores differ, all are
    kept, they are named, and the exit code is 1. OTHER stays as it is.
    It may be an archive, such as the wheel of the records of this release.

    [bold]Examples[/bold]

    hnet-bench merge from_the_cluster/results

    hnet-bench merge hnet_bench_records-0.1.0-py3-none-any.whl
    """
    merged = api.merge(other, results=results, sha256=sha256)
    for path, problem in merged.damaged:
        typer.echo(f"Damaged, set aside as {path}: {problem}", err=True)
    for path, problem in merged.unreadable:
        typer.echo(f"Damaged, not merged: {path} cannot be read ({problem}).", err=True)
    for conflict in merged.conflicts:
        typer.echo(_sentence(conflict), err=True)
    restored = f", {merged.restored} restored that had been damaged" if merged.restored else ""
    typer.echo(f"{count(merged.added, 'record')} added to {results}{restored}; it has {merged.records} now.")
    if merged.conflicts:
        raise typer.Exit(1)


@app.command("list")
def list_all(
    results: Results = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON object with three lists.")] = False,
) -> None:
    """List the tables with their runs done and planned, the strategies and the benchmarks.

    `hnet-bench show NAME` says more of each.
    """
    from hnet_bench.reporting.terminal import BENCHMARKS, STRATEGIES, TABLES, print_table
    from hnet_bench.reporting.text_table import text_table

    tables, kinds = api.progress(results=results), {kind: catalog.summaries(kind) for kind in get_args(catalog.Kind)}
    if as_json:
        listed = {
            kind: [{"name": name, "class": catalog.names(kind)[name], "description": text} for name, text in of.items()]
            for kind, of in kinds.items()
        }
        typer.echo(json.dumps({"tables": [asdict(one) for one in tables], **listed}, indent=2))
        return
    print_table(text_table(TABLES, tables))
    print_table(text_table(STRATEGIES, kinds["strategies"].items()))
    print_table(text_table(BENCHMARKS, kinds["benchmarks"].items()))


@app.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Of a table, a strategy or a benchmark; or my_table.toml, my.py:MyClass.",
            autocompletion=_names,
        ),
    ],
) -> None:
    """Show a table's TOML, or what a strategy or benchmark is and which settings it has.

    [bold]Examples[/bold]

    hnet-bench show hnet_ent

    hnet-bench show quick > my_table.toml
    """
    from hnet_bench.reporting.terminal import SETTINGS, print_table, print_toml
    from hnet_bench.reporting.text_table import text_table

    shown = api.show(name)
    if shown.kind == "table":
        print_toml(shown.text)
        return
    typer.echo(f"{shown.kind.capitalize()} {shown.name}, in {shown.file}")
    if shown.scenarios:
        typer.echo(f"Learns {', '.join(shown.scenarios)}")
    typer.echo(f"\n{shown.text}")
    if shown.settings:
        print_table(text_table(SETTINGS, shown.settings))
    else:
        typer.echo("\nNo settings.")


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
    from hnet_bench.data.load import data_folder
    from hnet_bench.reporting.terminal import DATA_SETS, print_table
    from hnet_bench.reporting.text_table import text_table

    found = api.data(fetch, data=data)
    typer.echo(f"Data folder: {data or data_folder()}")
    print_table(text_table(DATA_SETS, found))
    for problem in filter(None, (one.problem for one in found)):
        typer.echo(problem, err=True)
    if any(one.state == "corrupt" for one in found):
        raise typer.Exit(1)


@app.command()
def new(name: Annotated[str, typer.Argument(metavar="NAME", help="Such as my_method.")]) -> None:
    """Begin a strategy of your own: NAME.py, which works, and NAME.toml, which compares it.

    [bold]Example[/bold]

    hnet-bench new my_method
    """
    files = api.new(name)
    typer.echo(f"Written: {' and '.join(map(str, files))}. Next:")
    typer.echo(f"  hnet-bench check {name}.py:{class_name_of(name)}")
    typer.echo(f"  hnet-bench run {name}.toml")


@app.command()
def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A strategy or a benchmark that `hnet-bench list` shows, or my.py:MyStrategy.",
            autocompletion=lambda: [*api.strategies(), *api.benchmarks()],
        ),
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE...", help="Hyperparameters, or settings, values as in TOML."),
    ] = None,
    network: Annotated[
        NetworkName, typer.Option(help="That the protocol asks for; those but mlp learn images, in minutes.")
    ] = "mlp",
) -> None:
    """Check that a strategy trains, repeats, resumes and does not cheat, or that a benchmark is one.

    A strategy is asked on a synthetic benchmark, in every scenario that it declares; in seconds. A benchmark is built
    in every scenario: do its data fit, do they repeat, is nothing of the test in the training?

    [bold]Examples[/bold]

    hnet-bench check hnet_ent

    hnet-bench check my.py:MyStrategy --set strength=10.0 'widths=[5, 5]'

    hnet-bench check my.py:MyBenchmark
    """
    from hnet_bench.reporting.terminal import print_finding

    chosen = {}
    for item in settings or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UserError(f"Give hyperparameters as KEY=VALUE, found '{item}'.")
        chosen[key.strip()] = parse_value(value)

    def show(check: str, scenario: str | None, problem: str | None) -> None:
        print_finding(check, scenario or "", problem)

    found = api.check(name, chosen, network=network, on_finding=show)
    failed = int((~found.passed).sum())
    typer.echo(f"{name}: {count(len(found), 'check')}, {failed or 'none'} failed.")
    if failed:
        raise typer.Exit(1)


def _print_outcome(
    done: api.SweepResult, table: str, results: Path, stop_after: str | None, *, until_decided: bool
) -> None:
    """How a sweep ended, and what is measured now."""
    from hnet_bench.reporting.terminal import print_results

    chosen = done.selection
    if not done.todo and until_decided:
        typer.echo("Nothing to do: each cell with looks is decided, or has had the last one for which there are seeds.")
        return
    if not done.todo:
        runs = "the one run" if chosen.planned == 1 else f"all {chosen.planned} runs"
        verb = "is" if chosen.planned == 1 else "are"
        typer.echo(f"Nothing to do: {runs} of {chosen.table.name} {verb} done.")
        if stale := len(stale_files(chosen.states)):
            typer.echo(_stale(stale))
        _say_what_was_shipped(chosen)
        return
    print_results(chosen.table, chosen.again().states)
    typer.echo(f"For the page with all details: {_suggested('report', table, results=results)}")
    if stop_after and done.left:
        total, left = len(done.todo), len(done.left)
        typer.echo(
            f"Stopped, since --stop-after {stop_after} was given: of {count(total, 'run')} {total - left} ended, "
            f"{done.begun} left a checkpoint, {left - done.begun} did not begin; the same command goes on."
        )


def _stale(number: int, what: str = "record") -> str:
    them, they = ("it", "it was") if number == 1 else ("them", "they were")
    return (
        f"Stale: {count(number, what)}. The code computes something else than when {they} made; --rerun-stale renews "
        f"{them}."
    )


def _say_what_was_shipped(chosen: Selection) -> None:
    if chosen.shipped:
        typer.echo(f"{chosen.shipped} of these records were installed with {DISTRIBUTION}, and are only read.")


def _took(path: Path) -> str:
    from hnet_bench.reporting.text import duration

    try:
        return f"which took {duration(read_record(path).seconds['total'])}"
    except UserError:
        return "which cannot be read"


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in found.most_common())


def _sentence(conflict: Conflict) -> str:
    from hnet_bench.reporting.text import PERCENT

    counts, *others = (
        f"{path} (average {PERCENT.text(average_accuracy(record.score))} %)"
        for path, record in zip(conflict.paths, conflict.records, strict=True)
    )
    return f"Conflict: {counts} counts, but other scores are in {', '.join(others)}."


def _suggested(*words: str, results: Path) -> str:
    """A command as a shell takes it, with the folder of the records where it is not the usual one."""
    place = [] if results == Path("results") else ["--results", str(results)]
    return shlex.join(["hnet-bench", *words, *place])


def _advice(error: Any, arguments: list[str]) -> str:
    parameter = getattr(error, "param", None)
    if parameter is not None and parameter.name == "table" and any(option in arguments for option in SEVERAL):
        command = getattr(error.ctx, "info_name", "run")
        return f"Put TABLE first, as in hnet-bench {command} quick --rows finetune joint."
    path = error.ctx.command_path if error.ctx else "hnet-bench"
    return f"See {path} --help."


def _fail(*sentences: str) -> int:
    ended = (sentence if sentence.endswith((".", "?")) else f"{sentence}." for sentence in sentences)
    print("Error:", UserError(" ".join(ended)), file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
