"""`report` and `verify`: what was measured beside what is reported, as files and as verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hnet_bench.arguments import chosen_seeds
from hnet_bench.commands.options import (
    ReadResults,
    Rows,
    Scenarios,
    Seeds,
    TableName,
    cell_states,
    count,
    print_results,
    report_damage,
    select,
)
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import Table, load_table, table_names
from hnet_bench.runs.files import write_atomically
from hnet_bench.runs.store import Store

if TYPE_CHECKING:
    from hnet_bench.reporting.figures.kept import KeptFigures
    from hnet_bench.reporting.model import Report

_OFF, _UNDECIDED = 1, 2


def report(
    tables: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TABLE]...",
            help="Names that `hnet-bench list` shows, or files of your own. Default: every shipped table that has "
            "a record, but for those that are for trying things out (quick).",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        bool,
        typer.Option("--html", help="With names: also write a page of each table, TABLE.html, that works from disk."),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; name every file that is not what the records give.")
    ] = False,
    results: ReadResults = Path("results"),
    reports: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the reports.")] = Path("reports"),
) -> None:
    """Write tables with all their numbers and figures, REPORTS/TABLE.md, .tex, .csv, .json and .svg.

    Without names also one page of everything, REPORTS/index.html, the appendix
    and, where a README.md beside the folder asks for results, these. The same
    records give the same bytes. With --check the exit code is 1 if any file is
    missing, superfluous or differs; figures are compared by the data that they
    show, so that another version of matplotlib is no difference.

    [bold]Examples[/bold]

    hnet-bench report quick --html

    hnet-bench report --check
    """
    from hnet_bench.reporting.collector import without_collector
    from hnet_bench.reporting.figures.kept import NOTES, KeptFigures
    from hnet_bench.reporting.owners import OWNERS, owners
    from hnet_bench.reporting.render import APPENDIX, INDEX, belongs, outdated

    owners(reports, tables or [])  # before anything is drawn for nothing
    figures = KeptFigures(reports, check=check)
    with without_collector():
        made, files = _made(tables, _store(results), figures, pages=html)
    ours = owners(reports, [one.command for one in made])
    readme = {} if tables else _readme(made, reports)
    if check:
        _check(files, readme, reports, [one.name for one in made] if tables else None, pages=html)
        return
    written = {**files, NOTES: figures.note(), OWNERS: ours} if made else files
    for path, content in {**{reports / name: content for name, content in written.items()}, **readme}.items():
        try:
            write_atomically(path, content)
        except OSError as error:
            raise UserError(f"The report {path} cannot be written: {error.strerror}.") from error
    for path in outdated(files, reports, [one.name for one in made]):
        path.unlink()
    if tables:
        for name, one in zip(tables, made, strict=True):
            print_results(load_table(name), list(one.states))
    for one in made:
        written_of = [name for name in files if belongs(name, one.name)]
        kinds = dict.fromkeys(Path(name).suffix for name in written_of)
        typer.echo(f"Written: {reports / one.name}{', '.join(kinds)} ({count(len(written_of), 'file')})")
    for path in [*(reports / name for name in files if name in (APPENDIX, INDEX)), *readme]:
        typer.echo(f"Written: {path}")
    if not made:
        typer.echo(f"Nothing to report: no shipped table has a record in {results}.")


def verify(
    table: TableName,
    rows: Rows = None,
    scenarios: Scenarios = None,
    seeds: Seeds = None,
    results: ReadResults = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list with one object per cell.")] = False,
) -> None:
    """Judge each measured number of a table against the reported one.

    Two one-sided tests at 5 % against the margin that the table declares
    (docs/verdicts.md). Exit code 0: all are reproduced. 1: at least one is
    above or below. 2: neither, something is close, inconclusive or not run;
    then there are verdicts on the standard output, unlike after a wrong
    command, which ends with 2 and "Error:" as it does everywhere.

    [bold]Examples[/bold]

    hnet-bench verify von_oswald_2020_table_1

    hnet-bench verify von_oswald_2020_table_1 --rows split_hnet_ent --scenarios CL1
    """
    from hnet_bench.reporting.data_files import cell_json
    from hnet_bench.reporting.model import build_report
    from hnet_bench.reporting.terminal import print_verdicts

    selected, chosen = select(table, rows, scenarios), chosen_seeds(seeds)
    if not any(cell.reported for cell in selected.cells):
        raise UserError(f"Nothing to verify: no number is reported for the chosen cells of table '{selected.name}'.")
    for cell in selected.cells:
        if cell.reported and cell.reported.margin is None:
            raise UserError(
                f"No margin is declared for {cell.where}: write one into its `reported`, in the table's unit, such as "
                "margin = 1.0, and do so before you look at the results."
            )
    states = cell_states(selected, table, _store(results), chosen)
    report_damage(states)
    built = build_report(selected, states, command=table)
    outcomes = built.outcomes
    if as_json:
        typer.echo(json.dumps([cell_json(cell) for cell in built.cells if cell.verdict], indent=2))
    else:
        print_verdicts(built)
        typer.echo(", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items())))
    if outcomes["above"] or outcomes["below"]:
        raise typer.Exit(_OFF)
    if outcomes["close"] or outcomes["inconclusive"] or outcomes["not run"]:
        raise typer.Exit(_UNDECIDED)


def _store(results: Path) -> Store:
    from hnet_bench.reporting.read_once import ReadOnce

    return ReadOnce(results)


def _made(
    tables: list[str] | None, store: Store, figures: KeptFigures, *, pages: bool
) -> tuple[list[Report], dict[str, bytes]]:
    """The reports that are asked for, or all but those for trying things out, and their files."""
    from hnet_bench.reporting.render import render

    loaded = {name: load_table(name) for name in tables or table_names()}
    # Large ones first: that is how they are listed, and their figures take longest.
    names = tables or sorted((n for n, one in loaded.items() if not one.trial), key=lambda n: -len(loaded[n].cells))
    built = [_with_figures(name, loaded[name], store, figures) for name in names]
    made = [one for one in built if tables or one.measured]
    for one in made:
        report_damage(list(one.states))
    listed = None if tables or not made else built
    return made, render(made, store, listed=listed, pages=bool(tables) and pages, figures=figures.by_table)


def _with_figures(name: str, table: Table, store: Store, figures: KeptFigures) -> Report:
    """A report; if it has records, with its figures."""
    from hnet_bench.reporting.model import build_report
    from hnet_bench.reporting.render import subject_of

    one = build_report(table, cell_states(table, name, store), command=name)
    if one.measured:
        figures.add(subject_of(one, store))
    return one


def _readme(made: list[Report], reports: Path) -> dict[Path, bytes]:
    """The README beside the folder of the reports, if there is one that asks for results."""
    from hnet_bench.reporting.readme import with_results

    path = reports.resolve().parent / "README.md"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return {}
    rendered = with_results(text, {one.name: one for one in made}, folder=reports.name)
    return {reports.parent / path.name: rendered.encode()} if "<!-- results: " in text else {}


def _check(
    files: dict[str, bytes], readme: dict[Path, bytes], reports: Path, tables: list[str] | None, *, pages: bool
) -> None:
    from hnet_bench.reporting.render import differing, stale

    trials = [name for name in table_names() if load_table(name).trial]
    # A page of one table is there for whoever asked for it.
    ignored = [f"{name}.html" for name in tables or []] if not pages else []
    problems = stale(files, reports, ours=tables, others=[] if tables else trials, ignored=ignored)
    problems += [problem for path, content in readme.items() if (problem := differing(path, content))]
    for problem in problems:
        typer.echo(problem, err=True)
    if problems:
        typer.echo(
            f"{count(len(problems), 'file')} in {reports} not as the records give them: hnet-bench report writes them "
            "anew; delete what is superfluous then.",
            err=True,
        )
        raise typer.Exit(1)
    checked = count(len(files) + len(readme), "file")
    typer.echo(f"{checked} in {reports} checked: all are what the records give.")
