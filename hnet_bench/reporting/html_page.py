"""The web page of a report: one HTML file that works from disk, with its style, its script and its pictures inside."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from itertools import groupby
from typing import Any

from hnet_bench.metrics import average_accuracy, during_accuracy
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.appendix import TITLE, Section
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.inline_svg import InlineSvg
from hnet_bench.reporting.inline_svg import style as style_of
from hnet_bench.reporting.leaderboard import boards
from hnet_bench.reporting.markdown import sources
from hnet_bench.reporting.plan_costs import why_not
from hnet_bench.reporting.provenance import MADE_WITH, by_value, code
from hnet_bench.reporting.report_tables import ranked_text, tables_of
from hnet_bench.reporting.statistics import MINIMUM_TO_RANK
from hnet_bench.reporting.text import (
    KNOWN,
    NOT_RUN,
    PERCENT,
    RECORD_MARKS,
    Scale,
    code_text,
    count,
    duration,
    in_toml,
    measured_text,
    reported_text,
    source_text,
)
from hnet_bench.reporting.text_table import Column, Entry, TextTable, text_table
from hnet_bench.reporting.verdict_tables import interval_in_words, reason_of
from hnet_bench.reporting.verdicts import MINIMUM_SEEDS, VERDICTS, Verdict
from hnet_bench.runs.record import Record


def page(reports: Sequence[Report], figures: Mapping[str, Mapping[str, InlineSvg]], appendix: Sequence[Section]) -> str:
    """The page of these tables; `figures` has by their names the figures of each by their titles."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("hnet_bench.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    files = resources.files("hnet_bench.reporting") / "templates"
    style, script = ((files / name).read_text(encoding="utf-8") for name in ("style.css", "script.js"))
    style += style_of(figure for those in figures.values() for figure in those.values())
    style += "".join(f".{css(name)}, .{css(name)} a {{ {kind.css}; }}\n" for name, kind in VERDICTS.items() if kind.css)
    # What the page may load: its own style and script, known by their sums, and images that stand in its figures.
    sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{sums[0]}'; script-src 'sha256-{sums[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return environment.get_template("page.html").render(
        reports=reports,
        drawings={
            name: {title: Markup(figure.markup) for title, figure in those.items()} for name, those in figures.items()
        },
        appendix=appendix,
        appendix_title=TITLE,
        style=Markup(style),
        script=Markup(script),
        policy=policy,
        verdicts=VERDICTS,
        boards=boards(reports) if len(reports) > 1 else [],
        minimum=MINIMUM_SEEDS,
        minimum_to_rank=MINIMUM_TO_RANK,
        command=lambda report: shlex.join(["hnet-bench", "run", report.command]),
        **{function.__name__: function for function in _FUNCTIONS},
    )


def anchor(table: str, key: str) -> str:
    """The id of what belongs to a table: its section (""), a table of it, or what stands behind a cell."""
    # Other characters would stand in links in another form than in ids.
    return re.sub(r"[^\w./-]", lambda found: f"_{ord(found[0]):x}_", f"{table}/{key}" if key else table)


def runs(cell: ReportCell) -> TextTable:
    """The records behind a number, a line for each."""
    scale = cell.scale
    columns: tuple[Column[tuple[Record, str]], ...] = (
        Column("Seed", lambda run: str(run[0].spec["seed"])),
        Column("Final", lambda run: scale.text(average_accuracy(run[0].score))),
        Column("During", lambda run: scale.text(during_accuracy(run[0].score))),
        Column(
            "Task inference",
            lambda run: PERCENT.text(average_accuracy(run[0].task_inference)) if run[0].task_inference else "",
        ),
        Column("Time", lambda run: duration(run[0].seconds["total"])),
        Column(
            "Finished",
            lambda run: str(run[0].provenance.get("finished", "not recorded")).replace("T", " ").removesuffix("+00:00"),
        ),
        Column("Code", lambda run: code(run[0])),
        Column("Record", lambda run: run[1]),
    )
    return text_table(columns, zip(cell.records, cell.paths, strict=True))


def facts(report: Report, cell: ReportCell) -> Iterable[tuple[str, str]]:
    """What is measured, reported and judged in a cell, a name for each."""
    scale, final, reported = cell.scale, cell.summary, cell.reported
    if final:
        spread = "" if final.sem is None else f", standard error {scale.text(final.sem)}"
        yield "Measured", f"{scale.text(final.mean)}{spread}, seeds {format_seeds(cell.seeds)}"
    else:
        yield "Measured", NOT_RUN
    for mark in RECORD_MARKS:
        if seeds := mark.all_seeds(cell):
            yield mark.name, f"seeds {format_seeds(seeds)}{mark.what}"
    if cell.failed_seeds:
        yield "Failed", f"the last try of {count(len(cell.failed_seeds), 'seed')}"
    if reported:
        text = f"{reported_text(reported, cell.cell.unit)}{reported.over}; {source_text(reported)}"
        yield "Reported", f"{text}. {report.table.source}." if report.table.source else f"{text}."
    if cell.verdict:
        yield "Verdict", f"{cell.verdict.outcome}{KNOWN[cell.verdict.known][0]}"
        yield from _grounds(cell.verdict, scale)
    if code := code_text(cell.cell):
        yield "Authors' code", code
    if cell.beside_code:
        yield "Beside it", ", ".join([cell.beside_code.outcome, *_difference(cell.beside_code, scale)])
    if reason := reason_of(cell):
        yield "Reason", reason


def _grounds(found: Verdict, scale: Scale) -> Iterable[tuple[str, str]]:
    if difference := _difference(found, scale):
        yield "Difference", ", ".join(difference)
    yield "Margin", scale.text(found.margin)
    if found.seeds_if_equal is not None:
        yield "Seeds to decide, if equal", str(found.seeds_if_equal)


def _difference(found: Verdict, scale: Scale) -> list[str]:
    """The difference and its interval, as far as there are any."""
    if found.difference is None:
        return []
    interval = interval_in_words(found, scale)
    return [f"{scale.signed(found.difference)} {scale.differences}", *filter(None, [interval])]


def settings(cell: ReportCell) -> Iterable[tuple[str, str]]:
    """Its settings, with every default."""
    if cell.spec is None:
        return [("strategy.name", f"{cell.cell.strategy} ({why_not(cell)})")]
    return in_toml({name: value for name, value in cell.spec.to_json().items() if name != "seed"}).items()


def commands(report: Report, cell: ReportCell) -> Iterable[tuple[str, str]]:
    """How to repeat it, or to run it."""
    if cell.spec is None:
        return
    seeds = format_seeds(cell.seeds or cell.planned_seeds)
    chosen = ["--rows", cell.row, "--scenarios", cell.scenario, "--seeds", seeds]
    command = shlex.join(["hnet-bench", "run", report.command, *chosen])
    if not cell.records:
        yield "To run", command
    else:
        # Beside its records nothing would be done again.
        yield "To repeat, in a folder of its own", f"{command} --results repeated"
        yield (
            "To follow it to its records",
            shlex.join(["hnet-bench", "trace", report.command, cell.row, cell.scenario]),
        )


def made_with(cell: ReportCell) -> Iterable[tuple[str, str, str]]:
    """Kind, value, and the seeds of the records that have it, "" if all have."""
    for kind, value_of in MADE_WITH.items():
        groups = by_value(cell.records, value_of)
        for value, those in groups.items():
            seeds = format_seeds(tuple(record.spec["seed"] for record in those))
            yield kind, value, seeds if len(groups) > 1 else ""


def groups(columns: tuple[Column[Any], ...]) -> list[tuple[str, int]]:
    """Headings above the headings, with the number of columns below each."""
    return [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]


def classes_of(column: Column[Any], field: Entry) -> str:
    """The classes of a field in the style sheet."""
    outcome = "not run" if field.text == NOT_RUN else field.outcome
    return " ".join(filter(None, ("" if column.align == "right" else column.align, css(outcome))))


def css(outcome: str) -> str:
    """The class of an outcome."""
    return outcome.replace(" ", "-")


# What templates call.
_FUNCTIONS: tuple[Callable[..., Any], ...] = (
    anchor,
    classes_of,
    commands,
    css,
    duration,
    facts,
    groups,
    made_with,
    measured_text,
    ranked_text,
    runs,
    settings,
    sources,
    tables_of,
)
