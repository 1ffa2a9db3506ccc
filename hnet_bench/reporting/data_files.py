"""A report as data: JSON with everything, CSV with one line for each cell. Scores are fractions, never rounded.

What comes out of a statistical library is given with six digits, since its last ones differ between versions.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from hnet_bench.config import to_settings
from hnet_bench.interfaces import Settings
from hnet_bench.metrics import Summary
from hnet_bench.reporting.model import Measured, Report, ReportCell
from hnet_bench.reporting.tables import made_with
from hnet_bench.reporting.verdicts import Verdict

_SUMMARIES = ("final", "during", "forgetting", "task_inference", "seconds", "peak_memory_bytes")
_REPORTED = ("mean", "spread", "spread_kind", "n", "margin", "known", "note", "reason")
_VERDICT = ("outcome", "difference", "interval_low", "interval_high", "p_reproduced")

# Of the CSV: paths in the JSON of a cell.
COLUMNS = (
    *("row", "label", "scenario", "benchmark", "planned", "failed", "rank"),
    *(f"measured.{name}.{number}" for name in _SUMMARIES for number in ("mean", "sem", "n")),
    *("measured.trained_parameters", "measured.compression_ratio", "measured.stale_seeds"),
    *(f"reported.{name}" for name in _REPORTED),
    *(f"verdict.{name}" for name in (*_VERDICT, "seeds_if_equal", "seeds_if_observed")),
)


def as_json(report: Report) -> str:
    """The whole report as one JSON object."""
    content = {
        "table": report.name,
        "title": report.title,
        "source": report.source,
        "note": report.note,
        "unit": report.unit,
        "better": report.better,
        "made_with": made_with(report.states),
        "cells": [cell_json(cell) for cell in report.cells],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def as_csv(report: Report) -> str:
    """One line for each cell and the same columns for every table; what is not there is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(path.replace(".", "_") for path in COLUMNS)
    for cell in report.cells:
        content = cell_json(cell)
        writer.writerow(_field(_at(content, path)) for path in COLUMNS)
    return buffer.getvalue()


def cell_json(cell: ReportCell) -> Settings:
    """One cell as JSON; the same keys for every cell."""
    return {
        "row": cell.row,
        "label": cell.label,
        "scenario": cell.scenario,
        "benchmark": cell.benchmark,
        "planned": cell.planned,
        "failed": cell.failed,
        "rank": cell.rank or None,
        "measured": _measured(cell.measured) if cell.measured else None,
        "reported": to_settings(cell.reported) if cell.reported else None,
        "verdict": _verdict(cell.verdict) if cell.verdict else None,
    }


def _measured(measured: Measured) -> Settings:
    return {
        "final": _summary(measured.final),
        "during": _summary(measured.during),
        "forgetting": _summary(measured.forgetting),
        "stale_seeds": list(measured.stale_seeds),
        **({"unknown_seeds": list(measured.unknown_seeds)} if measured.unknown_seeds else {}),
        **({"departed_seeds": list(measured.departed_seeds)} if measured.departed_seeds else {}),
        "task_inference": _summary(measured.task_inference),
        "trained_parameters": measured.trained_parameters,
        "compression_ratio": measured.compression_ratio,
        "seconds": _summary(measured.seconds),
        "peak_memory_bytes": _summary(measured.peak_memory_bytes),
        "diagnostics": dict(measured.diagnostics),
        "runs": [
            {"seed": seed, "final": score, "record": path}
            for (seed, score), path in zip(measured.scores.items(), measured.records, strict=True)
        ],
    }


def _summary(summary: Summary | None) -> Settings | None:
    return None if summary is None else {"mean": summary.mean, "sem": summary.sem, "n": summary.n}


def _verdict(verdict: Verdict) -> Settings:
    low, high = verdict.interval or (None, None)
    return {
        "outcome": verdict.outcome,
        "margin": verdict.margin,
        "seeds": verdict.seeds,
        "difference": _digits(verdict.difference),
        "interval_low": _digits(low),
        "interval_high": _digits(high),
        "p_reproduced": _digits(verdict.p_reproduced),
        "seeds_if_equal": verdict.seeds_if_equal,
        "seeds_if_observed": verdict.seeds_if_observed,
        "reported_exactly": verdict.reported_exactly,
        "known": verdict.known,
    }


def _digits(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.6g}")


def _field(value: Any) -> Any:
    """A list as its items with spaces between them."""
    return " ".join(str(item) for item in value) if isinstance(value, list) else value


def _at(content: Any, path: str) -> Any:
    """What stands at a dotted path, None where the path ends early."""
    for key in path.split("."):
        content = content.get(key) if content else None
    return content
