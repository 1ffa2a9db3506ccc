"""SVG as matplotlib writes it, in less time: what a string looks like is worked out once for all figures.

Matplotlib lays a string out whenever it measures or draws it, and the figures of a report repeat theirs. Lines are not
indented here; other than that, the file is the one of `Figure.savefig`, which a test compares.
"""

from __future__ import annotations

from functools import cache
from io import StringIO
from typing import Any, NamedTuple

import matplotlib
import numpy
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.colors import rgb2hex
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D, Transform

from hnet_bench.reporting.figures.xml import Writer

_LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "z"}


class _Line(NamedTuple):
    """A line of text at the size of `text_to_path`: where its glyphs stand, and their outlines by name."""

    uses: str
    outlines: dict[str, str]


def svg(figure: Figure) -> bytes:
    """The figure as the content of an SVG file without a date."""
    text = StringIO()
    dpi, figure.dpi = figure.dpi, 72  # the points of SVG
    width, height = figure.get_size_inches() * 72
    renderer = _Renderer(width, height, text, image_dpi=matplotlib.rcParams["savefig.dpi"], metadata={"Date": None})
    try:
        figure.draw(renderer)
    finally:
        figure.dpi = dpi
    renderer.finalize()  # type: ignore[no-untyped-call]
    # Lines end without blanks, so that editors and version control leave the file alone.
    return "".join([f"{line.strip()}\n" for line in text.getvalue().splitlines()]).encode()


class _Renderer(RendererSVG):
    def __init__(self, width: float, height: float, stream: StringIO, **settings: Any) -> None:
        super().__init__(width, height, stream, **settings)  # type: ignore[no-untyped-call]
        self.writer: Any = Writer(stream, is_open=("svg",))
        self._glyph_map: dict[str, Any] = {}  # whose keys matplotlib takes for the glyphs that have been defined

    def get_text_width_height_descent(self, s: str, prop: FontProperties, ismath: Any) -> tuple[float, float, float]:
        return _size(s, prop, ismath)

    def draw_text(
        self,
        gc: GraphicsContextBase,
        x: float,
        y: float,
        s: str,
        prop: FontProperties,
        angle: float,
        ismath: Any = False,
        mtext: Text | None = None,
    ) -> None:
        if ismath or gc.get_clip_rectangle() is not None or gc.get_clip_path()[0] is not None:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)  # type: ignore[no-untyped-call]
            return
        self.writer.comment(s)
        scale = prop.get_size_in_points() / text_to_path.FONT_SCALE
        turn = f" rotate({_number(-angle)})" if angle else ""
        self.writer.start(
            "g",
            style=_style(gc),
            transform=f"translate({_number(x)} {_number(y)}){turn} scale({_number(scale)} {_number(-scale)})",
        )
        line = _line(s, findfont(prop))
        missing = {name: outline for name, outline in line.outlines.items() if name not in self._glyph_map}
        if missing:
            self.writer.start("defs")
            for name, outline in missing.items():
                self.writer.element("path", id=name, d=outline, transform="scale(0.015625)")
            self.writer.end("defs")
            self._glyph_map |= missing
        self.writer.raw(line.uses)
        self.writer.end("g")

    def draw_quad_mesh(
        self,
        gc: GraphicsContextBase,
        master_transform: Transform,
        meshWidth: int,  # noqa: N803 (matplotlib's name)
        meshHeight: int,  # noqa: N803
        coordinates: Any,
        *others: Any,
    ) -> None:
        """A path for each cell, all made at once."""
        colours = others[2]
        if gc.get_linewidth() or numpy.any(others[0]) or gc.get_clip_rectangle() is not None:
            super().draw_quad_mesh(gc, master_transform, meshWidth, meshHeight, coordinates, *others)
            return
        upright = master_transform + Affine2D().scale(1, -1).translate(0, self.height)
        points = upright.transform(numpy.reshape(coordinates, (-1, 2))).reshape(*numpy.shape(coordinates))
        texts = [f"{_number(x)} {_number(y)} \n" for x, y in points.reshape(-1, 2).tolist()]
        across = meshWidth + 1
        for cell, colour in enumerate(colours):
            first = cell // meshWidth * across + cell % meshWidth
            corners = texts[first], texts[first + 1], texts[first + across + 1], texts[first + across], texts[first]
            fill = _fill(colour)
            self.writer.raw(f'<path d="M {"L ".join(corners)}"{fill}/>\n')

    def _get_font_height_metrics(self, prop: FontProperties) -> tuple[float, float, float]:
        """What matplotlib 3.11 asks a renderer for, and else reads from the file of the font for each text."""
        return _heights(prop)


def _style(gc: GraphicsContextBase) -> str:
    colour = rgb2hex(gc.get_rgb())
    alpha = gc.get_alpha() if gc.get_forced_alpha() else gc.get_rgb()[3]
    said = {"fill": colour if colour != "#000000" else "", "opacity": _number(alpha) if alpha != 1 else ""}
    return "; ".join(f"{key}: {value}" for key, value in said.items() if value)


def _fill(colour: Any) -> str:
    red, green, blue, alpha = colour
    if not alpha:
        return ' style="fill: none"'
    said = [] if red == green == blue == 0 else [f"fill: {rgb2hex(colour)}"]
    if alpha != 1:
        said.append(f"fill-opacity: {_number(alpha)}")
    return f' style="{"; ".join(said)}"' if said else ""


@cache
def _heights(font: FontProperties) -> tuple[float, float, float]:
    """Ascent, descent and gap between lines in points."""
    found = get_font(findfont(font))
    lines: Any = found.get_sfnt_table("OS/2")
    scale = 1 / found.units_per_EM * font.get_size_in_points()
    return lines["sTypoAscender"] * scale, -lines["sTypoDescender"] * scale, lines["sTypoLineGap"] * scale


@cache
def _size(text: str, font: FontProperties, is_math: Any) -> tuple[float, float, float]:
    width, height, descent = text_to_path.get_text_width_height_descent(text, font, is_math)
    return width, height, descent


_known: dict[str, Any] = {}  # outlines of glyphs by name


@cache
def _line(text: str, file: str) -> _Line:
    font = get_font(file)
    font.set_size(text_to_path.FONT_SCALE, text_to_path.DPI)
    places, outlines, _ = text_to_path.get_glyphs_with_font(font, text, glyph_map=_known, return_new_glyphs_only=True)
    _known.update({name: _outline(*outline) for name, outline in outlines.items()})
    uses = [f'<use xlink:href="#{name}"{_moved(x, y)}/>\n' for name, x, y, _ in places]
    return _Line("".join(uses), {name: _known[name] for name, *_ in places})


def _moved(x: float, y: float) -> str:
    return f' transform="translate({_number(x)} {_number(y)})"' if x or y else ""


def _outline(points: Any, codes: Any) -> str:
    """The `d` of a glyph, in the font's own whole units, of which there are 64 to a point."""
    if not len(points):
        return ""
    segments = Path(numpy.asarray(points) * 64, codes).iter_segments(simplify=False)
    # Line breaks as matplotlib has them, in what it takes for one line.
    return "".join(
        "z\n" if code == Path.CLOSEPOLY else " ".join([_LETTERS[code], *map(_number, ends)]) + "\n"
        for ends, code in segments
    )


def _number(value: float) -> str:
    return f"{value:f}".rstrip("0").rstrip(".")
