"""A sheet: panels in a grid, between a title above and a caption below that say what is shown.

Everything is placed in inches from measured texts. Matplotlib's own layout engines take longer than the drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.textpath import text_to_path

from hnet_bench.reporting.figures.panel import Panel
from hnet_bench.reporting.figures.style import BLACK, SMALL, SUBTITLE, TEXT, TITLE
from hnet_bench.reporting.figures.words import Place, write

_EDGE = 0.12  # inches around everything
_SPACE = 0.06  # inches between the parts above the panels
_LEADING = 1.35  # line height over font size
_SAMPLE, _LEGEND_MARK, _SPACING = 0.29, 0.38, 0.15  # inches of a legend's entry: sample, with room, after the text
_NARROWEST = 5.2
_BREAK = 0.3


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Sizes in inches. `gap` stands between panels (across, down); `left`, `right` and `bottom` hold labels beside
    the grid, `head` the titles above the first row of panels."""

    rows: int = 1
    columns: int = 1
    panel: tuple[float, float] = (2.6, 2.0)
    gap: tuple[float, float] = (0.3, 0.3)
    breaks: tuple[int, ...] = ()  # rows that stand apart from the one above, by `_BREAK` more
    left: float = 0.55
    right: float = 0.1
    bottom: float = 0.42
    head: float = 0.25

    def drop(self, row: int) -> float:
        """How far the top of a row lies below that of the first."""
        return row * (self.panel[1] + self.gap[1]) + _BREAK * sum(first <= row for first in self.breaks)


@dataclass(frozen=True)
class Sheet:
    """A figure and the places of its panels, which exist once they are asked for: axes are what costs time."""

    figure: Figure
    grid: Grid
    corner: tuple[float, float]  # the upper left one of the first panel, in inches from the lower left of the figure

    def panel(self, row: int, column: int = 0, *, kind: type[Axes] = Panel) -> Axes:
        """New axes at a place of the grid."""
        x, y = self._lower_left(row, column)
        width, height = self.figure.get_size_inches()
        place = (x / width, y / height, self.grid.panel[0] / width, self.grid.panel[1] / height)
        return self.figure.add_axes(place, axes_class=kind)

    def canvas(self) -> Axes:
        """Axes without lines over the whole grid, in inches from its upper left corner, downwards. Many small panels
        drawn on them take a third of the time that axes of their own take."""
        width, height = self.figure.get_size_inches()
        across = self.grid.columns * (self.grid.panel[0] + self.grid.gap[0]) - self.grid.gap[0]
        down = self.grid.drop(self.grid.rows - 1) + self.grid.panel[1]
        place = (self.corner[0] / width, (self.corner[1] - down) / height, across / width, down / height)
        return self.figure.add_axes(place, axes_class=Panel, xlim=(0, across), ylim=(down, 0))

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """A place of the grid on `canvas`: left, top, width, height."""
        return (
            column * (self.grid.panel[0] + self.grid.gap[0]),
            self.grid.drop(row),
            *self.grid.panel,
        )

    def first(self, count: int, *, kind: type[Axes] = Panel) -> list[Axes]:
        """New axes at the first places of the grid, row by row."""
        return [self.panel(*divmod(index, self.grid.columns), kind=kind) for index in range(count)]

    def beside(self, row: int, column: int) -> tuple[Axes, float]:
        """New narrow axes to the right of a place, and their width in inches."""
        x, y = self._lower_left(row, column)
        width, height = self.figure.get_size_inches()
        place = ((x + self.grid.panel[0] + 0.15) / width, y / height, 0.12 / width, self.grid.panel[1] / height)
        return self.figure.add_axes(place, axes_class=Panel), 0.12

    def write(self, text: str, row: int, column: int, at: tuple[float, float], **look: Any) -> None:
        """Text at a place: `at` is (0, 0) in its lower left corner and (1, 1) in its upper right one."""
        x, y = self._lower_left(row, column)
        width, height = self.figure.get_size_inches()
        x, y = x + at[0] * self.grid.panel[0], y + at[1] * self.grid.panel[1]
        self.figure.text(x / width, y / height, text, parse_math=False, **look)

    def _lower_left(self, row: int, column: int) -> tuple[float, float]:
        x = self.corner[0] + column * (self.grid.panel[0] + self.grid.gap[0])
        return x, self.corner[1] - self.grid.drop(row) - self.grid.panel[1]


def sheet(
    grid: Grid, *, title: str, what: str, caption: str, reduced: str = "", legend: Sequence[Line2D | Patch] = ()
) -> Sheet:
    """A figure with a title, what is shown, a banner if the budget was reduced, a legend of `legend` if it is not
    empty, and a caption."""
    inner = grid.columns * grid.panel[0] + (grid.columns - 1) * grid.gap[0]
    width = max(grid.left + inner + grid.right, _NARROWEST) + 2 * _EDGE
    room = width - 2 * _EDGE
    headings = wrap(title, room, TITLE, bold=True)
    kinds = wrap(what, room, SUBTITLE)
    banner = wrap(f"Reduced: {reduced}", room - 0.2, TEXT, bold=True) if reduced else []
    below = wrap(caption, room, SMALL)
    columns, lines = _legend_shape(legend, room)
    height = (
        len(headings) * _line(TITLE)
        + len(kinds) * _line(SUBTITLE)
        + _SPACE
        + (len(banner) * _line(TEXT) + 2 * _SPACE if banner else 0.0)
        + (lines * _line(TEXT) * 1.12 + 2 * _SPACE if legend else 0.0)
        + grid.head
        + grid.drop(grid.rows - 1)
        + grid.panel[1]
        + grid.bottom
        + len(below) * _line(SMALL)
        + _SPACE
        + 2 * _EDGE
    )
    figure = Figure(figsize=(width, height))
    top = _write(figure, headings, height - _EDGE, size=TITLE, weight="bold")
    top = _write(figure, kinds, top, size=SUBTITLE) - _SPACE
    if banner:
        top = _write_banner(figure, banner, top - 0.04) - 2 * _SPACE + 0.04
    if legend:
        _add_legend(figure, legend, columns, top)
        top -= lines * _line(TEXT) * 1.12 + 2 * _SPACE
    _write(figure, below, _EDGE + len(below) * _line(SMALL), size=SMALL, color="#444444")
    return Sheet(figure, grid, (_EDGE + grid.left, top - grid.head))


