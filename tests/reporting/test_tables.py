"""From states of cells to text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.papers.table import Cell, Reported
from hnet_bench.reporting.tables import (
    details,
    duration,
    legend,
    measured_text,
    percent,
    reported_sources,
    reported_text,
    result_rows,
    scenarios,
)
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec

SpecOf = Callable[..., RunSpec]
RecordOf = Callable[..., Record]

PAPER = Reported(mean=0.6948, spread=0.008, spread_kind="sem", n=20, known="verified", note="read in the paper")


def state(
    row: str = "a",
    scenario: Scenario = Scenario.CLASS,
    spec: RunSpec | None = None,
    records: Sequence[Record] = (),
    reported: Reported | None = None,
) -> CellState:
    cell = Cell(
        table="t",
        row=row,
        label=row.upper(),
        scenario=scenario,
        benchmark={},
        protocol={},
        strategy="s",
        hyperparameters={},
        reported=reported,
    )
    return CellState(cell=cell, spec=spec, planned_seeds=(1, 2), failed_seeds=(), records=tuple(records))


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.6948, "69.48"), (1.0, "100.00"), (0.0, "0.00"), (-1e-9, "0.00"), (-0.0123, "-1.23"), (1 / 3, "33.33")],
)
def test_percent_has_two_decimals(fraction: float, text: str) -> None:
    assert percent(fraction) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_durations_are_rounded_to_what_matters(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_measured_gives_mean_spread_and_number_of_seeds(spec_of: SpecOf, record_of: RecordOf) -> None:
    spec = spec_of()
    records = [record_of(spec.with_seed(seed), score=[[accuracy]]) for seed, accuracy in ((1, 0.5), (2, 0.7))]
    assert measured_text(state(spec=spec, records=records)) == "60.00 ± 10.00 (2)"
    assert measured_text(state(spec=spec, records=records[:1])) == "50.00 (1)"
    assert measured_text(state(spec=spec)) == "not run"
    assert measured_text(state(spec=None)) == "not run"


def test_reported_numbers_carry_a_mark_of_how_they_are_known() -> None:
    assert reported_text(PAPER) == "69.48 ± 0.80"
    assert reported_text(Reported(mean=0.5, known="second-hand")) == "50.00‡"
    assert reported_text(Reported(mean=0.5, spread=0.001, known="recalled")) == "50.00 ± 0.10†"
    assert reported_text(None) == ""


def test_the_legend_explains_the_marks_that_occur_and_no_others() -> None:
    assert len(legend([state()])) == 1
    lines = "\n".join(legend([state(reported=PAPER), state(reported=Reported(mean=0.5, known="recalled"))]))
    assert "mean or mean ± SEM over 20 seeds" in lines
    assert "†" in lines
    assert "‡" not in lines


def test_rows_gather_their_scenarios_in_order() -> None:
    states = [state("b"), state("a", Scenario.TASK), state("a")]
    rows = result_rows(states)
    assert [(row.name, row.label, [cell.scenario for cell in row.cells]) for row in rows] == [
        ("b", "B", ["CL3"]),
        ("a", "A", ["CL1", "CL3"]),
    ]
    assert rows[0].cell("CL1") is None
    assert scenarios(states) == ["CL1", "CL3"]


def test_reported_sources_name_the_cells_of_each() -> None:
    recalled = Reported(mean=0.5, known="recalled")
    states = [state("a", Scenario.TASK, reported=recalled), state("a", reported=PAPER), state("b", reported=recalled)]
    assert reported_sources(states) == ["recalled: A CL1; B CL3", "verified (read in the paper): A CL3"]


def test_details_are_means_over_seeds(spec_of: SpecOf, record_of: RecordOf) -> None:
    spec = spec_of()
    changes: list[dict[str, Any]] = [
        {"score": [[0.9, 0.1], [0.5, 0.7]], "task_inference": [[1.0, 0.0], [0.6, 0.8]], "diagnostics": {"nan": 4}},
        {"score": [[1.0, 0.1], [0.8, 0.8]], "task_inference": [[1.0, 0.0], [0.7, 0.9]], "diagnostics": {"nan": 1}},
    ]
    records = [record_of(spec.with_seed(seed), **change) for seed, change in enumerate(changes, start=1)]
    (found,) = details([state(spec=spec, records=records), state(spec=spec)])
    assert (found.seeds, found.during, found.final, found.forgetting) == ("1-2", "85.00", "70.00", "30.00")
    assert (found.task_inference, found.diagnostics) == ("75.00", "nan 2.5")
    assert (found.trained_parameters, found.compression_ratio, found.seconds) == ("1,200", "1.200", "2.2")


def test_what_a_method_does_not_have_is_left_empty(spec_of: SpecOf, record_of: RecordOf) -> None:
    spec = spec_of()
    (found,) = details([state(spec=spec, records=[record_of(spec)])])
    assert (found.task_inference, found.diagnostics) == ("", "")
