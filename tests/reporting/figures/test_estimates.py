"""Intervals of means and differences, against tables and an independent formula."""

from __future__ import annotations

import math

import numpy
import pytest
import scipy.stats

from hnet_bench.papers.table import Reported
from hnet_bench.reporting.figures.estimates import difference, mean_intervals, quantile


@pytest.mark.parametrize(
    ("confidence", "degrees", "printed"),
    # As the tables at the end of textbooks print them.
    [(0.95, 4, 2.776), (0.95, 9, 2.262), (0.90, 4, 2.132), (0.90, 9, 1.833), (0.95, math.inf, 1.960)],
)
def test_quantiles_are_those_of_printed_tables(confidence: float, degrees: float, printed: float) -> None:
    assert round(quantile(confidence, degrees), 3) == printed


def test_the_interval_of_three_seeds_by_hand() -> None:
    mean, half = mean_intervals(numpy.array([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]))
    assert mean.tolist() == [2, 5]
    # Standard deviation 1, t(0.975, 2) = 4.3027.
    assert half == pytest.approx([4.3027 / math.sqrt(3), 0], abs=1e-4)


def test_two_seeds_have_a_mean_but_no_interval() -> None:
    mean, half = mean_intervals(numpy.array([[1.0], [2.0]]))
    assert mean.tolist() == [1.5]
    assert numpy.isnan(half).all()


def test_the_interval_of_a_difference_by_hand() -> None:
    # SEM 0.01 from 3 seeds, t(0.95, 2) = 2.9200; SEM 0.02 from 5, t(0.95, 4) = 2.1318.
    values = [0.6 - 0.01 * math.sqrt(3), 0.6, 0.6 + 0.01 * math.sqrt(3)]
    found = difference(values, Reported(mean=0.7, spread=0.02, spread_kind="sem", n=5, known="verified"))
    assert found.mean == pytest.approx(-0.1)
    assert found.half == pytest.approx((2.9200 * 1 + 2.1318 * 4) * 1e-4 / math.sqrt(5e-4), rel=1e-4)


def test_with_equal_numbers_of_seeds_it_is_students_with_half_the_degrees_of_freedom() -> None:
    values, theirs = [0.60, 0.64, 0.66, 0.61], [0.70, 0.68, 0.72, 0.66]
    reported = Reported(
        mean=sum(theirs) / 4, spread=float(scipy.stats.sem(theirs)), spread_kind="sem", n=4, known="verified"
    )
    pooled = scipy.stats.ttest_ind(values, theirs).confidence_interval(0.90)
    found = difference(values, reported)
    ratio = scipy.stats.t.ppf(0.95, 3) / scipy.stats.t.ppf(0.95, 6)
    assert found.half == pytest.approx(ratio * (pooled.high - pooled.low) / 2)


def test_a_standard_deviation_means_the_same_as_its_sem() -> None:
    values = [0.60, 0.64, 0.66]
    sd = Reported(mean=0.7, spread=0.04, spread_kind="sd", n=16, known="verified")
    sem = Reported(mean=0.7, spread=0.01, spread_kind="sem", n=16, known="verified")
    assert difference(values, sd).half == pytest.approx(difference(values, sem).half)


def test_a_number_without_spread_counts_as_exact() -> None:
    values = [0.60, 0.64, 0.66]
    found = difference(values, Reported(mean=0.7, known="recalled"))
    low, high = scipy.stats.t.interval(0.90, 2, loc=numpy.mean(values), scale=scipy.stats.sem(values))
    assert found.half == pytest.approx((high - low) / 2)


def test_one_seed_has_a_difference_but_no_interval() -> None:
    found = difference([0.6], Reported(mean=0.7, spread=0.01, spread_kind="sem", n=5, known="verified"))
    assert (round(found.mean, 12), found.half) == (-0.1, None)


def test_equal_seeds_and_an_exact_number_have_an_interval_of_no_width() -> None:
    assert difference([0.6, 0.6], Reported(mean=0.6, known="recalled")).half == 0
