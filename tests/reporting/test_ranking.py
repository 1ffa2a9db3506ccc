"""The best cell and those that cannot be told from it."""

from __future__ import annotations

import numpy
import pytest
from scipy import stats

from hnet_bench.reporting.ranking import Competitor, holm, p_of_difference, ranks


def cell(name: str, *scores: float, data: str = "same", first: int = 1) -> Competitor:
    return Competitor(runs=name, data=data, scores=dict(enumerate(scores, start=first)))


def test_holms_correction_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (no less than the one before), 0.6 x 1.
    assert holm({"a": 0.02, "b": 0.6, "c": 0.01, "d": 0.03}) == pytest.approx(
        {"c": 0.04, "a": 0.06, "d": 0.06, "b": 0.6}
    )


def test_seeds_that_share_their_data_are_paired() -> None:
    one, other = cell("a", 0.9, 0.5, 0.7), cell("b", 0.88, 0.49, 0.67)
    paired = stats.ttest_rel([0.9, 0.5, 0.7], [0.88, 0.49, 0.67]).pvalue
    assert p_of_difference(one, other) == pytest.approx(paired)
    assert p_of_difference(one, cell("b", 0.3, 0.88, 0.49, 0.67, first=0)) == pytest.approx(paired)


def test_others_are_compared_by_their_means() -> None:
    one, other = cell("a", 0.9, 0.5, 0.7), cell("b", 0.88, 0.49, 0.67, data="other")
    # As many seeds in both: one t quantile for both parts, that of three seeds.
    t = abs(0.7 - 0.68) / ((0.04 + 0.0381) / 3) ** 0.5
    assert p_of_difference(one, other) == pytest.approx(2 * stats.t.sf(t, 2), rel=1e-6)


def test_best_tied_and_told_apart() -> None:
    table = [cell("low", 0.1, 0.12, 0.11), cell("near", 0.85, 0.95, 0.88), cell("best", 0.9, 0.93, 0.91)]
    assert ranks(table, "higher") == ["", "tied", "best"]


def test_where_less_is_better_the_least_is_best() -> None:
    assert ranks([cell("a", 0.10, 0.11, 0.12), cell("b", 0.5, 0.51, 0.52)], "lower") == ["best", ""]


def test_the_correction_can_take_a_difference_back() -> None:
    best, close = cell("best", 0.90, 0.92, 0.91, 0.93), cell("close", 0.88, 0.895, 0.90, 0.90)
    p = p_of_difference(best, close)
    assert p is not None
    assert 0.01 < p < 0.05
    assert ranks([best, close], "higher") == ["best", ""]
    crowd = [cell(f"equal {index}", 0.85, 0.98, 0.88, 0.92) for index in range(6)]
    assert ranks([best, close, *crowd], "higher")[1] == "tied"


def test_what_has_too_few_seeds_is_marked_so() -> None:
    assert ranks([cell("a", 0.9, 0.91), cell("b", 0.8)], "higher") == ["best", "untested"]
    assert ranks([cell("a", 0.9), cell("b", 0.8, 0.81)], "higher") == ["best", "untested"]


def test_the_same_runs_under_two_names_share_their_rank() -> None:
    same = [cell("a", 0.9, 0.91), cell("a", 0.9, 0.91)]
    assert ranks(same, "higher") == ["", ""]
    assert ranks([*same, cell("b", 0.1, 0.11)], "higher") == ["best", "best", ""]


def test_without_spread_equal_is_tied_and_different_is_not() -> None:
    assert ranks([cell("a", 0.5, 0.5), cell("b", 0.5, 0.5)], "higher") == ["best", "tied"]
    assert ranks([cell("a", 0.75, 0.75), cell("b", 0.5, 0.5)], "higher") == ["best", ""]


@pytest.mark.parametrize(("rows", "seeds", "data"), [(8, 10, "same"), (10, 3, "same"), (6, 5, "own")])
def test_equal_rows_are_told_apart_in_at_most_five_of_a_hundred_tables(rows: int, seeds: int, data: str) -> None:
    tables, draw, wrong = 600, numpy.random.default_rng(3), 0
    for _ in range(tables):
        scores = draw.normal(size=(rows, seeds))
        table = [cell(f"{row}", *scores[row], data=data if data == "same" else f"{row}") for row in range(rows)]
        wrong += "" in ranks(table, "higher")
    # As many as chance allows, in 999 of 1000 cases, if the share is 5 %.
    assert wrong <= stats.binom.ppf(0.999, tables, 0.05)
