"""The best cell and those that cannot be told from it."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy import stats

from hnet_bench.reporting.ranking import Competitor, Rank, holm, p_of_difference, ranks, step_of


def cell(name: str, *scores: float, data: str = "same", first: int = 1) -> Competitor:
    return Competitor(runs=name, data=data, scores=dict(enumerate(scores, start=first)))


def test_holms_correction_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (no less than the one before), 0.6 x 1.
    assert holm({"a": 0.02, "b": 0.6, "c": 0.01, "d": 0.03}) == pytest.approx(
        {"c": 0.04, "a": 0.06, "d": 0.06, "b": 0.6}
    )


def p_of(one: Competitor, other: Competitor, step: float = 0.0) -> float:
    p = p_of_difference(one, other, step=step)
    assert p is not None
    return p


def ranked(table: list[Competitor], better: Literal["higher", "lower"] = "higher", step: float = 0.0) -> list[Rank]:
    return ranks(table, better, step=step)


ONE, OTHER = (0.9, 0.5, 0.7, 0.6, 0.8), (0.88, 0.49, 0.67, 0.6, 0.79)


def test_seeds_that_share_their_data_are_paired() -> None:
    one, other = cell("a", *ONE), cell("b", *OTHER)
    paired = stats.ttest_rel(ONE, OTHER).pvalue
    assert p_of(one, other) == pytest.approx(paired)
    assert p_of(one, cell("b", 0.3, *OTHER, first=0)) == pytest.approx(paired)


def test_others_are_compared_by_their_means() -> None:
    one, other = cell("a", *ONE), cell("b", *OTHER, data="other")
    # As many seeds in both: one t quantile for both parts, that of five seeds.
    t = abs(0.7 - 0.686) / ((np.var(ONE, ddof=1) + np.var(OTHER, ddof=1)) / 5) ** 0.5
    assert p_of(one, other) == pytest.approx(2 * stats.t.sf(t, 4), rel=1e-6)


def test_best_tied_and_told_apart() -> None:
    low, near, best = (0.1, 0.12, 0.11, 0.1, 0.11), (0.85, 0.95, 0.88, 0.9, 0.87), (0.9, 0.93, 0.91, 0.92, 0.9)
    assert ranked([cell("low", *low), cell("near", *near), cell("best", *best)]) == ["", "tied", "best"]


def test_where_less_is_better_the_least_is_best() -> None:
    table = [cell("a", 0.10, 0.11, 0.12, 0.11, 0.12), cell("b", 0.5, 0.51, 0.52, 0.5, 0.5)]
    assert ranked(table, "lower") == ["best", ""]


def test_the_correction_can_take_a_difference_back() -> None:
    best, close = cell("best", 0.90, 0.92, 0.91, 0.93, 0.92), cell("close", 0.88, 0.915, 0.90, 0.90, 0.89)
    assert 0.01 < p_of(best, close) < 0.05
    assert ranked([best, close]) == ["best", ""]
    crowd = [cell(f"equal {index}", 0.85, 0.98, 0.88, 0.92, 0.9) for index in range(6)]
    assert ranked([best, close, *crowd])[1] == "tied"


@pytest.mark.parametrize("seeds", [1, 2, 3, 4])
def test_what_has_too_few_seeds_is_marked_so(seeds: int) -> None:
    many = cell("a", 0.9, 0.91, 0.9, 0.91, 0.9)
    assert ranked([many, cell("b", *[0.1, 0.11, 0.1, 0.11][:seeds])]) == ["best", "untested"]
    assert ranked([cell("b", *[0.98, 0.99, 0.98, 0.99][:seeds]), many]) == ["best", "untested"]


def test_with_too_few_common_seeds_means_are_compared() -> None:
    one, other = cell("a", *ONE), cell("b", *OTHER, first=3)
    assert p_of(one, other) == p_of(one, cell("b", *OTHER, data="other"))


def test_the_same_runs_under_two_names_share_their_rank() -> None:
    same = [cell("a", 0.9, 0.91), cell("a", 0.9, 0.91)]
    assert ranked(same) == ["", ""]
    assert ranked([*same, cell("b", 0.1, 0.11)]) == ["best", "best", "untested"]


def test_without_spread_what_is_equal_or_a_step_away_is_tied_and_what_is_far_is_not() -> None:
    def two(difference: float) -> list[Competitor]:
        return [cell("a", *[0.75] * 5), cell("b", *[0.75 - difference] * 5)]

    assert ranked(two(0.0), step=0.0005) == ["best", "tied"]
    assert ranked(two(0.0005), step=0.0005) == ["best", "tied"]
    assert ranked(two(0.25), step=0.0005) == ["best", ""]
    # Of one experience the step is found in the scores.
    assert ranks(two(0.0005), "higher") == ["best", "tied"]
    assert ranks(two(0.0015), "higher") == ["best", ""]


def test_a_step_counts_as_by_hand() -> None:
    # Differences of 4, 5, 6, 5, 5 steps: mean 5, less one; standard error 1 / sqrt(10), more by 1 / sqrt(4).
    one, other = cell("a", 0.14, 0.15, 0.16, 0.15, 0.15), cell("b", *[0.1] * 5)
    t = 4 / (0.1**0.5 + 0.5)
    assert p_of(one, other, step=0.01) == pytest.approx(2 * stats.t.sf(t, 4), rel=1e-6)


def test_no_numbers_within_half_a_step_of_the_scores_give_a_smaller_p() -> None:
    draw, step = np.random.default_rng(7), 0.01
    scores = step * draw.integers(40, 60, (2, 6))
    said = p_of(cell("a", *scores[0]), cell("b", *scores[1]), step=step)
    for _ in range(300):
        near = scores + step * draw.choice([-0.5, 0.5], scores.shape)
        assert stats.ttest_rel(*near).pvalue <= said + 1e-12


def test_the_step_is_one_answer_of_an_experience() -> None:
    assert step_of([1.0, 0.5, 1234 / 2000, 1999 / 2000]) == 1 / 2000
    assert step_of([1.0, 1.0]) == 1.0
    assert step_of([0.123456789123, 0.5]) == step_of([3.0, 0.5]) == step_of([1e99]) == 0.0  # errors


def equal_tables(tables: int, rows: int, seeds: int, *, spread: float, step: float, data: str) -> int:
    """Of so many tables whose rows are equal in truth, those in which one is told from the best."""
    draw, wrong = np.random.default_rng(3), 0
    for _ in range(tables):
        # Halfway between two steps, where as many scores are rounded up as down.
        scores = draw.normal(0.90025, spread, (rows, seeds))
        scores = step * np.rint(scores / step) if step else scores
        table = [cell(f"{row}", *scores[row], data=data if data == "same" else f"{row}") for row in range(rows)]
        wrong += "" in ranked(table, step=step)
    return wrong


@pytest.mark.parametrize(
    ("rows", "seeds", "spread", "step", "data"),
    [
        (8, 10, 1.0, 0.0, "same"),
        (10, 5, 1.0, 0.0, "same"),
        (6, 5, 1.0, 0.0, "own"),
        # Scores in steps as wide as they spread, and wider.
        (10, 2, 0.0005, 1 / 2000, "same"),
        (10, 3, 0.0005, 1 / 2000, "same"),
        (10, 5, 0.0005, 1 / 2000, "same"),
        (10, 5, 0.0002, 1 / 2000, "same"),
        (10, 5, 0.0005, 1 / 2000, "own"),
        (10, 10, 0.0005, 1 / 2000, "same"),
    ],
)
def test_equal_rows_are_told_apart_in_at_most_five_of_a_hundred_tables(
    rows: int, seeds: int, spread: float, step: float, data: str
) -> None:
    tables = 400
    wrong = equal_tables(tables, rows, seeds, spread=spread, step=step, data=data)
    # As many as chance allows, in 999 of 1000 cases, if the share is 5 %.
    assert wrong <= stats.binom.ppf(0.999, tables, 0.05)


def test_a_row_that_is_better_by_several_steps_is_found() -> None:
    draw, found = np.random.default_rng(4), 0
    for _ in range(50):
        scores = draw.normal(0.9, 0.0005, (4, 10))
        scores[0] += 0.01
        rounded = np.rint(scores * 2000) / 2000
        marks = ranked([cell(f"{row}", *rounded[row]) for row in range(4)], step=1 / 2000)
        found += marks == ["best", "", "", ""]
    assert found >= 48