def width_of(text: str, size: float, *, bold: bool = False) -> float:
    """Width of a line of text in inches; the widest one where there are several."""
    return max((_width(line, size, bold) for line in text.splitlines()), default=0.0)


def wrap(text: str, width: float, size: float, *, bold: bool = False) -> list[str]:
    """The text in lines of at most this width in inches; a longer word stands alone."""
    lines: list[str] = []
    used = 0.0
    space = _width("n n", size, bold) - _width("nn", size, bold)
    for word in text.split():
        needed = _width(word, size, bold)  # word by word, since words recur and measuring is slow
        if lines and used + space + needed <= width:
            lines[-1] += f" {word}"
            used += space + needed
        else:
            lines.append(word)
            used = needed
    return lines


def label_width(labels: Sequence[str], size: float = TEXT) -> float:
    """Room in inches that labels need beside panels."""
    return max((width_of(label, size) for label in labels), default=0.0) + 0.15


@lru_cache(maxsize=4096)
def _width(line: str, size: float, bold: bool) -> float:
    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(line, font, ismath=False)[0]) / 72


def _line(size: float) -> float:
    return size * _LEADING / 72


def _write(figure: Figure, lines: Sequence[str], top: float, *, size: float, **look: Any) -> float:
    """Writes lines from `top` (inches) downwards and returns where they end."""
    width, height = figure.get_size_inches()
    first = top - (_LEADING - 1.16) / 2 * size / 72  # half of what lines stand apart is above the first
    places = [(_EDGE / width, (first - index * _line(size)) / height, line) for index, line in enumerate(lines)]
    write(figure, places, size=size, ha="left", va="top", transform=figure.transFigure, **look)
    return top - len(lines) * _line(size)


def _write_banner(figure: Figure, lines: Sequence[str], top: float) -> float:
    """Lines in a box; `top` is that of the first."""
    figure.text(
        (_EDGE + 0.08) / figure.get_figwidth(),
        top / figure.get_figheight(),
        "\n".join(lines),
        size=TEXT,
        va="top",
        linespacing=_LEADING / 1.2,
        parse_math=False,
        weight="bold",
        bbox={"boxstyle": "square,pad=0.35", "facecolor": "#fff3c4", "edgecolor": BLACK, "linewidth": 0.8},
    )
    return top - len(lines) * _line(TEXT)


def _add_legend(figure: Figure, legend: Sequence[Line2D | Patch], columns: int, top: float) -> None:
    """Column by column, as `Figure.legend` does, which takes four times as long; `top` in inches."""
    size = figure.get_size_inches()
    lines = -(-len(legend) // columns)
    widths = [
        max(width_of(str(entry.get_label()), TEXT) for entry in legend[first : first + lines]) + _LEGEND_MARK + _SPACING
        for first in range(0, len(legend), lines)
    ]
    places: list[Place] = []
    for index, entry in enumerate(legend):
        column, line = divmod(index, lines)
        left, y = _EDGE + sum(widths[:column]), top - (line + 0.5) * _line(TEXT) * 1.12
        _add_sample(figure, entry, left, y)
        places.append(((left + _LEGEND_MARK) / size[0], y / size[1], str(entry.get_label())))
    write(figure, places, size=TEXT, ha="left", transform=figure.transFigure)


def _add_sample(figure: Figure, entry: Line2D | Patch, left: float, y: float) -> None:
    """What stands beside an entry of the legend, `_SAMPLE` inches wide."""
    width, height = figure.get_size_inches()
    if isinstance(entry, Line2D):
        line = Line2D([left / width, (left + _SAMPLE / 2) / width, (left + _SAMPLE) / width], [y / height] * 3)
        line.update_from(entry)
        line.set(transform=figure.transFigure, markevery=[1])
        figure.add_artist(line)
        return
    box = Rectangle((left / width, (y - 0.04) / height), _SAMPLE / width, 0.08 / height)
    box.update_from(entry)
    box.set_transform(figure.transFigure)
    figure.add_artist(box)


def _legend_shape(legend: Sequence[Line2D | Patch], room: float) -> tuple[int, int]:
    """Columns and lines that fit."""
    if not legend:
        return 0, 0
    widest = max(width_of(str(entry.get_label()), TEXT) for entry in legend) + _LEGEND_MARK + _SPACING
    columns = max(1, min(len(legend), int(room // widest)))
    return columns, -(-len(legend) // columns)
