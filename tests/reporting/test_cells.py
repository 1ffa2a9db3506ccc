"""The model of a report: numbers from records, verdicts and ranks in their places."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.papers.table import Table
from hnet_bench.reporting.cells import Report, ReportCell, build_report
from hnet_bench.reporting.measures import MEASURES
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store


def cell_of(report: Report, row: str, scenario: str = "CL3") -> ReportCell:
    (cell,) = [cell for cell in report.cells if (cell.row, cell.scenario) == (row, scenario)]
    return cell


def measures(cell: ReportCell) -> dict[str, Any]:
    return {measure.name: measure.value(cell) for measure in MEASURES}


def test_numbers_are_means_over_seeds(rich_report: Report) -> None:
    measured = measures(cell_of(rich_report, "good"))
    assert measured["final"].mean == pytest.approx(0.70)
    assert measured["final"].sem == pytest.approx((2e-4 / 4 / 5) ** 0.5)
    assert measured["during"].mean == pytest.approx((0.9 + 0.705) / 2)
    assert measured["forgetting"].mean == pytest.approx(0.9 - 0.695)
    assert measured["task_inference"].mean == pytest.approx(0.6)
    # The second experience before training on it: 0.1, and 0.04 without any training.
    assert measured["forward_transfer"].mean == pytest.approx(0.06)


def test_each_number_can_be_followed_to_its_records(rich_report: Report, rich_store: Store) -> None:
    cell = cell_of(rich_report, "good")
    for seed, path in zip(cell.seeds, cell.paths, strict=True):
        assert json.loads((rich_store.root / path).read_text())["spec"]["seed"] == seed


def test_every_outcome_has_its_cell(rich_report: Report) -> None:
    found = {cell.row: cell.verdict.outcome for cell in rich_report.cells if cell.verdict}
    assert found == {
        "good": "reproduced",
        "high": "above",
        "low": "below",
        "open": "inconclusive",
        "single": "inconclusive",
        "elsewhere": "not run",
    }
    assert rich_report.outcomes == {"reproduced": 1, "above": 1, "below": 1, "inconclusive": 2, "not run": 1}
    assert cell_of(rich_report, "good", "CL1").verdict is None


def test_the_best_is_sought_among_those_that_compete(rich_report: Report) -> None:
    assert {cell.row: cell.rank for cell in rich_report.cells if cell.scenario == "CL3"} == {
        "upper": "",
        "good": "tied",
        "high": "best",
        "low": "",
        "open": "tied",
        "single": "untested",
        "elsewhere": "",
    }


def test_benchmarks_are_not_compared_with_each_other(
    rich_table: Table, rich_store: Store, record_of: Callable[..., Record]
) -> None:
    for seed in (1, 2):
        spec = resolve_cell(rich_table.cells[-1], seed)
        rich_store.write(spec, record_of(spec, score=[[1.0]]))
    report = build_report(rich_table, table_state(rich_table, rich_store), command="")
    assert cell_of(report, "high").rank == "best"
    assert cell_of(report, "elsewhere").rank == ""


def test_where_less_is_better_forgetting_is_what_the_error_grew_by(
    rich_table: Table, tmp_path: Path, record_of: Callable[..., Record]
) -> None:
    cells = tuple(replace(cell, unit="mse", better="lower") for cell in rich_table.cells if cell.row in ("good", "low"))
    table, store = replace(rich_table, cells=cells), Store(tmp_path / "errors")
    for cell, error in zip(cells[1:], (0.5, 0.1), strict=True):
        for seed in range(1, 6):
            spec = resolve_cell(cell, seed)
            store.write(spec, record_of(spec, score=[[0.02, 0.9], [0.05, error + 0.001 * seed]]))
    report = build_report(table, table_state(table, store), command="")
    assert measures(cell_of(report, "good"))["forgetting"].mean == pytest.approx(0.03)
    assert [cell_of(report, row).rank for row in ("good", "low")] == ["", "best"]
