"""A report as an HTML page of its own: no scripts, nothing fetched but the picture beside it."""

from __future__ import annotations

from itertools import groupby

from hnet_bench.reporting.grid import Column, Entry
from hnet_bench.reporting.grids import grids_of
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.tables import made_with, reported_sources

_ALIGNED = {"left": "left", "right": "", "center": "center"}


def page(report: Report, *, picture: str | None = None) -> str:
    """The page of a table; `picture` is the name of an image beside it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hnet_bench.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("table.html").render(
        report=report,
        picture=picture,
        grids=grids_of(report),
        groups=_groups,
        classes_of=_classes,
        lists=[
            ("How the reported numbers are known", reported_sources(report.states)),
            ("What the records were made with", made_with(report.states)),
        ],
    )


def _groups(columns: tuple[Column, ...]) -> list[tuple[str, int]]:
    """Headings above the headings, with the number of columns below each."""
    return [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]


def _classes(column: Column, entry: Entry) -> str:
    return " ".join(filter(None, (_ALIGNED[column.align], (entry.outcome or "").replace(" ", "-"))))
