"""A probe: what it makes of the times of a short walk."""

from __future__ import annotations

import numpy
import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.runs import probe as probe_module
from hnet_bench.runs.probe import Steps, along, probe, timed_experiences
from hnet_bench.runs.spec import resolve


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
    assert Steps([10.0, 11.0, 12.0, 32.0, 34.0, 36.0]).per_iteration(3) == pytest.approx(1 + 2)
    assert Steps([10.0, 11.0, 12.0]).per_iteration(3) == pytest.approx(1)
    assert Steps([]).per_iteration(3) == 0.0


def test_many_experiences_are_timed_at_doubling_distances() -> None:
    assert sorted(timed_experiences(100)) == [0, 1, 2, 4, 8, 16, 32, 64, 99]
    assert sorted(timed_experiences(1)) == [0]
    assert sorted(timed_experiences(3)) == [0, 1, 2]


def spec_of(strategy: str, scenario: Scenario, experiences: int = 12, iterations: int = 300, **more: object):
    return resolve(
        benchmark={"name": "synthetic", "experiences": experiences},
        scenario=scenario,
        protocol={"iterations": iterations, "batch_size": 16, "hidden_units": [20], **more},
        strategy=strategy,
        hyperparameters={},
        seed=1,
        where="a test",
    )


@pytest.mark.parametrize(
    ("strategy", "scenario"),
    [("online_ewc", Scenario.TASK), ("joint", Scenario.CLASS), ("hnet_tir", Scenario.DOMAIN), ("er", Scenario.CLASS)],
)
def test_any_strategy_can_be_probed(strategy: str, scenario: Scenario) -> None:
    few, many = (probe(spec_of(strategy, scenario, 4, n), device="cpu", folder=None) for n in (100, 10**6))
    assert 0 < few.low < few.seconds < few.high < many.seconds
    assert few.high / few.seconds == pytest.approx(2)


def test_a_walk_that_takes_too_long_ends_and_its_range_is_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe_module, "_SECONDS_OF_WALK", 0.0)
    walks = []
    go = probe_module._Walk.go
    monkeypatch.setattr(probe_module._Walk, "go", lambda walk: (go(walk), walks.append(walk)))
    found = probe(spec_of("finetune", Scenario.TASK, 50), device="cpu", folder=None)
    assert sorted(walks[0].step) == [0, 1]
    assert found.high / found.seconds == pytest.approx(3)


def test_evaluating_on_the_diagonal_alone_is_expected_to_cost_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten experiences: 100 evaluations and 10 before training, or 9 and 10."""
    monkeypatch.setattr(probe_module._Walk, "go", lambda walk: _told(walk))
    found = {
        evaluation: probe(spec_of("finetune", Scenario.TASK, 10, evaluation=evaluation), device="cpu", folder=None)
        for evaluation in ("all", "diagonal_and_final")
    }
    # 300 iterations of 1 s; once 2 s; 10 s for each evaluation on one experience; building takes a moment.
    assert found["all"].seconds == pytest.approx(10 * (300 + 2) + 110 * 10, abs=5)
    assert found["diagonal_and_final"].seconds == pytest.approx(10 * (300 + 2) + 19 * 10, abs=5)


def _told(walk: probe_module._Walk) -> None:
    walk.step, walk.once, walk.evaluation = {0: 1.0, 9: 1.0}, {0: 2.0}, {0: 10.0}
