"""The frames that figures are drawn from."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from scipy import stats

from hnet_bench.papers.table import Table, parse_table
from hnet_bench.reporting.frames import cells, scores, trials
from hnet_bench.reporting.statistics import LEVEL
from hnet_bench.runs.plan import CellState, table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store

SPLIT: dict[str, Any] = {
    "benchmark": {"name": "split_mnist", "class_order": "fixed"},
    "protocol": {"iterations": 10},
}
REPORTED = {
    "mean": 70.0,
    "spread": 0.02,
    "spread_kind": "sem",
    "n": 5,
    "margin": 1.0,
    "known": "verified",
    "note": "read",
}


def table_of(rows: list[dict[str, Any]]) -> Table:
    return parse_table("made_up", {"title": "Made up", "seeds": "1", "settings": {"split": SPLIT}, "rows": rows})


def row(name: str, label: str = "", *, strategy: str = "finetune", **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "settings": "split", "CL1": {"strategy": strategy, **more}}


def states_of(rows: list[dict[str, Any]]) -> list[CellState]:
    return table_state(table_of(rows), Store(Path("nowhere")))


def test_a_score_has_a_line_and_its_cell_beside_it(tmp_path: Path, record_of: Callable[..., Record]) -> None:
    table, store = table_of([row("a", "Split MNIST, HNET", reported=REPORTED)]), Store(tmp_path)
    seconds = {"train": [2.0, 4.0], "evaluate": [1.0, 1.0], "total": 8.0}
    for seed in (1, 2):
        spec = resolve_cell(table.cells[0], seed)
        inferred = [[1.0, 0.0], [0.5, 0.25]]
        record = record_of(spec, score=[[0.9, 0.1], [0.5, 0.7]], task_inference=inferred, seconds=seconds)
        store.write(spec, record)
    frame = scores(table_state(table, store))
    first = frame[frame["seed"] == 1]
    assert json.loads(first[["after", "experience", "score", "inferred", "step_seconds"]].to_json(orient="values")) == [
        [1, 1, 0.9, 1.0, 0.2],
        [1, 2, 0.1, 0.0, 0.2],
        [2, 1, 0.5, 0.5, 0.4],
        [2, 2, 0.7, 0.25, 0.4],
    ]
    (facts,) = frame[["row", "label", "method", "title", "mean", "n", "reported"]].drop_duplicates().to_numpy().tolist()
    assert facts == ["a", "Split MNIST, HNET", "HNET", "Split MNIST", pytest.approx(0.6), 2, 0.7]


def test_the_time_of_a_step_is_that_of_the_experiences_own_number_of_steps(
    tmp_path: Path, record_of: Callable[..., Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SPLIT, "protocol", {"iterations": 10, "later_iterations": 5})
    table, store = table_of([row("a", strategy="hnet_conv")]), Store(tmp_path)
    spec = resolve_cell(table.cells[0], 1)
    store.write(spec, record_of(spec, seconds={"train": [2.0, 2.0], "evaluate": [1.0, 1.0], "total": 6.0}))
    frame = scores(table_state(table, store))
    assert frame.groupby("after")["step_seconds"].unique().explode().to_dict() == {1: 0.2, 2: 0.4}


def test_the_interval_of_a_difference_by_hand(tmp_path: Path, record_of: Callable[..., Record]) -> None:
    # SEM 0.01 from 3 seeds, SEM 0.02 from 5.
    table, store = table_of([row("a", reported={**REPORTED, "spread": 2.0})]), Store(tmp_path)
    for seed, final in enumerate((0.6 - 0.01 * 3**0.5, 0.6, 0.6 + 0.01 * 3**0.5), start=1):
        spec = resolve_cell(table.cells[0], seed)
        store.write(spec, record_of(spec, score=[[final]]))
    (cell,) = cells(table_state(table, store)).to_dict("records")
    half = (stats.t.ppf(LEVEL, 2) * 1 + stats.t.ppf(LEVEL, 4) * 4) * 1e-4 / 5e-4**0.5
    assert cell["difference"] == pytest.approx(-0.1)
    assert (cell["difference_low"], cell["difference_high"]) == pytest.approx((-0.1 - half, -0.1 + half), rel=1e-4)


def test_cells_that_were_not_run_are_there_without_numbers() -> None:
    (cell,) = cells(states_of([row("a", reported=REPORTED)])).to_dict("records")
    assert (cell["n"], cell["reported"]) == (0, 0.7)
    assert cell["mean"] != cell["mean"]


def test_rows_of_one_label_are_told_apart_by_their_names() -> None:
    assert list(cells(states_of([row("a", "Same"), row("b", "Same"), row("c", "Other")]))["method"]) == [
        "Same (a)",
        "Same (b)",
        "Other",
    ]


def test_methods_that_would_be_called_the_same_without_the_benchmark_keep_it() -> None:
    rows = [row("a", "Split MNIST, SI"), row("b", "SI", strategy="joint"), row("c", "Split MNIST, EWC")]
    assert list(cells(states_of(rows))["method"]) == ["Split MNIST, SI", "SI", "EWC"]


def strengths(*values: float, strategy: str = "ewc") -> list[dict[str, Any]]:
    return [row(f"{strategy}{value}", strategy=strategy, hyperparameters={"strength": value}) for value in values]


def test_rows_that_differ_in_one_number_alone_are_a_sweep() -> None:
    found = cells(states_of([*strengths(10.0, 1.0, 0.1), row("other")]))
    assert list(found["hyperparameter"].fillna("")) == ["strength"] * 3 + [""]
    assert list(found["value"][:3]) == [10, 1, 0.1]


def test_two_sweeps_of_a_benchmark_in_a_scenario_are_not_one() -> None:
    others = strengths(0.1, 1.0, 7.0, strategy="si")
    assert cells(states_of([*strengths(10.0, 1.0, 0.1), *others]))["hyperparameter"].isna().all()
    elsewhere = [{"CL2": one.pop("CL1"), **one} for one in others]
    assert set(cells(states_of([*strengths(10.0, 1.0, 0.1), *elsewhere]))["hyperparameter"]) == {"strength"}


def test_two_sweeps_stay_two_while_some_of_their_runs_are_not_done(
    tmp_path: Path, record_of: Callable[..., Record]
) -> None:
    others = strengths(0.1, 1.0, 7.0, strategy="si")
    table, store = table_of([*strengths(10.0, 1.0, 0.1), *others]), Store(tmp_path)
    for cell in table.cells:
        if cell.row != "si0.1":
            spec = resolve_cell(cell, 1)
            store.write(spec, record_of(spec))
    assert cells(table_state(table, store))["hyperparameter"].isna().all()


def test_a_search_over_what_was_added_later_finds_what_is_published() -> None:
    """Its choice, no weights, is the default, which a spec leaves out."""
    known, chosen = (
        row(name, strategy="hnet", hyperparameters={"regularisation_strength": strength})
        for name, strength in [("published", 0.5), ("searched", 0.7)]
    )
    values = {"fisher_weighted": False, "regularisation_strength": 0.7}
    choice = SimpleNamespace(values=values, trials=[SimpleNamespace(values=values, score=0.9)])
    search: Any = SimpleNamespace(space=dict.fromkeys(values), rule="test", choice=choice)
    published, searched = states_of([known, chosen])
    published = replace(published, cell=replace(published.cell, origin="published"))
    searched = replace(searched, cell=replace(searched.cell, search=search, origin="tuned"))
    frame = trials([published, searched])
    assert list(frame["hyperparameter"]) == ["fisher_weighted", "regularisation_strength"]
    assert list(frame["published"].fillna("")) == ["", 0.5]


@pytest.mark.parametrize(
    "rows",
    [
        strengths(1.0, 2.0),
        [*strengths(1.0, 2.0), row("none")],
        [row(f"r{flag}", strategy="hnet", hyperparameters={"lookahead": flag}) for flag in (True, False)],
        [row(f"l{size}", strategy="hnet", hyperparameters={"hidden_units": [size]}) for size in (5, 6, 7)],
        # A spec leaves out what was added later while it has its default.
        [row("frozen", strategy="hnet", hyperparameters={"frozen_after": 1}), row("default", strategy="hnet")],
        [
            row("a", strategy="hnet"),
            row("b", strategy="hnet", hyperparameters={"regularisation_strength": 0.5}),
            row("c", strategy="hnet", hyperparameters={"regularisation_strength": 0.7, "frozen_after": 1}),
        ],
    ],
)
def test_two_values_lists_and_other_strategies_are_none(rows: list[dict[str, Any]]) -> None:
    assert cells(states_of(rows))["hyperparameter"].isna().all()
