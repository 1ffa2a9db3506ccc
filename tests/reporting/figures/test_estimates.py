"""Intervals of means and differences, against tables and an independent formula."""

from __future__ import annotations

import math

import numpy
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

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


def test_a_difference_is_that_of_welch() -> None:
    values, theirs = [0.60, 0.64, 0.66, 0.61], [0.70, 0.68, 0.72, 0.69, 0.66]
    sem = float(scipy.stats.sem(theirs))
    reported = Reported(mean=sum(theirs) / 5, spread=sem, spread_kind="sem", n=5, known="verified")
    found = difference(values, reported, 0.90)
    low, high = scipy.stats.ttest_ind(values, theirs, equal_var=False).confidence_interval(0.90)
    assert found.half is not None
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))


def test_a_standard_deviation_means_the_same_as_its_sem() -> None:
    values = [0.60, 0.64, 0.66]
    sd = Reported(mean=0.7, spread=0.04, spread_kind="sd", n=16, known="verified")
    sem = Reported(mean=0.7, spread=0.01, spread_kind="sem", n=16, known="verified")
    assert difference(values, sd).half == pytest.approx(difference(values, sem).half)


def test_a_number_without_spread_counts_as_exact() -> None:
    values = [0.60, 0.64, 0.66]
    found = difference(values, Reported(mean=0.7, known="recalled"), 0.90)
    low, high = scipy.stats.t.interval(0.90, 2, loc=numpy.mean(values), scale=scipy.stats.sem(values))
    assert found.half == pytest.approx((high - low) / 2)


def test_one_seed_has_a_difference_but_no_interval() -> None:
    found = difference([0.6], Reported(mean=0.7, spread=0.01, spread_kind="sem", n=5, known="verified"))
    assert (round(found.mean, 12), found.half) == (-0.1, None)


def test_equal_seeds_and_an_exact_number_have_an_interval_of_no_width() -> None:
    assert difference([0.6, 0.6], Reported(mean=0.6, known="recalled")).half == 0


@given(
    values=st.lists(st.floats(0, 1), min_size=2, max_size=8),
    spread=st.floats(1e-4, 0.1),
    margin=st.floats(1e-3, 0.3),
)
def test_the_interval_lies_within_a_margin_just_if_both_one_sided_tests_reject(
    values: list[float], spread: float, margin: float
) -> None:
    reported = Reported(mean=0.5, spread=spread, spread_kind="sem", n=20, known="recalled")
    found = difference(values, reported, 0.90)
    assert found.half is not None
    # Two one-sided Welch tests at 5 %, written out.
    sem = float(scipy.stats.sem(values))
    total = math.hypot(sem, spread)
    degrees = total**4 / (sem**4 / (len(values) - 1) + spread**4 / 19)
    above = scipy.stats.t.sf((found.mean + margin) / total, degrees)
    below = scipy.stats.t.cdf((found.mean - margin) / total, degrees)
    if abs(max(above, below) - 0.05) > 1e-6:
        assert (abs(found.mean) + found.half < margin) == (max(above, below) < 0.05)
