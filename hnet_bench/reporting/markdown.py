"""A report as a Markdown page. The same records and papers give the same bytes, so no page holds a date."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from hnet_bench.reporting.appendix import TITLE, Section
from hnet_bench.reporting.grid import Entry, Grid
from hnet_bench.reporting.grids import grids_of
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.standing import standing
from hnet_bench.reporting.tables import made_with, reported_sources

_RULES = {"left": "---", "right": "---:", "center": ":---:"}


def page(report: Report, *, figures: Mapping[str, str] | None = None) -> str:
    """The page of a table: measured beside reported, verdicts, details, and where all of it comes from.

    `figures` are the names of images beside the page, by their titles; the first one stands on top.
    """
    first, *others = (f"![{title}]({name})" for title, name in figures.items()) if figures else [""]
    parts = [f"# {report.title}"]
    parts += [f"Source: {report.source}."] if report.source else []
    parts += [report.note] if report.note else []
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
    if how.done < how.planned:
        return f"To run what is missing: `hnet-bench run {report.command}`."
    if how.stale:
        return f"All planned runs are done. To renew those marked §: `hnet-bench run {report.command} --rerun-stale`."
    return f"All planned runs are done; `hnet-bench run {report.command} --results elsewhere` does them anew."


def appendix_page(sections: Sequence[Section]) -> str:
    """The page of the reproducibility appendix."""
    parts = [f"# {TITLE}"]
    for section in sections:
        parts += [f"## {section.heading}"]
        parts += [section.text] if section.text else []
        parts += [table(section.grid)] if section.grid else []
        parts += [bullets(section.items)] if section.items else []
    return "\n\n".join(parts) + "\n"


def table(grid: Grid) -> str:
    """A Markdown table; a group of columns stands in the headings of its members."""
    header = [" ".join(filter(None, (column.group, column.heading))) for column in grid.columns]
    rule = [_RULES[column.align] for column in grid.columns]
    body = [[_field(entry) for entry in row] for row in grid.rows]
    return "\n".join(_line(line) for line in ([_escape(text) for text in header], rule, *body))


def _field(entry: Entry) -> str:
    return f"**{_escape(entry.text)}**" if entry.best else _escape(entry.text)


def _line(fields: Sequence[str]) -> str:
    return "| " + " | ".join(fields) + " |"


def bullets(lines: Iterable[str]) -> str:
    """A list, one item for each line."""
    return "\n".join(f"- {line}" for line in lines)


def _escape(text: str) -> str:
    """Text as it is to be read; an underscore within a word is one anyway."""
    return re.sub(r"[\\|*`<]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
