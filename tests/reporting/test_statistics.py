"""Tests of means: Student's where there is one error, never liberal with two; the best mean and what ties with it."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from scipy import stats

from hnet_bench.metrics import Summary
from hnet_bench.reporting.statistics import (
    EXACT,
    Competitor,
    ErrorOfMean,
    Rank,
    chance_to_reproduce,
    critical_value,
    difference_and_p,
    error_of,
    half_width,
    holm,
    ranks,
    satterthwaite,
    seeds_to_reproduce,
    step_of,
    tail_probability,
)

VALUES = [0.62, 0.71, 0.66, 0.64, 0.69]
OURS = Summary(float(np.mean(VALUES)), float(np.var(VALUES, ddof=1)), 5)
REPETITIONS = 40_000
TOLERANCE = 3 * math.sqrt(0.05 * 0.95 / REPETITIONS)  # three standard errors of the simulated rate


def test_one_error_gives_the_t_interval_and_the_t_test_of_scipy() -> None:
    interval = stats.ttest_1samp(VALUES, 0.6).confidence_interval(0.9)
    assert half_width([error_of(OURS)]) == pytest.approx((interval.high - interval.low) / 2)
    p = stats.ttest_1samp(VALUES, 0.6, alternative="greater").pvalue
    distance = sum(VALUES) / 5 - 0.6
    assert tail_probability(distance, [error_of(OURS)]) == pytest.approx(p)
    assert tail_probability(-distance, [error_of(OURS)]) == pytest.approx(1 - p)
    assert tail_probability(distance, [error_of(OURS), ErrorOfMean(0.0, EXACT)]) == pytest.approx(p)


def test_what_is_known_exactly_has_the_normal_quantile() -> None:
    assert critical_value([ErrorOfMean(0.25, EXACT)]) == pytest.approx(stats.norm.ppf(0.95))
    assert tail_probability(1.0, [ErrorOfMean(0.25, EXACT)]) == pytest.approx(stats.norm.sf(2.0))


def test_two_errors_weight_their_quantiles() -> None:
    # t at 95 %: 2.9200 with 2 degrees of freedom, 1.7291 with 19 (any table of t).
    errors = [ErrorOfMean(0.04, 2), ErrorOfMean(0.01, 19)]
    assert critical_value(errors) == pytest.approx((0.04 * 2.9200 + 0.01 * 1.7291) / 0.05, abs=1e-4)
    assert half_width(errors) == pytest.approx(math.sqrt(0.05) * 2.68182, abs=1e-4)


@pytest.mark.parametrize("distance", [1e-6, 0.1, 0.7, 3.0])
def test_a_p_value_is_the_level_at_which_the_interval_just_reaches(distance: float) -> None:
    errors = [ErrorOfMean(0.04, 2), ErrorOfMean(0.01, 19)]
    assert float(half_width(errors, 1 - tail_probability(distance, errors))) == pytest.approx(distance, rel=1e-6)


def test_a_difference_of_countless_errors_has_the_least_p_value() -> None:
    assert 0 <= tail_probability(1e9, [ErrorOfMean(1e-9, 30), ErrorOfMean(1e-9, EXACT)]) < 1e-30


def test_without_any_spread_there_is_no_doubt() -> None:
    errors = [ErrorOfMean(0.0, 2), ErrorOfMean(0.0, EXACT)]
    assert half_width(errors) == 0
    assert [tail_probability(distance, errors) for distance in (0.1, 0.0, -0.1)] == [0.0, 0.5, 1.0]


def test_satterthwaites_degrees_of_freedom_are_those_of_welch() -> None:
    other = [0.5, 0.9, 0.4]
    found = satterthwaite([error_of(OURS), error_of(Summary(float(np.mean(other)), float(np.var(other, ddof=1)), 3))])
    assert found == pytest.approx(stats.ttest_ind(VALUES, other, equal_var=False).df)
    assert satterthwaite([error_of(OURS), ErrorOfMean(0.0, EXACT)]) == pytest.approx(4)


def false_alarms(seeds: int, ratio: float) -> float:
    """How often equal means are told apart at 5 %; the paper has 20 seeds."""
    random = np.random.default_rng(0)
    ours = random.normal(0, ratio, (REPETITIONS, seeds))
    theirs = random.normal(0, 1, (REPETITIONS, 20))
    errors = [
        ErrorOfMean(values.var(axis=1, ddof=1) / values.shape[1], values.shape[1] - 1.0) for values in (ours, theirs)
    ]
    difference = ours.mean(axis=1) - theirs.mean(axis=1)
    return float((difference > half_width(errors)).mean())


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("ratio", [0.05, 0.3, 1.0, 2.0])
def test_equal_means_are_told_apart_in_at_most_five_per_cent(seeds: int, ratio: float) -> None:
    assert false_alarms(seeds, ratio) <= 0.05 + TOLERANCE


def test_the_number_of_seeds_is_the_first_that_is_enough() -> None:
    reported = ErrorOfMean(0.0025**2, 19)
    needed = seeds_to_reproduce(reported, spread=0.011, margin=0.01, least=5)
    assert isinstance(needed, int)
    chances = chance_to_reproduce(np.array([needed - 1, needed]), reported, spread=0.011, margin=0.01)
    assert chances[0] < 0.8 <= chances[1]


def test_the_number_of_seeds_agrees_with_the_textbook_where_it_is_large() -> None:
    # Normal approximation of a two one-sided test of one mean: n = (sd (z_0.95 + z_0.90) / margin) ** 2.
    textbook = (0.05 * (1.6449 + 1.2816) / 0.01) ** 2
    needed = seeds_to_reproduce(ErrorOfMean(0.0, EXACT), spread=0.05, margin=0.01, least=3)
    assert needed == pytest.approx(textbook, abs=4)


def test_where_no_number_of_seeds_would_do_it_is_said() -> None:
    # 0.01 is less than two standard errors of the paper.
    assert seeds_to_reproduce(ErrorOfMean(0.006**2, 19), spread=0.01, margin=0.01, least=3) == "no number"
    assert seeds_to_reproduce(ErrorOfMean(0.002**2, 19), spread=0.3, margin=0.01, least=3) == "more than 1000"


def cell(name: str, *scores: float, data: str = "same", first: int = 1) -> Competitor:
    return Competitor(runs=name, data=data, scores=dict(enumerate(scores, start=first)))


def test_holms_correction_by_hand() -> None:
    # Sorted: 0.01 x 4, 0.02 x 3, 0.03 x 2 (no less than the one before), 0.6 x 1.
    assert holm({"a": 0.02, "b": 0.6, "c": 0.01, "d": 0.03}) == pytest.approx(
        {"c": 0.04, "a": 0.06, "d": 0.06, "b": 0.6}
    )


def p_of(one: Competitor, other: Competitor, step: float = 0.0) -> float:
    test = difference_and_p(one, other, step=step)
    assert test is not None
    return test[1]


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


def test_all_that_have_the_best_mean_are_best() -> None:
    table = [cell("a", 0.9, 0.8, 0.9, 0.8, 0.9), cell("b", 0.8, 0.9, 0.9, 0.9, 0.8), cell("c", *[0.1] * 5)]
    assert ranked(table) == ["best", "best", ""]
    assert ranked([cell("a", 0.5), cell("b", 0.5), cell("c", 0.7)], "lower") == ["best", "best", "untested"]


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


@pytest.mark.parametrize(("better", "sign"), [("higher", 1), ("lower", -1)])
def test_a_row_that_beats_the_best_on_their_common_seeds_is_not_told_apart(
    better: Literal["higher", "lower"], sign: int
) -> None:
    # The mean of the first is the higher by its other seeds alone: on those that both have it is 0.02 lower.
    common = (0.700, 0.701, 0.702, 0.701, 0.700)
    first = cell("a", *[sign * x for x in (*[0.9] * 5, *common)])
    second = cell("b", *[sign * x for x in (0.721, 0.722, 0.722, 0.721, 0.721)], first=6)
    assert p_of(first, second) < 1e-4
    assert ranked([first, second], better) == ["best", "tied"]


def test_the_same_runs_under_two_names_share_their_rank() -> None:
    same = [cell("a", 0.9, 0.91), cell("a", 0.9, 0.91)]
    assert ranked(same) == ["", ""]
    assert ranked([*same, cell("b", 0.1, 0.11)]) == ["best", "best", "untested"]


def test_without_spread_what_is_equal_or_a_step_away_is_tied_and_what_is_far_is_not() -> None:
    def two(difference: float) -> list[Competitor]:
        return [cell("a", *[0.75] * 5), cell("b", *[0.75 - difference] * 5)]

    assert ranked(two(0.0), step=0.0005) == ["best", "best"]
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
