"""Seeds until decided: which cells are open, which runs their next look takes, and which is worth most in an hour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import Table, parse_table
from hnet_bench.reporting.until_decided import NextLook, next_looks, runs_of_looks
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.files import file_sum
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec, resolve_cell
from hnet_bench.runs.store import Store

# Scores over seeds 1, 2, ... beside a reported 60 ± 0.1 at a margin of 1.
ROWS = {
    "finetune": [0.600, 0.601, 0.599, 0.600, 0.601],  # decided
    "joint": [0.600, 0.612, 0.588, 0.606, 0.594],  # likely to be at the next look
    "er": [0.600, 0.70, 0.50, 0.65, 0.55, 0.62],  # hopeless
    "si": [],
    "lwf": [0.600, 0.62, 0.58, 0.61, 0.59, 0.60, 0.62, 0.58, 0.61, 0.59],  # at its last look
}


def table_of(**reported: Any) -> Table:
    own = {"mean": 60.0, "spread": 0.1, "spread_kind": "sem", "n": 20, "margin": 1.0, "known": "recalled"}
    cell = {"reported": {**own, "looks": [5, 10], **reported}}
    return parse_table(
        "open",
        {
            "title": "Open",
            "seeds": "1-10",
            "settings": {"tiny": {"benchmark": {"name": "synthetic"}, "protocol": {"iterations": 5}}},
            "rows": [{"name": name, "settings": "tiny", "CL3": {"strategy": name, **cell}} for name in ROWS],
        },
    )


@pytest.fixture
def looks_of(tmp_path: Path, record_of: Callable[..., Record]) -> Callable[..., list[NextLook]]:
    """The next looks of a table with the records of `ROWS`, where a run takes these seconds, a minute unless given."""

    def make(table: Table, seconds: dict[str, float] | None = None) -> list[NextLook]:
        store = Store(tmp_path / "results")
        for cell in table.cells:
            for seed, score in enumerate(ROWS[cell.row], start=1):
                spec = resolve_cell(cell, seed)
                store.write(spec, record_of(spec, score=[[score]]))

        def estimate(spec: RunSpec) -> Estimate:
            cost = (seconds or {}).get(spec.strategy, 60.0)
            return Estimate(seconds=cost, low=cost, high=cost, basis="this cell")

        return next_looks(table_state(table, store), store, estimate)

    return make


def test_open_cells_come_in_the_order_of_decisions_per_hour(looks_of: Callable[..., list[NextLook]]) -> None:
    found = looks_of(table_of())
    # Of the row without a record nothing can be expected; what is decided or at its last look is not open.
    assert [(one.state.cell.row, one.look, len(one.runs)) for one in found] == [
        ("si", 5, 5),
        ("joint", 10, 5),
        ("er", 10, 4),
    ]
    unknown, likely, hopeless = found
    assert (unknown.chance, unknown.per_hour) == (None, None)
    assert likely.chance is not None
    assert likely.chance > 0.6
    assert likely.per_hour == pytest.approx(likely.chance / 5 * 60)
    assert hopeless.chance is not None
    assert hopeless.chance < 0.1
    seeds = [(run.strategy, run.seed) for run in runs_of_looks(found)]
    assert seeds == [("si", seed) for seed in range(1, 6)] + [("joint", seed) for seed in range(6, 11)] + [
        ("er", seed) for seed in range(7, 11)
    ]
    dear = looks_of(table_of(), {"joint": 36_000.0})
    assert [one.state.cell.row for one in dear] == ["si", "er", "joint"]


def test_the_chance_of_a_decision_is_what_a_simulation_finds(looks_of: Callable[..., list[NextLook]]) -> None:
    """The true difference is drawn about the present one; what is known now and what comes make the next mean."""
    import numpy as np

    from hnet_bench.reporting.statistics import ErrorOfMean, errors_of_difference, half_width, level_at

    (joint,) = [one for one in looks_of(table_of()) if one.state.cell.row == "joint"]
    random, scores = np.random.default_rng(1), np.array(ROWS["joint"])
    spread = scores.std(ddof=1)
    truth = random.normal(scores.mean(), spread / np.sqrt(5), 50_000)
    final = (scores.mean() + random.normal(truth, spread / np.sqrt(5))) / 2
    half = half_width(errors_of_difference(spread**2, 10, ErrorOfMean(1e-6, 19)), level_at((5, 10), 10))
    assert joint.chance == pytest.approx((abs(final - 0.6) + half < 0.01).mean(), abs=0.01)
    assert joint.chance is not None
    assert 0.2 < joint.chance < 0.8


def test_without_looks_it_is_said_what_to_write(looks_of: Callable[..., list[NextLook]]) -> None:
    with pytest.raises(UserError, match=r"No cell that is chosen of table 'open' has looks, .* looks = \[5, 10, 20\]"):
        looks_of(table_of(looks=[]))


def test_a_cell_is_not_open_where_seeds_end_before_its_next_look(looks_of: Callable[..., list[NextLook]]) -> None:
    """As in a table that extends another, and has fewer seeds."""
    assert [one.state.cell.row for one in looks_of(replace(table_of(), seeds=tuple(range(1, 8))))] == ["si"]


def test_records_that_are_to_be_renewed_decide_nothing(tmp_path: Path, record_of: Callable[..., Record]) -> None:
    table, store = table_of(), Store(tmp_path)
    for seed, score in enumerate(ROWS["finetune"], start=1):
        spec = resolve_cell(table.cells[0], seed)
        store.write(spec, record_of(spec, score=[[score]]))
    states = table_state(table, store)[:1]
    assert next_looks(states, store, lambda spec: None) == []
    renewing = replace(store, renew=frozenset({file_sum(states[0].files[2])}))
    assert [run.seed for run in runs_of_looks(next_looks(states, renewing, lambda spec: None))] == [2]


def test_draws_are_repeated_before_a_look_that_has_enough_of_them(tmp_path: Path) -> None:
    own = {"mean": 60.0, "spread": 2.0, "spread_kind": "sem", "n": 20, "margin": 5.0, "known": "recalled"}
    own |= {"seeds": "1-20", "repeats": 10}
    settings = {"benchmark": {"name": "split_mnist", "class_order": "per_seed"}, "protocol": {"iterations": 5}}

    def seeds(looks: list[int]) -> list[int]:
        cell = {"strategy": "finetune", "reported": {**own, "looks": looks}}
        rows = [{"name": "none", "settings": "split", "CL2": cell}]
        table = parse_table("draws", {"title": "", "seeds": "1-20", "settings": {"split": settings}, "rows": rows})
        store = Store(tmp_path)
        return [run.seed for run in runs_of_looks(next_looks(table_state(table, store), store, lambda spec: None))]

    assert seeds([5, 10]) == [1, 2, 3, 4, 5]
    assert seeds([10, 20]) == [*range(1, 11), *range(1001, 1011)]
