"""A table of results as a Markdown page. The same records and papers give the same bytes, so no page holds a date."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hnet_bench.papers.table import Table
from hnet_bench.reporting.tables import (
    Details,
    ResultRow,
    details,
    legend,
    made_with,
    reported_sources,
    result_rows,
    scenarios,
)
from hnet_bench.runs.plan import CellState

# Heading of each column and the field of `Details` that it shows.
_DETAIL_COLUMNS = {
    "": "label",
    "Scenario": "scenario",
    "Seeds": "seeds",
    "During": "during",
    "Final": "final",
    "Forgetting": "forgetting",
    "Task inference": "task_inference",
    "Trained parameters": "trained_parameters",
    "Compression ratio": "compression_ratio",
    "Seconds per run": "seconds",
    "Diagnostics": "diagnostics",
}
_DETAIL_LEGEND = """\
Means over seeds. During: accuracy on each experience right after training on it, in percent. Final: after the last \
one. Forgetting: best earlier accuracy minus the final one, in percentage points. Task inference: how often the task \
was inferred right after the last experience, in percent. Compression ratio: trained parameters over those of the \
network that classifies. Seconds depend on the machine."""


def page(table: Table, states: Sequence[CellState], *, command: str, picture: str | None = None) -> str:
    """The page of a table: what is measured beside what is reported, then the details of each measured cell.

    `command` is how the command line calls the table, `picture` the name of an image beside the page.
    """
    parts = [f"# {table.title}"]
    parts += [f"Source: {table.source}."] if table.source else []
    parts += [table.note.strip()] if table.note else []
    parts += [f"![Measured and reported accuracy]({picture})"] if picture else []
    parts += ["## Accuracy in percent", _results(result_rows(states), scenarios(states)), _bullets(legend(states))]
    found = details(states)
    if found:
        parts += ["## Details", _details(found), _DETAIL_LEGEND]
    known = reported_sources(states)
    if known:
        parts += ["## How the reported numbers are known", _bullets(known)]
    made = made_with(states)
    if made:
        parts += ["## What the records were made with", _bullets(made)]
    return "\n\n".join([*parts, f"To run what is missing: `hnet-bench run {command}`."]) + "\n"


def _results(rows: Sequence[ResultRow], columns: Sequence[str]) -> str:
    any_reported = any(cell.reported for row in rows for cell in row.cells)
    kinds = ("measured", "reported") if any_reported else ("measured",)
    header = ["", *(f"{scenario} {kind}" for scenario in columns for kind in kinds)]
    body = [
        [row.label, *(getattr(row.cell(scenario), kind, "") for scenario in columns for kind in kinds)] for row in rows
    ]
    return _grid(header, body, left=1)


def _details(found: Sequence[Details]) -> str:
    # A column that is empty throughout says nothing.
    columns = {
        heading: name for heading, name in _DETAIL_COLUMNS.items() if any(getattr(entry, name) for entry in found)
    }
    return _grid(list(columns), [[getattr(entry, name) for name in columns.values()] for entry in found], left=2)


def _grid(header: Sequence[str], body: Iterable[Sequence[str]], *, left: int) -> str:
    """A Markdown table; its first `left` columns are aligned to the left, the others to the right."""
    rule = ["---" if index < left else "---:" for index in range(len(header))]
    return "\n".join("| " + " | ".join(_escape(text) for text in line) + " |" for line in (header, rule, *body))


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
