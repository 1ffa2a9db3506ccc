"""Estimates of cost: what they are learned from, and how often the range holds for the records that are there."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.runs.budget import finished_after, fitting
from hnet_bench.runs.cost import Costs, Estimate, Timing, costs_of_store, timing_of
from hnet_bench.runs.plan import CellState, runs_to_do, table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store, read_record

SpecOf = Callable[..., RunSpec]
RecordOf = Callable[..., Record]
COMMITTED = [read_record(path) for path in sorted((Path(__file__).parents[2] / "results").glob("*/*/*/seed*.json"))]


@pytest.fixture
def timed(record_of: RecordOf) -> Callable[..., Timing]:
    """The timing of a run that took so many seconds."""

    def make(spec: RunSpec, total: float, *, score: Any = None, **provenance: Any) -> Timing:
        score = score or [[0.5] * 3] * 3
        record = record_of(
            spec, score=score, seconds={"train": [], "evaluate": [], "total": total}, provenance=provenance
        )
        timing = timing_of(record)
        assert timing
        return timing

    return make


def test_records_of_the_cell_count_before_all_others(spec_of: SpecOf, timed: Callable[..., Timing]) -> None:
    # The synthetic benchmark has three experiences, as the score matrices of these records.
    spec = spec_of()
    assert spec.build_benchmark().facts.experiences == 3
    same = [timed(spec.with_seed(seed), seconds) for seed, seconds in ((2, 10.0), (3, 40.0), (4, 1000.0))]
    others = [timed(spec_of(protocol={"iterations": 7}), 1.0), timed(spec_of(strategy="joint"), 1.0)]
    found = Costs((*same, *others)).estimate(spec)
    assert found
    assert (found.seconds, found.basis) == (pytest.approx(40.0), "this cell")
    # Too few to say how far off: a factor of two either way.
    assert (found.low, found.high) == (pytest.approx(20.0), pytest.approx(80.0))


def test_other_cells_of_the_strategy_are_scaled_by_their_steps(spec_of: SpecOf, timed: Callable[..., Timing]) -> None:
    other = spec_of(protocol={"iterations": 50}, scenario=Scenario.TASK)  # ten times as many steps
    found = Costs((timed(other, 200.0), timed(spec_of(strategy="joint"), 1.0))).estimate(spec_of())
    assert found
    assert (found.seconds, found.basis) == (pytest.approx(20.0), "this strategy")


def test_runs_with_other_numbers_of_experiences_or_other_networks_are_those_of_another_benchmark(
    spec_of: SpecOf, timed: Callable[..., Timing]
) -> None:
    """A hundred tasks on a large network say nothing of three on a small one, though strategy and benchmark agree."""
    many = spec_of(benchmark={"name": "synthetic", "experiences": 100})
    large = spec_of(protocol={"iterations": 5, "hidden_units": [1000]})
    for other in (large, many):
        score = [[0.5] * 100] * 100 if other is many else [[0.5] * 3] * 3
        found = Costs((timed(other, 1.0, score=score),)).estimate(spec_of())
        assert found
        assert found.basis == "other benchmarks"


def test_every_cell_has_one_vote(spec_of: SpecOf, timed: Callable[..., Timing]) -> None:
    many, two, three = (spec_of(protocol={"iterations": 5, "batch_size": size}) for size in (1, 2, 3))
    timings = [timed(many.with_seed(seed), 9.0) for seed in range(20)]
    timings += [timed(two, 1.0), timed(three, 1.0)]
    found = Costs(tuple(timings)).estimate(spec_of())
    assert found
    assert found.seconds == pytest.approx(1.0)


def test_then_come_other_strategies_then_other_benchmarks_then_nothing(
    spec_of: SpecOf, timed: Callable[..., Timing]
) -> None:
    here = timed(spec_of(strategy="joint"), 3.0)
    elsewhere = timed(spec_of(benchmark={"name": "split_mnist", "class_order": "fixed"}), 8.0)
    found = [Costs(timings).estimate(spec_of()) for timings in ((here, elsewhere), (elsewhere,), ())]
    assert [(one.basis, round(one.seconds, 9)) if one else None for one in found] == [
        ("other strategies", 3.0),
        ("other benchmarks", 8.0),
        None,
    ]


def test_records_of_this_processor_count_before_those_of_others(spec_of: SpecOf, timed: Callable[..., Timing]) -> None:
    slow, fast = timed(spec_of(), 100.0, cpu="old"), timed(spec_of(seed=2), 10.0, cpu="new")
    for cpu, seconds in (("old", 100.0), ("new", 10.0), ("unheard of", math.sqrt(1000))):
        found = Costs((slow, fast), cpu).estimate(spec_of(seed=3))
        assert found
        assert found.seconds == pytest.approx(seconds)


def test_a_gpu_is_not_a_cpu_and_damaged_records_say_nothing(
    tmp_path: Path, spec_of: SpecOf, record_of: RecordOf
) -> None:
    store, spec = Store(tmp_path), spec_of()
    store.write(spec, record_of(spec, provenance={"device": "cpu"}))
    store.write(spec.with_seed(2), record_of(spec.with_seed(2), provenance={"device": "NVIDIA H200"}))
    store.write(spec.with_seed(3), record_of(spec.with_seed(3))).write_text("{")
    assert [len(costs_of_store(tmp_path, gpu=gpu).timings) for gpu in (False, True)] == [1, 1]


@pytest.mark.parametrize("unseen", ["record", "cell", "strategy"])
def test_for_the_committed_records_the_range_holds_mostly_and_is_of_use(unseen: str) -> None:
    """Each is estimated without itself, without its cell, or without its strategy: also without their errors."""
    timings = [timing for record in COMMITTED if (timing := timing_of(record))]
    inside, widths, off = [], [], []
    for record, timing in zip(COMMITTED, timings, strict=True):
        rest = tuple(
            other
            for other in timings
            if other is not timing
            and (unseen == "record" or other.cell != timing.cell)
            and (unseen != "strategy" or other.strategy != timing.strategy)
        )
        found = Costs(rest).estimate(RunSpec.from_json(record.spec))
        assert found
        seconds = record.seconds["total"]
        inside.append(found.low <= seconds <= found.high)
        widths.append(found.high / found.low)
        off.append(abs(math.log(seconds / found.seconds)))
    assert sum(inside) / len(inside) > 0.7  # eight of ten are meant
    assert sorted(widths)[len(widths) // 2] < {"record": 4, "cell": 4, "strategy": 12}[unseen]
    assert sorted(off)[len(off) // 2] < math.log({"record": 1.5, "cell": 1.5, "strategy": 2.5}[unseen])


def states_and_todo(tmp_path: Path, done: list[RunSpec], record_of: RecordOf) -> tuple[list[CellState], list[RunSpec]]:
    from hnet_bench.papers.table import parse_table

    rows = [{"name": name, "settings": "s", "CL1": {"strategy": name}} for name in ("finetune", "joint", "ewc")]
    settings = {"s": {"benchmark": {"name": "synthetic"}, "protocol": {"iterations": 5}}}
    table = parse_table("t", {"title": "T", "seeds": "1-3", "settings": settings, "rows": rows})
    store = Store(tmp_path)
    for spec in done:
        store.write(spec, record_of(spec))
    states = table_state(table, store)
    return states, runs_to_do(states, store)


def cost_of(**seconds: float) -> Callable[[RunSpec], Estimate | None]:
    def estimate(spec: RunSpec) -> Estimate | None:
        cost = seconds.get(spec.strategy)
        return None if cost is None else Estimate(seconds=cost, low=cost, high=cost, basis="a test")

    return estimate


@pytest.mark.parametrize(
    ("seconds", "jobs", "expected"),
    [
        # One seed of every cell before a second one, the cheap cells first.
        (1000, 1, "finetune1 ewc1 joint1 finetune2 ewc2 joint2 finetune3 ewc3 joint3"),
        (16, 1, "finetune1 ewc1 joint1"),
        (15, 1, "finetune1 ewc1 finetune2 ewc2 finetune3 ewc3"),  # joint would not end in time
        (6, 1, "finetune1 ewc1 finetune2"),
        (5, 2, "finetune1 ewc1 finetune2 finetune3"),  # 1+1+1 beside 4: no second ewc
        (0.5, 2, ""),
    ],
)
def test_a_budget_is_spent_on_the_most_informative_runs_that_fit(
    tmp_path: Path, record_of: RecordOf, seconds: float, jobs: int, expected: str
) -> None:
    states, todo = states_and_todo(tmp_path, [], record_of)
    chosen = fitting(todo, states, cost_of(finetune=1, ewc=4, joint=11), seconds=seconds, jobs=jobs)
    assert [f"{spec.strategy}{spec.seed}" for spec in chosen.runs] == expected.split()
    assert chosen.seconds <= seconds
    assert len(chosen.runs) + chosen.too_long + chosen.unknown == len(todo)


def test_a_cell_that_has_seeds_waits_for_those_that_have_none(
    tmp_path: Path, record_of: RecordOf, spec_of: SpecOf
) -> None:
    done = [spec_of(strategy="finetune", scenario=Scenario.TASK, seed=seed) for seed in (1, 2)]
    states, todo = states_and_todo(tmp_path, done, record_of)
    chosen = fitting(todo, states, cost_of(finetune=1, ewc=4), seconds=100, jobs=1)
    assert [f"{spec.strategy}{spec.seed}" for spec in chosen.runs] == ["ewc1", "ewc2", "finetune3", "ewc3"]
    assert (chosen.too_long, chosen.unknown) == (0, 3)


def test_runs_beside_each_other_take_the_time_of_the_busiest_worker() -> None:
    assert finished_after([3, 1, 1, 1], jobs=2) == 3
    assert finished_after([1, 1, 1, 3], jobs=2) == 4
    assert finished_after([], jobs=3) == 0
