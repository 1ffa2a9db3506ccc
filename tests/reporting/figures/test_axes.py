"""Limits, ticks and bars."""

from __future__ import annotations

import numpy
import pytest
from matplotlib.figure import Figure

from hnet_bench.reporting.figures.axes import asides, errorbars, experience_ticks, round_numbers, scale_scores
from hnet_bench.reporting.figures.subject import ACCURACY, SQUARED_ERROR


@pytest.mark.parametrize(
    ("lowest", "bottom"), [(99.7, 95), (96.5, 95), (95, 90), (92, 90), (91.9, 80), (40, 30), (1.5, 0), (0, 0)]
)
def test_accuracies_begin_at_a_round_number_below_the_lowest(lowest: float, bottom: float) -> None:
    axes = Figure().subplots()
    scale_scores(axes, [numpy.array([100, lowest]), numpy.array([numpy.nan])], ACCURACY)
    low, high = axes.get_ylim()
    assert low == bottom
    assert high == pytest.approx(100 + 0.03 * (100 - bottom))


def test_errors_of_different_orders_of_magnitude_can_all_be_seen() -> None:
    axes = Figure().subplots()
    scale_scores(axes, [numpy.array([0.004, 5.0])], SQUARED_ERROR)
    assert axes.get_yscale() == "log"
    assert axes.get_ylim() == (0.002, 10)


@pytest.mark.parametrize(
    ("low", "high", "most", "numbers"),
    [
        (0.04, 2.5, 6, [0.05, 0.1, 0.2, 0.5, 1, 2]),
        (0.002, 10, 6, [0.01, 0.1, 1, 10]),
        (0.002, 10, 3, [0.1, 10]),
        (0.003, 0.012, 3, [0.005, 0.01]),
    ],
)
def test_numbers_of_a_logarithmic_axis_are_round_and_few(
    low: float, high: float, most: int, numbers: list[float]
) -> None:
    found = round_numbers(low, high, most)
    assert found == pytest.approx(numbers) or (len(found) <= most and all(low <= number <= high for number in found))


def test_bars_end_where_scores_end() -> None:
    axes = Figure().subplots()
    errorbars(axes, numpy.array([1]), numpy.array([[100.0], [99.0], [80.0]]), 100.0)
    ((_, low), (_, high)) = axes.collections[0].get_segments()[0]
    assert high == 100
    assert low == pytest.approx(93 - 4.3027 * numpy.std([100, 99, 80], ddof=1) / 3**0.5, abs=1e-3)


def test_experiences_have_a_tick_each_unless_they_are_many() -> None:
    assert experience_ticks(5) == [1, 2, 3, 4, 5]
    assert experience_ticks(100) == [1, 20, 40, 60, 80, 100]
    assert experience_ticks(250) == [1, 50, 100, 150, 200, 250]
    assert all(len(experience_ticks(count)) <= 12 for count in range(1, 400))


def test_curves_are_moved_aside_evenly_about_their_place() -> None:
    assert asides(1) == [0]
    assert asides(3) == pytest.approx([-0.1, 0, 0.1])
    assert max(asides(20)) < 0.25
