"""A report as a Markdown page. The same records and papers give the same bytes, so no page holds a date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from hnet_bench.reporting.grid import Entry, Grid
from hnet_bench.reporting.grids import grids_of
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.tables import made_with, reported_sources

_RULES = {"left": "---", "right": "---:", "center": ":---:"}


def page(report: Report, *, picture: str | None = None) -> str:
    """The page of a table: measured beside reported, verdicts, details, and where all of it comes from.

    `picture` is the name of an image beside the page.
    """
    parts = [f"# {report.title}"]
    parts += [f"Source: {report.source}."] if report.source else []
    parts += [report.note] if report.note else []
    parts += [f"![Measured and reported numbers]({picture})"] if picture else []
    for grid in grids_of(report):
        parts += [f"## {grid.title}", _table(grid), _bullets(grid.notes)]
    known = reported_sources(report.states)
    if known:
        parts += ["## How the reported numbers are known", _bullets(known)]
    made = made_with(report.states)
    if made:
        parts += ["## What the records were made with", _bullets(made)]
    return "\n\n".join([*parts, f"To run what is missing: `hnet-bench run {report.command}`."]) + "\n"


def _table(grid: Grid) -> str:
    """A Markdown table; a group of columns stands in the headings of its members."""
    header = [" ".join(filter(None, (column.group, column.heading))) for column in grid.columns]
    rule = [_RULES[column.align] for column in grid.columns]
    body = [[_field(entry) for entry in row] for row in grid.rows]
    return "\n".join(_line(line) for line in ([_escape(text) for text in header], rule, *body))


def _field(entry: Entry) -> str:
    return f"**{_escape(entry.text)}**" if entry.best else _escape(entry.text)


def _line(fields: Sequence[str]) -> str:
    return "| " + " | ".join(fields) + " |"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _escape(text: str) -> str:
    """Text as it is to be read; an underscore within a word is one anyway."""
    return re.sub(r"[\\|*`<]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
