"""Tests of means: Student's where there is one part, and never liberal with two."""

from __future__ import annotations

import math

import numpy
import pytest
from scipy import stats

from hnet_bench.reporting.mean_tests import (
    EXACT,
    Part,
    critical_value,
    half_width,
    part_of,
    satterthwaite,
    tail_probability,
)

VALUES = [0.62, 0.71, 0.66, 0.64, 0.69]
REPETITIONS = 40_000
TOLERANCE = 3 * math.sqrt(0.05 * 0.95 / REPETITIONS)  # three standard errors of the simulated rate


def test_one_part_gives_the_t_interval_and_the_t_test_of_scipy() -> None:
    interval = stats.ttest_1samp(VALUES, 0.6).confidence_interval(0.9)
    assert half_width([part_of(VALUES)]) == pytest.approx((interval.high - interval.low) / 2)
    p = stats.ttest_1samp(VALUES, 0.6, alternative="greater").pvalue
    distance = sum(VALUES) / 5 - 0.6
    assert tail_probability(distance, [part_of(VALUES)]) == pytest.approx(p)
    assert tail_probability(-distance, [part_of(VALUES)]) == pytest.approx(1 - p)
    assert tail_probability(distance, [part_of(VALUES), Part(0.0, EXACT)]) == pytest.approx(p)


def test_what_is_known_exactly_has_the_normal_quantile() -> None:
    assert critical_value([Part(0.25, EXACT)]) == pytest.approx(stats.norm.ppf(0.95))
    assert tail_probability(1.0, [Part(0.25, EXACT)]) == pytest.approx(stats.norm.sf(2.0))


def test_two_parts_weight_their_quantiles() -> None:
    # t at 95 %: 2.9200 with 2 degrees of freedom, 1.7291 with 19 (any table of t).
    parts = [Part(0.04, 2), Part(0.01, 19)]
    assert critical_value(parts) == pytest.approx((0.04 * 2.9200 + 0.01 * 1.7291) / 0.05, abs=1e-4)
    assert half_width(parts) == pytest.approx(math.sqrt(0.05) * 2.68182, abs=1e-4)


@pytest.mark.parametrize("distance", [1e-6, 0.1, 0.7, 3.0])
def test_a_p_value_is_the_level_at_which_the_interval_just_reaches(distance: float) -> None:
    parts = [Part(0.04, 2), Part(0.01, 19)]
    assert float(half_width(parts, 1 - tail_probability(distance, parts))) == pytest.approx(distance, rel=1e-6)


def test_without_any_spread_there_is_no_doubt() -> None:
    parts = [Part(0.0, 2), Part(0.0, EXACT)]
    assert half_width(parts) == 0
    assert [tail_probability(distance, parts) for distance in (0.1, 0.0, -0.1)] == [0.0, 0.5, 1.0]


def test_satterthwaites_degrees_of_freedom_are_those_of_welch() -> None:
    other = [0.5, 0.9, 0.4]
    found = satterthwaite([part_of(VALUES), part_of(other)])
    assert found == pytest.approx(stats.ttest_ind(VALUES, other, equal_var=False).df)
    assert satterthwaite([part_of(VALUES), Part(0.0, EXACT)]) == pytest.approx(4)


def false_alarms(seeds: int, ratio: float) -> tuple[float, float]:
    """How often equal means are told apart at 5 %: by this test, and by Welch's; the paper has 20 seeds."""
    random = numpy.random.default_rng(0)
    ours = random.normal(0, ratio, (REPETITIONS, seeds))
    theirs = random.normal(0, 1, (REPETITIONS, 20))
    parts = [Part(values.var(axis=1, ddof=1) / values.shape[1], values.shape[1] - 1.0) for values in (ours, theirs)]
    difference = ours.mean(axis=1) - theirs.mean(axis=1)
    error = numpy.sqrt(parts[0].square + parts[1].square)
    welch = stats.t.ppf(0.95, satterthwaite(parts)) * error
    return float((difference > half_width(parts)).mean()), float((difference > welch).mean())


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("ratio", [0.05, 0.3, 1.0, 2.0])
def test_equal_means_are_told_apart_in_at_most_five_per_cent(seeds: int, ratio: float) -> None:
    assert false_alarms(seeds, ratio)[0] <= 0.05 + TOLERANCE


def test_welchs_test_would_err_more_often_with_three_seeds() -> None:
    assert false_alarms(3, 1.0)[1] > 0.057
