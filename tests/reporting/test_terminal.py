"""What is printed in a terminal of any width: names that are to be typed again and verdicts stand whole."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.provenance import traced
from hnet_bench.reporting.terminal import TABLES, print_results, print_table, print_verdicts, traced_columns
from hnet_bench.reporting.text import PERCENT
from hnet_bench.reporting.text_table import text_table

WIDTHS = (60, 80, 100, 200)
LONG = "_of_which_the_name_is_longer_than_anybody_would_wish"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Calls a function with a terminal as the standard output; the lines that it prints."""

    def call(width: int, function: Callable[..., None], *arguments: Any) -> list[str]:
        for name, value in {"COLUMNS": str(width), "TERM": "xterm", "NO_COLOR": "1"}.items():
            monkeypatch.setenv(name, value)
        terminal = Terminal()
        monkeypatch.setattr("sys.stdout", terminal)
        function(*arguments)
        lines = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue()).splitlines()
        return [line.rstrip() for line in lines]

    return call


def renamed(report: Report, suffix: str) -> Report:
    cells = tuple(
        replace(one, cell=replace(one.cell, row=one.row + suffix, label=one.label + suffix)) for one in report.cells
    )
    return replace(report, cells=cells)


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_and_verdicts_stand_in_one_line_and_none_is_too_long(
    width: int, rich_report: Report, shown: Callable[..., list[str]]
) -> None:
    verdicts = shown(width, print_verdicts, rich_report)
    results = shown(width, print_results, rich_report.table, rich_report.cells)
    assert max(map(len, verdicts + results)) <= width
    for cell in rich_report.cells:
        if cell.verdict and cell.summary:
            for lines, text in ((verdicts, cell.verdict.outcome), (results, PERCENT.text(cell.summary.mean))):
                (line,) = (one for one in lines if re.match(rf"\W+{cell.row} .*{cell.scenario}", one))
                assert text in re.split(r"[ †‡]", line)


def test_verify_and_status_begin_with_the_same_names(rich_report: Report, shown: Callable[..., list[str]]) -> None:
    verdicts = shown(200, print_verdicts, rich_report)
    results = shown(200, print_results, rich_report.table, rich_report.cells)
    assert verdicts[2].split()[:3] == results[2].split()[:3] == ["Row", "Label", "Scenario"]


@pytest.mark.parametrize("width", WIDTHS)
def test_long_names_are_never_broken(width: int, rich_report: Report, shown: Callable[..., list[str]]) -> None:
    report = renamed(rich_report, LONG)
    lines = shown(width, print_verdicts, report)
    judged = [cell for cell in report.cells if cell.records and cell.verdict]
    assert sum(cell.row in line.split() for cell in judged for line in lines) >= len(judged)
    for outcome in {cell.verdict.outcome for cell in judged if cell.verdict}:
        assert any(re.search(rf"\b{outcome}\b", line) for line in lines), outcome


def test_columns_of_lesser_weight_are_left_out_by_name(rich_report: Report, shown: Callable[..., list[str]]) -> None:
    lines = shown(80, print_verdicts, rich_report)
    assert "A wider terminal also shows: Margin, Seeds if equal, Label." in lines
    assert "Margin" not in lines[2]
    assert not any("A wider" in line for line in shown(200, print_verdicts, rich_report))


@pytest.mark.parametrize("width", WIDTHS)
def test_names_of_tables_and_run_ids_of_the_shipped_records(
    width: int, shown: Callable[..., list[str]], tmp_path: Path
) -> None:
    from hnet_bench import api

    listed = api.progress(results=tmp_path)
    lines = shown(width, print_table, text_table(TABLES, listed))
    words = {word for line in lines for word in line.split()}
    assert {word for one in listed for word in (one.name, *one.title.split())} <= words
    assert max(map(len, lines)) <= width
    # Columns that are not there are named.
    assert {"Done", "Planned"} <= set(" ".join(lines).replace(",", "").replace(".", "").split())
    results = Path(__file__).parents[2] / "results"
    chosen = api.select("von_oswald_2020_table_1", rows="split_hnet_ent", scenarios="CL3", results=results)
    found = traced(chosen.states[0])
    lines = shown(width, print_table, text_table(traced_columns(PERCENT), found))
    assert {one.record.run_id for one in found} <= {word for line in lines for word in line.split()}


def test_where_there_is_no_terminal_everything_is_printed(
    rich_report: Report, capsys: pytest.CaptureFixture[str]
) -> None:
    print_verdicts(renamed(rich_report, 3 * LONG))
    out = capsys.readouterr().out
    assert "A wider terminal" not in out
    assert all(heading in out for heading in ("Row", "Label", "Margin", "Seeds if equal"))
    assert f"good{3 * LONG} " in out
