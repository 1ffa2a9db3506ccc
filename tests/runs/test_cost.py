"""Estimates of cost: what they are learned from, how often the range holds for the records that are there, and what
fits into a budget."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.papers.table import parse_table
from hnet_bench.runs.budget import finished_after, fitting
from hnet_bench.runs.cost import BASES, Costs, Estimate, Timing, costs_of_store, timing_of
from hnet_bench.runs.plan import runs_to_do, table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store, read_record

SpecOf = Callable[..., RunSpec]
RecordOf = Callable[..., Record]
Timed = Callable[..., Timing]


@pytest.fixture
def timed(record_of: RecordOf) -> Timed:
    """The timing of a run that took so many seconds."""

    def make(spec: RunSpec, total: float, **provenance: Any) -> Timing:
        experiences = spec.build_benchmark().facts.experiences
        score: list[list[float | None]] = [[0.5] * experiences] * experiences
        seconds = {"train": [], "evaluate": [], "total": total}
        timing = timing_of(record_of(spec, score=score, seconds=seconds, provenance=provenance))
        assert timing
        return timing

    return make


def estimate(spec: RunSpec, *timings: Timing, cpu: str | None = None) -> Estimate:
    found = Costs(timings, cpu).estimate(spec)
    assert found
    return found


def test_records_of_the_cell_count_before_all_others(spec_of: SpecOf, timed: Timed) -> None:
    spec = spec_of()
    same = [timed(spec.with_seed(seed), seconds) for seed, seconds in ((2, 10.0), (3, 40.0), (4, 1000.0))]
    others = [timed(spec_of(protocol={"iterations": 7}), 1.0), timed(spec_of(strategy="joint"), 1.0)]
    found = estimate(spec, *same, *others)
    assert (found.seconds, found.basis) == (pytest.approx(40.0), "this cell")
    # A tenth of the way from 10 s to 40 s lies at 0.2 of the first gap; nine tenths at 0.8 of the second.
    assert (found.low, found.high) == (pytest.approx(10 + 0.2 * 30), pytest.approx(40 + 0.8 * 960))


def test_a_range_is_never_narrower_than_records_of_its_kind_are_from_each_other(spec_of: SpecOf, timed: Timed) -> None:
    nearest = estimate(spec_of(), timed(spec_of(seed=2), 10.0))
    farther = estimate(spec_of(), timed(spec_of(strategy="joint"), 10.0))
    for found in (nearest, farther):
        assert found.seconds / found.low == pytest.approx(found.high / found.seconds)
    assert 1 < nearest.high / nearest.seconds < farther.high / farther.seconds


def test_other_cells_of_the_strategy_are_scaled_by_their_steps(spec_of: SpecOf, timed: Timed) -> None:
    other = spec_of(protocol={"iterations": 50}, scenario=Scenario.TASK)  # ten times as many steps
    found = estimate(spec_of(), timed(other, 200.0), timed(spec_of(strategy="joint"), 1.0))
    assert (found.seconds, found.basis) == (pytest.approx(20.0), "this strategy")


@pytest.mark.parametrize(
    "other",
    [
        {"benchmark": {"name": "synthetic", "experiences": 100}},
        {"protocol": {"iterations": 5, "hidden_units": [1000]}},
    ],
)
def test_runs_with_other_numbers_of_experiences_or_other_networks_are_those_of_another_benchmark(
    spec_of: SpecOf, timed: Timed, other: dict[str, Any]
) -> None:
    """A hundred tasks on a large network say nothing of three on a small one, though strategy and benchmark agree."""
    assert estimate(spec_of(), timed(spec_of(**other), 1.0)).basis == "other benchmarks"


def test_then_come_other_strategies_then_other_benchmarks_then_nothing(spec_of: SpecOf, timed: Timed) -> None:
    here = timed(spec_of(strategy="joint"), 3.0)
    elsewhere = timed(spec_of(benchmark={"name": "synthetic", "experiences": 6}), 8.0)
    near, far = estimate(spec_of(), here, elsewhere), estimate(spec_of(), elsewhere)
    assert (near.basis, near.seconds) == ("other strategies", pytest.approx(3.0))
    assert (far.basis, far.seconds) == ("other benchmarks", pytest.approx(4.0))  # of half as many experiences
    assert Costs(()).estimate(spec_of()) is None


def test_records_of_this_processor_count_before_those_of_others(spec_of: SpecOf, timed: Timed) -> None:
    slow, fast = timed(spec_of(), 100.0, cpu="old"), timed(spec_of(seed=2), 10.0, cpu="new")
    for cpu, seconds in (("old", 100.0), ("new", 10.0), ("unheard of", 55.0)):
        assert estimate(spec_of(seed=3), slow, fast, cpu=cpu).seconds == pytest.approx(seconds)


def test_a_gpu_is_not_a_cpu_and_damaged_records_say_nothing(
    tmp_path: Path, spec_of: SpecOf, record_of: RecordOf
) -> None:
    store, spec = Store(tmp_path), spec_of()
    store.write(spec, record_of(spec, provenance={"device": "cpu"}))
    store.write(spec.with_seed(2), record_of(spec.with_seed(2), provenance={"device": "NVIDIA H200"}))
    store.write(spec.with_seed(3), record_of(spec.with_seed(3))).write_text("{")
    assert [len(costs_of_store(Store(tmp_path), gpu=gpu).timings) for gpu in (False, True)] == [1, 1]


@pytest.fixture(scope="module")
def committed() -> list[tuple[Record, Timing]]:
    """The records of this repository that took some time."""
    files = (Path(__file__).parents[2] / "results").glob("*/*/*/seed*.json")
    records = [read_record(path) for path in sorted(files)]
    return [(record, timing) for record in records if (timing := timing_of(record))]


# An unseen strategy is to be known within a factor of four either way: records made beside much other work count, too.
@pytest.mark.parametrize(("unseen", "width", "factor"), [("record", 4, 1.5), ("cell", 4, 1.5), ("strategy", 16, 2.5)])
def test_for_the_committed_records_the_range_holds_mostly_and_is_of_use(
    committed: list[tuple[Record, Timing]], unseen: str, width: float, factor: float
) -> None:
    """Each is estimated without itself, without its cell, or without its strategy."""
    inside, widths, off = [], [], []
    for record, timing in committed:
        rest = [
            other
            for another, other in committed
            if other is not timing
            and (unseen == "record" or other.alike[0] != timing.alike[0])
            and (unseen != "strategy" or another.spec["strategy"]["name"] != record.spec["strategy"]["name"])
        ]
        found, seconds = estimate(RunSpec.from_json(record.spec), *rest), record.seconds["total"]
        inside.append(found.low <= seconds <= found.high)
        widths.append(found.high / found.low)
        off.append(abs(math.log(seconds / found.seconds)))
    assert sum(inside) / len(inside) > 0.7  # eight of ten are meant
    assert sorted(widths)[len(widths) // 2] < width
    assert sorted(off)[len(off) // 2] < math.log(factor)


@pytest.fixture
def chosen(tmp_path: Path, record_of: RecordOf) -> Callable[..., Any]:
    """What fits of a table with three rows and three seeds, where a run of a row costs so many seconds."""

    def choose(done: list[RunSpec], costs: dict[str, float], **limits: Any) -> Any:
        rows = [{"name": name, "settings": "s", "CL1": {"strategy": name}} for name in ("finetune", "joint", "ewc")]
        settings = {"s": {"benchmark": {"name": "synthetic"}, "protocol": {"iterations": 5}}}
        table = parse_table("t", {"title": "T", "seeds": "1-3", "settings": settings, "rows": rows})
        store = Store(tmp_path)
        for spec in done:
            store.write(spec, record_of(spec))
        states = table_state(table, store)
        estimates = {name: Estimate(seconds=cost, low=cost, high=cost, basis=BASES[0]) for name, cost in costs.items()}
        found = fitting(runs_to_do(states, store), states, lambda spec: estimates.get(spec.strategy), **limits)
        assert len(found.runs) + found.too_long + found.unknown + len(done) == 9
        return found

    return choose


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
    chosen: Callable[..., Any], seconds: float, jobs: int, expected: str
) -> None:
    found = chosen([], {"finetune": 1, "ewc": 4, "joint": 11}, seconds=seconds, jobs=jobs)
    assert [f"{spec.strategy}{spec.seed}" for spec in found.runs] == expected.split()
    assert found.seconds <= seconds


def test_a_cell_that_has_seeds_waits_for_those_that_have_none(chosen: Callable[..., Any], spec_of: SpecOf) -> None:
    done = [spec_of(scenario=Scenario.TASK, seed=seed) for seed in (1, 2)]
    found = chosen(done, {"finetune": 1, "ewc": 4}, seconds=100, jobs=1)
    assert [f"{spec.strategy}{spec.seed}" for spec in found.runs] == ["ewc1", "ewc2", "finetune3", "ewc3"]
    assert (found.too_long, found.unknown) == (0, 3)


def test_runs_beside_each_other_take_the_time_of_the_busiest_worker() -> None:
    assert finished_after([3, 1, 1, 1], jobs=2) == 3
    assert finished_after([1, 1, 1, 3], jobs=2) == 4
    assert finished_after([], jobs=3) == 0
