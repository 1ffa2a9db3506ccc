"""From states of cells to text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.papers.cell import Cell
from hnet_bench.papers.reported import Reported
from hnet_bench.reporting.provenance import made_with
from hnet_bench.reporting.text import (
    PERCENT,
    SCALES,
    duration,
    in_toml,
    legend,
    measured_text,
    one_line,
    reported_sources,
    reported_text,
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


@pytest.mark.parametrize("added", [0.37685, 0.37684999999999996, 0.37685000000000007])
def test_the_last_bits_of_a_mean_do_not_choose_its_text(added: float) -> None:
    assert PERCENT.text(added) == "37.69"
    assert SCALES["mse"].text(added / 1e9) == "3.77e-10"


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.6948, "69.48"), (1.0, "100.00"), (0.0, "0.00"), (-1e-9, "0.00"), (-0.0123, "-1.23"), (1 / 3, "33.33")],
)
def test_percent_has_two_decimals(fraction: float, text: str) -> None:
    assert PERCENT.text(fraction) == text


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


@pytest.mark.parametrize(
    ("provenance", "code"),
    [
        ({"commit": "0123456789", "dirty": False}, "commit 01234567"),
        ({"commit": "0123456789", "dirty": True}, "commit 01234567 with changes"),
        ({"commit": None, "dirty": None, "code_sha256": "ab" * 32}, "code abababab"),  # git did not tell
        ({}, "code not recorded"),
    ],
)
def test_the_code_of_records_is_named_by_commit_or_checksum(
    spec_of: SpecOf, record_of: RecordOf, provenance: dict[str, Any], code: str
) -> None:
    spec = spec_of()
    found = made_with([state(spec=spec, records=[record_of(spec, provenance=provenance)])])
    assert found[0] == f"Code: {code} (1 run)"


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


def test_a_scale_writes_numbers_as_its_table_does() -> None:
    assert SCALES["percent"].with_spread(0.6948, 0.008) == "69.48 ± 0.80"
    assert SCALES["fraction"].with_spread(0.6948, 0.008) == "0.6948 ± 0.0080"
    assert SCALES["mse"].with_spread(0.00123456, None) == "0.00123"
    assert SCALES["mse"].text(0.5) == "0.500"
    signed = [SCALES["percent"].signed(value) for value in (0.01, -0.01, 0.0, -1e-9)]
    assert signed == ["+1.00", "-1.00", "+0.00", "+0.00"]


def test_reported_sources_name_the_cells_of_each() -> None:
    recalled = Reported(mean=0.5, known="recalled")
    states = [state("a", Scenario.TASK, reported=recalled), state("a", reported=PAPER), state("b", reported=recalled)]
    assert reported_sources(states) == ["recalled: A CL1; B CL3", "verified (read in the paper): A CL3"]


def test_nested_settings_have_dotted_names_and_values_as_in_toml() -> None:
    settings = {"name": "hnet", "sizes": [10, 10], "inner": {"rate": 1e-05, "on": False}, "one": 1.0}
    found = {"name": "hnet", "sizes": "[10, 10]", "inner.rate": "1e-05", "inner.on": "false", "one": "1"}
    assert in_toml(settings) == found
    assert one_line({"a": 0.001, "b": True}) == "a = 0.001, b = true"
    assert in_toml({"drawn": 0.0012345678, "large": 12345678.0}) == {"drawn": "0.0012345678", "large": "12345678.0"}
