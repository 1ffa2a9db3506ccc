"""Our way to SVG gives what matplotlib's own gives."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO, StringIO
from xml.etree import ElementTree

import numpy
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from hnet_bench.reporting.figures.segments import segments
from hnet_bench.reporting.figures.style import look
from hnet_bench.reporting.figures.svg import svg
from hnet_bench.reporting.figures.words import Words, write
from hnet_bench.reporting.figures.xml import Writer


def by_matplotlib(figure: Figure) -> list[bytes]:
    """Lines of the file without their indentation."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return [line.strip() for line in buffer.getvalue().splitlines()]


def lines_and_markers(figure: Figure) -> None:
    axes = figure.subplots()
    for index in range(4):
        axes.errorbar([1, 2, 3], [index, 2, 1], yerr=0.3, **look(index).style, label=f"row {index} & <others>")
    axes.legend()
    axes.set(title="A title in\ntwo lines", xlabel="tasks -- or 'experiences'", ylabel='average "accuracy", %')
    axes.grid()


def texts(figure: Figure) -> None:
    axes = figure.subplots()
    axes.text(0.2, 0.3, "rotated — 30°", rotation=30, color="#b34700", alpha=0.5)
    axes.text(0.2, 0.6, "of a formula $x^2$ and AVA again")
    axes.text(0.5, 0.5, "clipped: AVA", clip_on=True, weight="bold", style="italic")
    axes.text(0.5, 0.2, "in a box\nof two lines", bbox={"boxstyle": "square"}, ha="center", va="bottom")
    axes.annotate("AVA", (0.9, 0.9), (5, 3), textcoords="offset points", size=7)
    write(axes, [(0.1, 0.9, "many"), (0.4, 0.9, "words"), (0.4, 0.8, "many")], ha="right")


def heat_maps(figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    matrix = numpy.array([[0.0, 50.0, 100.0], [numpy.nan, 1 / 3, 75.25]])
    left.pcolormesh(matrix, linewidth=0, clip_on=False, cmap="cividis")
    left.pcolormesh(numpy.arange(4) + 0.1, numpy.arange(3) + 5, matrix, linewidth=0.5, cmap="gray")
    right.pcolormesh(matrix, cmap="cividis")
    right.set_xscale("log")


def bars_and_pictures(figure: Figure) -> None:
    left, right = figure.subplots(1, 2)
    left.bar([1, 2], [3, 4], hatch="//", edgecolor="#000000", alpha=0.5)
    left.fill_between([1, 2, 3], [0, 1, 0], 2, alpha=0.2)
    left.add_patch(Circle((1, 1), 0.5))
    right.imshow(numpy.arange(12.0).reshape(3, 4), interpolation="none")
    right.add_collection(segments([[(0, 0), (1, 1)], [(1, 0), (2, 2), (3, 0)]], color="#0072b2"))


@pytest.mark.parametrize("fill", [lines_and_markers, texts, heat_maps, bars_and_pictures])
def test_the_file_is_that_of_matplotlib_but_for_indentation(fill: Callable[[Figure], None]) -> None:
    pages = [Figure(figsize=(5.2, 3.1)) for _ in range(2)]
    for page in pages:
        fill(page)
    ours = svg(pages[0])
    assert ours.splitlines() == by_matplotlib(pages[1])
    ElementTree.fromstring(ours)
    assert pages[0].dpi == pages[1].dpi
    assert ours == b"".join(line.rstrip() + b"\n" for line in ours.splitlines())


def test_what_was_measured_for_one_figure_does_not_change_the_next() -> None:
    first, second = Figure(), Figure()
    texts(first)
    texts(second)
    assert svg(first) == svg(second)


def test_xml_escapes_what_would_end_it() -> None:
    stream = StringIO()
    writer = Writer(stream)
    top = writer.start("a", title='x < "y" & z', empty="")
    writer.comment("3 --- 2 > 1")
    writer.element("b", text="1 < 2")
    writer.start("c")
    writer.close(top)
    text = stream.getvalue()
    assert text.splitlines()[0] == '<a title="x &lt; &quot;y&quot; &amp; z">'
    assert "<!-- 3 - - - 2 &gt; 1 -->" in text
    root = ElementTree.fromstring(text)
    assert root.attrib == {"title": 'x < "y" & z'}
    assert [child.tag for child in root] == ["b", "c"]
    assert root[0].text == "1 < 2"


@pytest.mark.parametrize(("ha", "va"), [("left", "top"), ("center", "top"), ("right", "center"), ("center", "center")])
def test_words_stand_where_texts_would(ha: str, va: str) -> None:
    places = [(0.25, 0.5, "100"), (0.75, 0.25, "Split MNIST")]
    one, other = Figure(), Figure()
    write(one.add_subplot(), places, ha=ha, va=va, size=8)  # type: ignore[arg-type]
    axes = other.add_subplot()
    for x, y, text in places:
        axes.text(x, y, text, ha=ha, va="center_baseline" if va == "center" else va, size=8)
    found, expected = ([translated(svg(page), text) for *_, text in places] for page in (one, other))
    assert numpy.array(found) == pytest.approx(numpy.array(expected), abs=0.05)  # points


def translated(picture: bytes, text: str) -> tuple[float, float]:
    """Where a text begins."""
    lines = picture.decode().splitlines()
    line = lines[lines.index(f"<!-- {text} -->") + 1]
    x, y = line.partition("translate(")[2].partition(")")[0].split()
    return float(x), float(y)


def test_hidden_words_are_not_drawn() -> None:
    page = Figure()
    write(page, [(0.5, 0.5, "a secret")], transform=page.transFigure)
    assert b"a secret" in svg(page)
    (words,) = page.findobj(Words)
    words.set_visible(False)
    assert b"a secret" not in svg(page)


def test_no_words_are_no_artist() -> None:
    axes = Figure().add_subplot()
    write(axes, [])
    assert not axes.findobj(Words)


def test_lines_apart_are_one_element_with_gaps() -> None:
    axes = Figure().add_subplot(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    axes.add_collection(segments([[(0, 0), (1, 1)], [(0, 1), (1, 0)], [(0, 0.5), (1, 0.5)]]))
    picture = svg(axes.get_figure(root=True) or Figure()).decode()
    (element,) = (line for line in picture.replace("\n", " ").split("<path ") if line.count("M ") == 3)
    assert element.count("L ") == 3
