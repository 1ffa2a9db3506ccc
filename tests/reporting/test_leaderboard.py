"""The boards of methods across benchmarks: what stands in a column, and which ranks are comparable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.interfaces import Settings
from hnet_bench.papers.table import parse_table
from hnet_bench.reporting.cells import Report, build_report
from hnet_bench.reporting.leaderboard import boards
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store

Rows = dict[str, tuple[Settings, Sequence[float]]]  # cells by their names, with the final accuracies of seeds 1, 2, ...
REPORTED = {"mean": 50.0, "known": "verified", "note": "read"}


def method(strategy: str, *, scenario: str = "CL3", **more: Any) -> Settings:
    """A row with one cell, whose number a paper reports."""
    return {"settings": "all", scenario: {"strategy": strategy, "reported": REPORTED}, **more}


@pytest.fixture
def report_of(tmp_path: Path, record_of: Callable[..., Record]) -> Callable[..., Report]:
    """The report of a table with these rows; all tables share a store."""
    store = Store(tmp_path / "results")

    def make(name: str, rows: Rows, *, iterations: int, benchmark: str = "synthetic", reduced: str = "") -> Report:
        content = {
            "title": name,
            "reduced": reduced,
            "settings": {"all": {"benchmark": {"name": benchmark}, "protocol": {"iterations": iterations}}},
            "rows": [{"name": row, **settings} for row, (settings, _) in rows.items()],
        }
        table = parse_table(name, content)
        for cell in table.cells:
            for seed, score in enumerate(rows[cell.row][1], start=1):
                spec = resolve_cell(cell, seed)
                if not store.has(spec):
                    store.write(spec, record_of(spec, score=[[score]]))
        return build_report(table, table_state(table, store), command=name)

    return make


LONG: Rows = {
    "ewc": (method("ewc"), [0.5] * 5),
    "si": (method("si"), [0.301, 0.302, 0.301, 0.302, 0.301]),
    "er": (method("er"), [0.901, 0.902, 0.901, 0.902, 0.901]),
    "lwf": (method("lwf"), [0.7] * 3),
    "upper": (method("joint", reference=True), [0.95] * 5),
}
SHORT: Rows = {
    "ewc": (method("ewc"), [0.201, 0.202, 0.201, 0.202, 0.201]),
    "si": (method("si"), [0.601, 0.602, 0.601, 0.602, 0.601]),
    "er": (method("er"), [0.4] * 3),
    "mas": (method("mas"), [0.99] * 2),
}


def test_a_mean_rank_is_among_those_that_are_in_all_columns(report_of: Callable[..., Report]) -> None:
    (board,) = boards([report_of("long", LONG, iterations=9), report_of("short", SHORT, iterations=5)])
    assert board.scenario == "CL3"
    first, second = board.columns
    assert (first.benchmark, first.budget, first.tables) == ("Synthetic", "9 iterations of 128 samples", ["long"])
    assert list(first.places) == ["joint", "er", "lwf", "ewc", "si"]
    assert first.counted == ["er", "lwf", "ewc", "si"]
    # The two seeds of mas, though they are the best, are too few.
    assert second.counted == ["si", "er", "ewc"]
    # er 1 and 2, ewc 2 and 3, si 3 and 1: lwf, which is not in both, does not make ewc the third of the first.
    assert board.mean_ranks == {"er": 1.5, "si": 2.0, "ewc": 2.5}
    assert board.bodies == [["er", "lwf", "ewc", "si", "mas"], ["joint"]]


def test_how_often_a_method_is_the_best_is_said_where_it_was_tested(report_of: Callable[..., Report]) -> None:
    (board,) = boards([report_of("long", LONG, iterations=9), report_of("short", SHORT, iterations=5)])
    # er has three seeds in the second column, lwf in the first.
    assert {name: board.best_of(name) for name in ("er", "si", "ewc", "lwf", "mas", "joint")} == {
        "er": (1, 1),
        "si": (1, 2),
        "ewc": (0, 2),
        "lwf": (0, 0),
        "mas": (0, 0),
        "joint": (0, 0),
    }
    ranks = {name: place.rank for name, place in board.columns[0].places.items()}
    assert ranks == {"joint": "", "er": "best", "lwf": "untested", "ewc": "", "si": ""}


def test_the_best_counts_as_tested_where_another_was_tested_against_it(report_of: Callable[..., Report]) -> None:
    rows = {**LONG, "ewc": (method("ewc"), [0.5] * 3), "si": (method("si"), [0.3] * 3)}  # er alone has five
    (board,) = boards([report_of("long", rows, iterations=7)])
    assert board.best_of("er") == (0, 0)


def test_equal_means_share_their_rank(report_of: Callable[..., Report]) -> None:
    same: Rows = {name: (method(name), [0.5] * 5) for name in ("ewc", "si")} | {"er": (method("er"), [0.6] * 5)}
    (board,) = boards([report_of("same", same, iterations=9), report_of("more", same, iterations=5)])
    assert board.mean_ranks == {"er": 1.0, "ewc": 2.5, "si": 2.5}


def test_one_column_gives_no_mean_rank(report_of: Callable[..., Report]) -> None:
    (board,) = boards([report_of("long", LONG, iterations=9)])
    assert board.mean_ranks == {}


def test_tables_with_the_same_protocol_share_a_column_and_the_first_has_the_settings(
    report_of: Callable[..., Report],
) -> None:
    stronger = method("ewc", hyperparameters={"strength": 9.0})
    others: Rows = {"other": (stronger, [0.99] * 5), "mas": (method("mas"), [0.1] * 3)}
    (board,) = boards([report_of("long", LONG, iterations=9), report_of("others", others, iterations=9)])
    (column,) = board.columns
    assert column.tables == ["long", "others"]
    assert column.places["ewc"].cell.table == "long"
    assert column.places["mas"].key == "mas/CL3"


def test_a_bound_whose_strategy_is_a_method_elsewhere_has_a_name_of_its_own(report_of: Callable[..., Report]) -> None:
    bound: Rows = {"each alone": (method("ewc", reference=True, hyperparameters={"strength": 7.0}), [0.9] * 5)}
    (board,) = boards([report_of("first", bound, iterations=9), report_of("long", LONG, iterations=9)])
    (column,) = board.columns
    assert (column.places["ewc"].key, column.places["ewc as a bound"].key) == ("ewc/CL3", "each alone/CL3")
    assert board.bodies == [["er", "lwf", "ewc", "si"], ["joint", "ewc as a bound"]]
    assert column.counted == ["er", "lwf", "ewc", "si"]


def test_what_no_paper_reports_and_what_is_reduced_does_not_stand_there(report_of: Callable[..., Report]) -> None:
    own = {"settings": "all", "CL3": {"strategy": "mas", "hyperparameters": {"strength": 3.0}}}
    (board,) = boards([report_of("long", LONG | {"own": (own, [0.99] * 5)}, iterations=9)])
    assert "mas" not in board.columns[0].places
    assert boards([report_of("less", LONG, iterations=9, reduced="9 iterations")]) == []
    assert boards([report_of("few", {name: LONG[name] for name in ("ewc", "si", "upper")}, iterations=9)]) == []


def test_an_average_moves_by_the_mean_step_of_its_experiences(tmp_path: Path, record_of: Callable[..., Record]) -> None:
    """As on split CIFAR: 1,000 images in one experience and 10 in the other. What is one answer in each is no
    difference, though it is fifty steps of the larger."""
    content = {
        "title": "Steps",
        "settings": {"all": {"benchmark": {"name": "synthetic"}, "protocol": {"iterations": 5}}},
        "rows": [{"name": name, **method(name)} for name in ("finetune", "ewc")],
    }
    table, store = parse_table("steps", content), Store(tmp_path)
    for one, final in zip(table.cells, ([0.501, 0.6], [0.5, 0.5]), strict=True):
        for seed in range(1, 7):
            spec = resolve_cell(one, seed)
            store.write(spec, record_of(spec, score=[final, final]))
    report = build_report(table, table_state(table, store), command="steps")
    assert [one.rank for one in report.cells] == ["best", "tied"]
