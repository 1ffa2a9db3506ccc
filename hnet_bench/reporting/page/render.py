"""The page from reports and figures: one HTML file, with its style, its script and its pictures inside."""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from typing import Any

from hnet_bench.reporting.appendix import TITLE, Section
from hnet_bench.reporting.grid import Column, Entry, Grid
from hnet_bench.reporting.grids import SYMBOLS, grids_of
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.page.cells import RUN_HEADINGS, Behind, behind
from hnet_bench.reporting.page.data_uri import data_uri, size_of
from hnet_bench.reporting.standing import Standing, standing
from hnet_bench.reporting.tables import NOT_RUN, duration, made_with, reported_sources


@dataclass(frozen=True, kw_only=True)
class _Picture:
    title: str
    uri: Any  # markup: escaped already
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class _TableView:
    """One table of the page. Tables without a record have a line in the overview and nothing else."""

    report: Report
    standing: Standing
    grids: list[Grid]
    pictures: list[_Picture]
    cells: list[Behind]
    lists: list[tuple[str, list[str]]]


def page(reports: Sequence[Report], figures: Sequence[Mapping[str, bytes]], appendix: Sequence[Section]) -> str:
    """The page of these tables; `figures` has the SVGs of each by their titles."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hnet_bench.reporting.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    style, script = _asset("style.css"), _asset("script.js")
    return environment.get_template("page.html").render(
        views=[_view(report, pictures) for report, pictures in zip(reports, figures, strict=True)],
        appendix=appendix,
        appendix_title=TITLE,
        style=style,
        script=script,
        policy=_policy(str(style), str(script)),
        run_headings=RUN_HEADINGS,
        symbols=SYMBOLS,
        duration=duration,
        command=lambda report: shlex.join(["hnet-bench", "run", report.command]),
        groups=_groups,
        anchor=anchor,
        classes_of=_classes,
        scenario_of=_scenario,
    )


def anchor(report: Report, key: str) -> str:
    """The id of what belongs to a table: its section (""), a grid, or what stands behind a cell."""
    # Other characters would stand in links in another form than in ids.
    return re.sub(r"[^\w./-]", lambda found: f"_{ord(found[0]):x}_", f"{report.name}/{key}" if key else report.name)


def _view(report: Report, figures: Mapping[str, bytes]) -> _TableView:
    return _TableView(
        report=report,
        standing=standing(report),
        grids=grids_of(report),
        pictures=[_picture(title, content) for title, content in figures.items()],
        cells=behind(report),
        lists=[
            ("How the reported numbers are known", reported_sources(report.states)),
            ("What the records were made with", made_with(report.states)),
        ],
    )


def _picture(title: str, svg: bytes) -> _Picture:
    from markupsafe import Markup

    width, height = size_of(svg)
    return _Picture(title=title, uri=Markup(data_uri(svg)), width=width, height=height)


def _asset(name: str) -> Any:
    from markupsafe import Markup

    return Markup((resources.files("hnet_bench.reporting.page") / "templates" / name).read_text(encoding="utf-8"))


def _policy(style: str, script: str) -> str:
    """What the page may load: its own style and script, known by their sums, and pictures that stand in it."""
    sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; img-src data:; style-src 'sha256-{sums[0]}'; script-src 'sha256-{sums[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _groups(columns: tuple[Column, ...]) -> list[tuple[str, int]]:
    """Headings above the headings, with the number of columns below each."""
    return [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]


def _classes(column: Column, entry: Entry) -> str:
    aligned = {"left": "left", "right": "", "center": "center"}[column.align]
    outcome = "not run" if entry.text == NOT_RUN else entry.outcome or ""
    return " ".join(filter(None, (aligned, outcome.replace(" ", "-"))))


def _scenario(entry: Entry) -> str:
    """The scenario of the cell behind an entry, "" if there is none."""
    return entry.cell.rpartition("/")[2]
