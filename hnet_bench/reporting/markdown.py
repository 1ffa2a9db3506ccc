"""A report as a Markdown page. The same records and papers give the same bytes, so no page holds a date."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

from hnet_bench.reporting.appendix import TITLE, Section
from hnet_bench.reporting.grid import Entry, Grid
from hnet_bench.reporting.grids import grids_of
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.standing import standing
from hnet_bench.reporting.tables import made_with, reported_sources

# What means something anywhere, at the edge of a word, beside another of its kind, before what makes a link or an
# entity of it; and at the beginning of a line.
_SPECIAL = re.compile(r"[\\|*`<]|(?<!\w)_|_(?!\w)|~(?=~)|(?<=~)~|\](?=[(\[:])|&(?=#?\w+;)")
_FIRST = re.compile(r"^(?=[-+](?:\s|-|$)|#+(?:\s|$)|[>\[=])")
_RULES = {"left": "---", "right": "---:", "center": ":---:"}


def page(report: Report, *, figures: Mapping[str, str] | None = None) -> str:
    """The page of a table: measured beside reported, verdicts, details, and where all of it comes from.

    `figures` are the names of images beside the page, by their titles; the first one stands on top.
    """
    first, *others = (picture(title, name) for title, name in figures.items()) if figures else [""]
    parts = [f"# {escape(report.title)}"]
    parts += [f"Source: {escape(report.source)}."] if report.source else []
    parts += [escape(report.note)] if report.note else []
    parts += [first] if first else []
    for grid in grids_of(report):
        parts += [f"## {grid.title}", table(grid), bullets(grid.notes)]
    parts += ["## Figures", *others] if others else []
    known = reported_sources(report.states)
    if known:
        parts += ["## How the reported numbers are known", bullets(known)]
    made = made_with(report.states)
    if made:
        parts += ["## What the records were made with", bullets(made)]
    return "\n\n".join([*parts, _what_to_run(report)]) + "\n"


def _what_to_run(report: Report) -> str:
    how = standing(report)
    run = ["hnet-bench", "run", report.command]
    if how.done < how.planned:
        return f"To run what is missing: {_code(shlex.join(run))}."
    if how.stale:
        return f"All planned runs are done. To renew those marked §: {_code(shlex.join([*run, '--rerun-stale']))}."
    return f"All planned runs are done; {_code(shlex.join([*run, '--results', 'elsewhere']))} does them anew."


def appendix_page(sections: Sequence[Section]) -> str:
    """The page of the reproducibility appendix."""
    parts = [f"# {TITLE}"]
    for section in sections:
        parts += [f"## {escape(section.heading)}"]
        parts += [escape(section.text)] if section.text else []
        parts += [table(section.grid)] if section.grid else []
        parts += [bullets(section.items)] if section.items else []
    return "\n\n".join(parts) + "\n"


def table(grid: Grid) -> str:
    """A Markdown table; a group of columns stands in the headings of its members."""
    header = [" ".join(filter(None, (column.group, column.heading))) for column in grid.columns]
    rule = [_RULES[column.align] for column in grid.columns]
    body = [[_field(entry) for entry in row] for row in grid.rows]
    return "\n".join(_line(line) for line in ([escape(text) for text in header], rule, *body))


def _field(entry: Entry) -> str:
    return f"**{escape(entry.text)}**" if entry.best else escape(entry.text)


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
