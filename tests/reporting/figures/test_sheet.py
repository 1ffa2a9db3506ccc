"""Texts in lines that fit, panels in their places."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hnet_bench.reporting.figures.sheet import Grid, sheet, width_of, wrap
from hnet_bench.reporting.figures.style import style

WORDS = st.lists(st.text("abcWil", min_size=1, max_size=12), max_size=30).map(" ".join)


@given(text=WORDS, width=st.floats(0.8, 5))
def test_lines_fit_and_no_word_is_lost(text: str, width: float) -> None:
    lines = wrap(text, width, 8)
    assert " ".join(lines).split() == text.split()
    assert all(width_of(line, 8) <= 1.02 * width or " " not in line for line in lines)


def test_a_text_is_as_wide_as_matplotlib_draws_it() -> None:
    with style():
        page = sheet(Grid(), title="T", what="", caption="")
        text = page.figure.text(0, 0, "Accuracy: average over seeds", size=7)
        page.figure.canvas.draw()
        drawn = text.get_window_extent().width / page.figure.dpi
    assert width_of("Accuracy: average over seeds", 7) == pytest.approx(drawn, rel=0.03)


def test_panels_stand_where_the_grid_says() -> None:
    grid = Grid(rows=3, columns=2, panel=(2.0, 1.0), gap=(0.5, 0.2), breaks=(2,))
    with style():
        page = sheet(grid, title="T", what="", caption="")
        boxes = [panel.get_position() for panel in page.first(6)]
    size = page.figure.get_size_inches()
    x = [box.x0 * size[0] for box in boxes]
    y = [box.y1 * size[1] for box in boxes]
    assert x[1] - x[0] == pytest.approx(2.5)
    assert y[0] - y[2] == pytest.approx(1.2)
    assert y[2] - y[4] == pytest.approx(1.5)  # a new block stands apart
    assert boxes[0].width * size[0] == pytest.approx(2.0)


@pytest.mark.parametrize("reduced", ["", "a tenth of the iterations"])
def test_what_was_reduced_stands_on_the_figure(reduced: str) -> None:
    with style():
        page = sheet(Grid(), title="T", what="", caption="C", reduced=reduced)
    texts = [text.get_text() for text in page.figure.texts]
    assert [text for text in texts if "Reduced" in text] == ([f"Reduced: {reduced}"] if reduced else [])
