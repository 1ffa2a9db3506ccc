"""Records of runs that were not evaluated on everything after each experience: nothing is drawn or printed for them
that was not measured, and all else is as ever."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hnet_bench.papers.table import parse_table
from hnet_bench.reporting import figures
from hnet_bench.reporting.cells import Report, build_report
from hnet_bench.reporting.data_files import as_csv, cell_json
from hnet_bench.reporting.figures.page import Subject, pages
from hnet_bench.reporting.measures import MEASURES, details_table
from hnet_bench.reporting.report_files import render
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store

EXPERIENCES = 21  # as many as count as many
ROWS = {"whole": "all", "sparse": "diagonal_and_final"}


def score(evaluation: str, level: float) -> list[list[float | None]]:
    """0.9 right after training, `level` later on and at the end."""
    last = EXPERIENCES - 1
    return [
        [(0.9 if i == j else level) if evaluation == "all" or i in (j, last) else None for j in range(EXPERIENCES)]
        for i in range(EXPERIENCES)
    ]


@pytest.fixture
def subject(tmp_path: Path, record_of: Callable[..., Record]) -> Subject:
    settings = {
        name: {
            "benchmark": {"name": "synthetic", "experiences": EXPERIENCES},
            "protocol": {"iterations": 5, "evaluation": evaluation},
        }
        for name, evaluation in ROWS.items()
    }
    rows = [{"name": name, "settings": name, "CL1": {"strategy": "finetune"}} for name in ROWS]
    table = parse_table("many", {"title": "Many", "seeds": "1-3", "settings": settings, "rows": rows})
    store = Store(tmp_path / "results")
    for cell in table.cells:
        for seed in (1, 2, 3):
            spec = resolve_cell(cell, seed)
            matrix = score(ROWS[cell.row], 0.5 + seed / 10)
            seconds = {"train": [1.0] * EXPERIENCES, "evaluate": [0.1] * EXPERIENCES, "total": 23.1}
            store.write(spec, record_of(spec, score=matrix, seconds=seconds))
    return Subject(table=table, states=table_state(table, store), command="many.toml")


@pytest.fixture
def report(subject: Subject) -> Report:
    return build_report(subject.table, subject.states, command="many.toml")


def test_all_but_forgetting_is_the_same(report: Report) -> None:
    whole, sparse = ({measure.name: measure.value(cell) for measure in MEASURES} for cell in report.cells)
    assert (sparse["final"], sparse["during"]) == (whole["final"], whole["during"])
    assert whole["forgetting"].mean == pytest.approx(0.9 - 0.7)
    assert sparse["forgetting"] is None


def test_tables_and_data_say_not_measured_rather_than_a_number(report: Report) -> None:
    grid = details_table(report)
    assert grid is not None
    column = [one.heading for one in grid.columns].index("Forgetting")
    assert [line[column].text for line in grid.rows] == ["20.00", "not measured"]
    assert any("Forgetting is not measured where" in note for note in grid.notes)
    cells = [cell_json(cell) for cell in report.cells]
    assert [cell["measured"]["forgetting"] is None for cell in cells] == [False, True]
    lines = list(csv.DictReader(StringIO(as_csv(cells))))
    assert [line["measured_forgetting_mean"] for line in lines][1] == ""


def curves(axes: Axes) -> list[int]:
    """The lengths of the lines that are drawn."""
    return [len(line.get_xdata()) for line in axes.lines if len(line.get_xdata())]


def test_figures_show_what_there_is(subject: Subject) -> None:
    assert curves(figures.learning_curves(subject.scores, ax=Figure().subplots())) == [EXPERIENCES]
    assert curves(figures.many_tasks(subject.scores, ax=Figure().subplots())) == [EXPERIENCES] * 2
    assert [panel.label for panel in pages(subject)["matrices"].panels] == ["whole"]


def test_without_any_whole_matrix_there_are_neither_curves_nor_matrices(subject: Subject) -> None:
    only = Subject(table=subject.table, states=subject.states[1:], command="many.toml")
    assert list(pages(only)) == ["comparison", "many-tasks", "step-time"]


def test_every_format_is_rendered(report: Report) -> None:
    files = render([report], {}, listed=[report])
    assert {"many.md", "many.tex", "many.csv", "many.json", "index.html"} <= set(files)
    assert "not measured" in files["many.md"].decode()
