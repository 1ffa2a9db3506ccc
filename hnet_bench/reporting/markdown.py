"""A report as a Markdown page. The same records and papers give the same bytes, so no page holds a date."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from hnet_bench.reporting.appendix import TITLE, Section
from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.provenance import made_with
from hnet_bench.reporting.report_tables import tables_of
from hnet_bench.reporting.text import code_sources, reported_sources
from hnet_bench.reporting.text_table import Entry, TextTable

# What means something anywhere, at the edge of a word, beside another of its kind, before what makes a link or an
# entity of it; and at the beginning of a line.
_SPECIAL = re.compile(r"[\\|*`<]|(?<![^\W_])_|_(?![^\W_])|~(?=~)|(?<=~)~|\](?=[(\[:])|&(?=#?\w+;)")
_FIRST = re.compile(r"^(?=[-+](?:\s|-|$)|#+(?:\s|$)|[>\[=])")
_RULES = {"left": "---", "right": "---:", "center": ":---:"}


def page(report: Report, *, figures: Mapping[str, str] | None = None) -> str:
    """The page of a table: measured beside reported, verdicts, details, and where all of it comes from.

    `figures` are the names of images beside the page, by their titles; the first one stands on top.
    """
    first, *others = (picture(title, name) for title, name in figures.items()) if figures else [""]
    parts = [f"# {escape(report.title)}"]
    parts += [f"Source: {escape(report.table.source)}."] if report.table.source else []
    parts += [escape(report.note)] if report.note else []
    parts += [first] if first else []
    for shown in tables_of(report):
        parts += [f"## {shown.title}", table(shown), bullets(shown.notes)]
    parts += ["## Figures", *others] if others else []
    parts += [part for heading, lines in sources(report).items() if lines for part in (f"## {heading}", bullets(lines))]
    return "\n\n".join([*parts, _what_to_run(report)]) + "\n"


def sources(report: Report) -> dict[str, list[str]]:
    """Where the numbers of a report come from, below a heading for each kind."""
    return {
        "How the reported numbers are known": reported_sources(report.cells),
        "How the authors' code was run": code_sources(report.cells),
        "What the records were made with": made_with(report.cells),
    }


def _what_to_run(report: Report) -> str:
    run = ["hnet-bench", "run", report.command]
    if report.done < len(report.planned):
        return f"To run what is missing: {_code(shlex.join(run))}."
    if report.stale:
        return f"All planned runs are done. To renew those marked §: {_code(shlex.join([*run, '--rerun-stale']))}."
    return f"All planned runs are done; {_code(shlex.join([*run, '--results', 'elsewhere']))} does them anew."


def appendix_page(sections: Sequence[Section]) -> str:
    """The page of the reproducibility appendix."""
    parts = [f"# {TITLE}"]
    for section in sections:
        parts += [f"## {escape(section.heading)}"]
        parts += [escape(section.text)] if section.text else []
        parts += [table(section.table)] if section.table else []
        parts += [bullets(section.items)] if section.items else []
    return "\n\n".join(parts) + "\n"


def table(shown: TextTable) -> str:
    """A Markdown table; a group of columns stands in the headings of its members."""
    header = [" ".join(filter(None, (column.group, column.heading))) for column in shown.columns]
    rule = [_RULES[column.align] for column in shown.columns]
    body = [[_field(field) for field in row] for row in shown.rows]
    return "\n".join(_line(line) for line in ([escape(text) for text in header], rule, *body))


def _field(field: Entry) -> str:
    return f"**{escape(field.text)}**" if field.best else escape(field.text)


def _line(fields: Sequence[str]) -> str:
    return "| " + " | ".join(fields) + " |"


def bullets(lines: Iterable[str]) -> str:
    """A list, one item for each line."""
    return "\n".join(f"- {escape(line)}" for line in lines)


def escape(text: str) -> str:
    """Text as it is to be read, on one line; an underscore within a word is one anyway, and brackets are brackets where
    no link can follow."""
    escaped = _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
    return _FIRST.sub(r"\\", re.sub(r"^(\d+)(?=[.)](?:\s|$))", r"\1\\", escaped))


def link(text: str, target: str) -> str:
    """A link to a file beside the page."""
    return f"[{escape(text)}]({quote(target)})"


def picture(title: str, name: str) -> str:
    """An image that stands beside the page."""
    return f"!{link(title, name)}"


def _code(text: str) -> str:
    """Text set as code, between more backticks than it has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}"
