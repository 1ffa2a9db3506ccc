"""What stands around a panel stands where its axes say."""

from __future__ import annotations

import numpy
import pytest
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from hnet_bench.reporting.figures.axes import even, logarithmic
from hnet_bench.reporting.figures.frame import Side, Ticks, frame, names_of, numbers
from hnet_bench.reporting.figures.panel import Panel
from hnet_bench.reporting.figures.scale import draw_scale
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.words import Words


def panel(**limits: object) -> Panel:
    axes = Figure(figsize=(4, 2)).add_axes((0.25, 0.25, 0.5, 0.5), axes_class=Panel, **limits)
    assert isinstance(axes, Panel)
    return axes


def named(axes: Panel) -> list[tuple[float, float, str]]:
    return [place for artist in axes.findobj(Words) if isinstance(artist, Words) for place in artist.places]


def test_ticks_have_their_names_below_and_to_the_left() -> None:
    axes = frame(panel(xlim=(0, 10), ylim=(0, 1)), below=Side(numbers([2.5, -3])), left=Side(Ticks([0.5], ["half"])))
    assert isinstance(axes, Panel)
    below, other, left = named(axes)
    assert (below[0], below[2]) == (2.5, "2.5")
    assert (other[0], other[2]) == (-3, "\N{MINUS SIGN}3")
    assert below[1] == pytest.approx(-7 / 72)  # seven points under a panel of one inch
    assert (left[1], left[2]) == (0.5, "half")
    assert left[0] == pytest.approx(-7 / 144)


def test_lines_cross_the_panel_only_where_they_are_asked_for() -> None:
    without, across = panel(), panel()
    frame(without, below=Side(numbers([0.5])), left=Side())
    frame(across, below=Side(numbers([0.5]), lines=True), left=Side())
    found = [[part.get_segments() for part in axes.findobj(LineCollection)] for axes in (without, across)]
    crossing = [numpy.array([[0.5, 0], [0.5, 1]])]
    assert not any(numpy.array_equal(lines, crossing) for lines in found[0])
    assert sum(numpy.array_equal(lines, crossing) for lines in found[1]) == 1


def test_rows_are_named_from_the_top_without_marks() -> None:
    assert names_of(["b", "a"], {"a": "Row a", "b": "Row b"}) == Ticks(range(2), ["Row b", "Row a"])
    marked, plain = panel(), panel()
    frame(marked, below=Side(), left=Side(numbers([1])))
    frame(plain, below=Side(), left=Side(names_of(["a"], {"a": "Row a"}), words=True))
    assert len(marked.collections) == len(plain.collections) + 1


def test_axes_of_a_panel_make_no_ticks_of_their_own() -> None:
    axes = panel(xlim=(0, 5))
    axes.plot([1, 2], [3, 4])
    axes.grid(visible=True)
    axes.tick_params(length=3)
    for axis in (axes.xaxis, axes.yaxis):
        assert not {"majorTicks", "minorTicks"} & vars(axis).keys()  # which matplotlib makes when they are asked for
    assert axes.get_xlim() == (0, 5)


@pytest.mark.parametrize(
    ("low", "high", "ticks", "expected"),
    [(0, 102, 6, [0, 20, 40, 60, 80, 100]), (-1.62, 1.62, 5, [-1, 0, 1]), (0, 0.6, 5, [0, 0.2, 0.4, 0.6])],
)
def test_even_ticks_are_round_and_within(low: float, high: float, ticks: int, expected: list[float]) -> None:
    assert even(low, high, ticks=ticks).at == pytest.approx(expected)


def test_names_of_ticks_tell_them_apart() -> None:
    assert numbers([1_000_001, 1_000_002]).names == ["1000001", "1000002"]


def test_logarithmic_ticks_are_those_that_the_axis_gets() -> None:
    axes = panel()
    ticks = logarithmic(axes, "y", numpy.array([0.002, 3.0]))
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert ticks.names == ["0.001", "0.01", "0.1", "1"]
    assert all(low <= tick <= high for tick in ticks.at)


@pytest.mark.parametrize("norm", [LogNorm(0.0021, 0.0049), LogNorm(0.001, 1), LogNorm(1.1, 1.9), Normalize(0, 100)])
def test_a_colour_scale_has_numbers_within_it(norm: Normalize) -> None:
    page = sheet(Grid(), title="", what="", caption="")
    draw_scale(page, ScalarMappable(norm, "cividis"), 0, 0, "error")
    (axes,) = page.figure.axes
    assert isinstance(axes, Panel)
    places = named(axes)
    assert len(places) >= 2
    assert all(norm.vmin <= float(name) <= norm.vmax and 0 <= y <= 1 for _, y, name in places)
