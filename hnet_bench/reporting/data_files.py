"""A report as data: JSON with everything, CSV with one line for each cell. Scores are fractions, never rounded.

What comes out of a statistical library is given with six digits, since its last ones differ between versions.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from hnet_bench.config import to_settings
from hnet_bench.interfaces import Settings
from hnet_bench.metrics import Summary, average_accuracy
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.measures import MEASURES
from hnet_bench.reporting.provenance import made_with
from hnet_bench.reporting.verdicts import Verdict
from hnet_bench.runs.account import ACCOUNT

# The score in the end stands first.
_SUMMARIES = dict.fromkeys(["final", *(measure.name for measure in MEASURES if measure.over_seeds)])
_REPORTED = ("mean", "spread", "spread_kind", "n", "margin", "known", "note", "reason")
_OF_CODE = ("mean", "sem", "n")
_VERDICT = ("outcome", "difference", "interval_low", "interval_high", "seeds_if_equal")

# Of the CSV: paths in the JSON of a cell.
CSV_COLUMNS = (
    *("row", "label", "scenario", "benchmark", "planned", "failed", "rank"),
    *(f"measured.{name}.{number}" for name in _SUMMARIES for number in ("mean", "sem", "n")),
    *("measured.trained_parameters", "measured.compression_ratio", "measured.stale_seeds"),
    *(f"measured.{name}" for name in ACCOUNT),
    *(f"reported.{name}" for name in _REPORTED),
    *(f"verdict.{name}" for name in _VERDICT),
    *(f"authors_code.{name}" for name in _OF_CODE),
    *(f"authors_code.verdict.{name}" for name in _VERDICT),
)


def as_json(report: Report, cells: Sequence[Settings]) -> str:
    """The whole report as one JSON object, from the JSON of its cells."""
    content = {
        "table": report.name,
        "title": report.title,
        "source": report.table.source,
        "note": report.note,
        "unit": report.table.unit,
        "better": report.table.better,
        "made_with": made_with(report.cells),
        "cells": cells,
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(cells: Sequence[Settings]) -> str:
    """A line for the JSON of each cell, with the same columns for every table; what is not there is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(path.replace(".", "_") for path in CSV_COLUMNS)
    writer.writerows([_at(cell, path) for path in CSV_COLUMNS] for cell in cells)
    return buffer.getvalue()


def cell_json(cell: ReportCell) -> Settings:
    """One cell as JSON; the same keys for every cell."""
    return {
        "row": cell.row,
        "label": cell.label,
        "scenario": cell.scenario,
        "benchmark": str(cell.cell.benchmark.get("name", "")),
        "planned": len(cell.planned_seeds),
        "failed": len(cell.failed_seeds),
        "rank": cell.rank or None,
        "measured": _measured(cell) if cell.records else None,
        "reported": to_settings(cell.reported) if cell.reported else None,
        "verdict": verdict_json(cell.verdict) if cell.verdict else None,
        "authors_code": _authors_code(cell),
    }


def _authors_code(cell: ReportCell) -> Settings | None:
    if (summary := cell.cell.by_authors_code) is None:
        return None
    verdict = verdict_json(cell.beside_code) if cell.beside_code else None
    return {**_plain(summary), "verdict": verdict, "runs": [to_settings(one) for one in cell.cell.authors_code]}


def verdict_json(verdict: Verdict) -> Settings:
    """A verdict as JSON."""
    return {
        name: float(f"{value:.6g}") if isinstance(value, float) else value
        for name, value in to_settings(verdict).items()
    }


def _measured(cell: ReportCell) -> Settings:
    found: Settings = {"final": None}  # which stands first
    for measure in MEASURES:
        value = measure.value(cell)
        # What is true of few cells only stands where it is.
        if value is not None or measure.over_seeds:
            found[measure.name] = _plain(value)
    found["runs"] = [
        {"seed": record.spec["seed"], "final": average_accuracy(record.score), "record": path}
        for record, path in zip(cell.records, cell.paths, strict=True)
    ]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Summary):
        return {"mean": value.mean, "sem": value.sem, "n": value.n}
    return list(value) if isinstance(value, tuple) else value


def _at(content: Any, path: str) -> Any:
    """What stands at a dotted path, None where the path ends early; a list as its items with spaces between them."""
    for key in path.split("."):
        content = content.get(key) if content else None
    return " ".join(map(str, content)) if isinstance(content, list) else content
