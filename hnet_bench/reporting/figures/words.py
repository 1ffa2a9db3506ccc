"""Many short texts as one artist: numbers at ticks, names of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

from matplotlib.artist import Artist, allow_rasterization
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.transforms import Bbox, Transform

from hnet_bench.reporting.figures.style import BLACK, SMALL

Place: TypeAlias = tuple[float, float, str]  # x, y and what is written there

_SHARES = {"left": 0.0, "center": 0.5, "right": 1.0}
_ASCENT = 0.76  # of DejaVu Sans over its size


def write(
    into: Axes | Figure,
    places: Sequence[Place],
    *,
    size: float = SMALL,
    ha: Literal["left", "center", "right"] = "center",
    va: Literal["top", "center"] = "center",
    transform: Transform | None = None,
    weight: Literal["normal", "bold"] = "normal",
    color: str = BLACK,
) -> None:
    """Writes lines of text, all alike, at places in the coordinates of `transform`; in axes' own ones without it."""
    if places:
        font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
        words = Words(places, font, color, _SHARES[ha], 1.0 if va == "top" else 0.5)
        if transform is None:
            assert isinstance(into, Axes), "figures have no data"
            transform = into.transData
        words.set_transform(transform)
        into.add_artist(words)
        words.set_clip_path(None)


class Words(Artist):
    """As `matplotlib.text.Text` without what one of these needs that wraps, turns or has several lines."""

    zorder = 3

    def __init__(self, places: Sequence[Place], font: FontProperties, color: str, across: float, down: float) -> None:
        super().__init__()
        self.places = tuple((x, y, text.replace("\n", " ")) for x, y, text in places)
        self._font, self._color = font, color
        self._across, self._down = across, down * _ASCENT * font.get_size_in_points()

    @allow_rasterization  # type: ignore[untyped-decorator]
    def draw(self, renderer: Any) -> None:
        """Called by matplotlib."""
        if not self.get_visible():
            return
        height = renderer.get_canvas_width_height()[1]
        gc = renderer.new_gc()
        gc.set_foreground(self._color)
        for (*_, text), (x, y) in zip(self.places, self._baselines(renderer), strict=True):
            renderer.draw_text(gc, x, height - y if renderer.flipy() else y, text, self._font, 0.0, False)
        gc.restore()

    def get_window_extent(self, renderer: Any = None) -> Bbox:
        """The box around all words in pixels."""
        figure: Any = self.get_figure(root=True)
        renderer = renderer or figure._get_renderer()  # as `Text` does
        boxes = []
        for (*_, text), (x, y) in zip(self.places, self._baselines(renderer), strict=True):
            width, height, descent = renderer.get_text_width_height_descent(text, self._font, False)
            boxes.append(Bbox.from_bounds(x, y - descent, width, height))
        return Bbox.union(boxes)

    def _baselines(self, renderer: Any) -> list[tuple[float, float]]:
        """Where the lines of text begin, in pixels from the lower left corner."""
        points = self.get_transform().transform([(x, y) for x, y, _ in self.places])
        down = renderer.points_to_pixels(self._down)
        if not self._across:  # no need to measure them
            return [(x, y - down) for x, y in points.tolist()]
        widths = [renderer.get_text_width_height_descent(text, self._font, False)[0] for *_, text in self.places]
        return [(x - self._across * width, y - down) for (x, y), width in zip(points.tolist(), widths, strict=True)]
