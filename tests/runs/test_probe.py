"""A probe: what it makes of the times of a short walk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest

from hnet_bench.interfaces import Scenario, TrainingProtocol
from hnet_bench.runs.probe import Walk, along, probe, seconds_per_iteration, timed_experiences, walk
from hnet_bench.runs.spec import RunSpec


def test_between_what_was_timed_lines_are_drawn_and_beyond_it_the_last_one_is_drawn_on() -> None:
    # The first experience, where nothing is regularised, does not count for the slope.
    known = {0: 1.0, 1: 10.0, 2: 12.0, 4: 16.0, 8: 24.0}
    assert along(known, numpy.array([0, 1, 3, 8, 99])) == pytest.approx([1, 10, 14, 24, 24 + 91 * 2])


def test_times_that_scatter_do_not_make_later_steps_cheaper() -> None:
    assert along({0: 1.0, 4: 3.0, 8: 2.9}, numpy.array([8, 100])) == pytest.approx([2.9, 2.9])
    assert along({0: 5.0}, numpy.array([0, 50])) == pytest.approx([5, 5])
    assert along({0: 5.0, 1: 7.0}, numpy.array([9])) == pytest.approx([7])  # one point has no slope


def test_a_step_is_timed_without_the_first_of_each_phase() -> None:
    # Two phases of three steps: 1 s each after a first one of 10 s, then 2 s each after 20 s.
    assert seconds_per_iteration([10.0, 11.0, 12.0, 32.0, 34.0, 36.0], 3) == pytest.approx(1 + 2)
    assert seconds_per_iteration([10.0, 11.0, 12.0], 3) == pytest.approx(1)
    assert seconds_per_iteration([], 3) == 0.0


def test_many_experiences_are_timed_at_doubling_distances() -> None:
    assert sorted(timed_experiences(100)) == [0, 1, 2, 4, 8, 16, 32, 64, 99]
    assert sorted(timed_experiences(1)) == [0]
    assert sorted(timed_experiences(3)) == [0, 1, 2]


@pytest.fixture
def long_spec_of(spec_of: Callable[..., RunSpec]) -> Callable[..., RunSpec]:
    def make(strategy: str, scenario: Scenario, experiences: int, iterations: int = 300) -> RunSpec:
        return spec_of(
            strategy=strategy,
            scenario=scenario,
            benchmark={"name": "synthetic", "experiences": experiences},
            protocol={"iterations": iterations, "batch_size": 16, "hidden_units": [20]},
        )

    return make


@pytest.mark.parametrize(
    ("strategy", "scenario"),
    [("online_ewc", Scenario.TASK), ("joint", Scenario.CLASS), ("hnet_tir", Scenario.DOMAIN), ("er", Scenario.CLASS)],
)
def test_any_strategy_can_be_probed(long_spec_of: Callable[..., RunSpec], strategy: str, scenario: Scenario) -> None:
    few, many = (probe(long_spec_of(strategy, scenario, 4, n), device="cpu", folder=None) for n in (100, 10**6))
    assert 0 < few.low < few.seconds < few.high < many.seconds
    assert few.high / few.seconds == pytest.approx(2)


def test_a_walk_that_takes_too_long_ends_and_its_range_is_wider(long_spec_of: Callable[..., RunSpec]) -> None:
    spec = long_spec_of("finetune", Scenario.TASK, 50)
    walked = walk(spec, device="cpu", folder=None, seconds=0.0)
    assert sorted(walked.step) == [0, 1]
    found = walked.estimate(spec.protocol)
    assert found.high / found.seconds == pytest.approx(3)


@pytest.mark.parametrize(
    ("evaluation", "evaluations"),
    [("all", 10 + 10 * 10), ("diagonal_and_final", 9 + 10)],  # of which the first ten are before training
)
def test_a_run_takes_its_steps_what_is_done_once_and_its_evaluations(evaluation: Any, evaluations: int) -> None:
    walked = Walk(experiences=10, to_build=4.0, step={0: 1.0, 9: 1.0}, once={0: 2.0}, evaluation={0: 10.0})
    found = walked.estimate(TrainingProtocol(iterations=300, evaluation=evaluation))
    assert found.seconds == pytest.approx(4 + 10 * (300 + 2) + evaluations * 10)
