"""Subjects of figures: cells with records and arrays that are made up, in a store of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy
import pytest

from hnet_bench.papers.table import parse_table
from hnet_bench.reporting.figures.page import Subject
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store


@pytest.fixture
def subject_of(tmp_path: Path, record_of: Callable[..., Record]) -> Callable[..., Subject]:
    """Makes a subject of rows: name -> scenario -> score matrices, one for each of the seeds 1, 2, ...

    `strategy` is that of all rows, `hyperparameters` are those of each, `references` are bounds; `reported` is what is
    reported for each scenario, `ratios` are the compression ratios of rows, `arrays` are kept beside the first record
    of each cell, `on_table` are attributes of the table, `protocol` and `seconds` are those of all records.
    """

    def make(
        rows: Mapping[str, Mapping[str, Sequence[Any]]],
        *,
        strategy: str = "finetune",
        hyperparameters: Mapping[str, Mapping[str, Any]] | None = None,
        references: Sequence[str] = (),
        reported: Mapping[str, Any] | None = None,
        ratios: Mapping[str, float] | None = None,
        inferred: Any = None,
        arrays: Mapping[str, numpy.ndarray] | None = None,
        benchmark: Mapping[str, Any] | None = None,
        on_table: Mapping[str, Any] | None = None,
        protocol: Mapping[str, Any] | None = None,
        seconds: Mapping[str, Any] | None = None,
    ) -> Subject:
        content: dict[str, Any] = {"title": "A table that is made up", "seeds": "1-2", "settings": {}, "rows": []}
        for index, (row, scenarios) in enumerate(rows.items()):
            # Rows of the same spec would share their records.
            content["settings"][row] = {
                "benchmark": dict(benchmark or {"name": "synthetic"}),
                "protocol": {"iterations": 5 if hyperparameters else 5 + index, **(protocol or {})},
            }
            cells = {
                scenario: {"strategy": strategy, "hyperparameters": dict((hyperparameters or {}).get(row, {}))}
                | ({"reported": reported[scenario]} if scenario in (reported or {}) else {})
                for scenario in scenarios
            }
            content["rows"].append(
                {"name": row, "label": f"Row {row}", "settings": row, "reference": row in references, **cells}
            )
        table, store = parse_table("made_up", content), Store(tmp_path / "results")
        for cell in table.cells:
            for seed, score in enumerate(rows[cell.row][cell.scenario.label], start=1):
                spec = resolve_cell(cell, seed=seed)
                parameters = {"trained": 100, "target": 100, "compression_ratio": (ratios or {}).get(cell.row, 1.0)}
                took = dict(seconds or {"train": [1.0] * len(score), "evaluate": [0.1] * len(score), "total": 9.0})
                record = record_of(spec, score=score, parameters=parameters, task_inference=inferred, seconds=took)
                store.write(spec, record, _archive(arrays) if arrays and seed == 1 else None)
        states = table_state(table, store)
        return Subject(table=replace(table, **(on_table or {})), states=states, command="made_up")

    return make


def _archive(arrays: Mapping[str, numpy.ndarray]) -> bytes:
    buffer = BytesIO()
    numpy.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
