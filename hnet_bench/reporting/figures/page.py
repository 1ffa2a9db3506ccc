"""A page: the panels of a figure between a title above and a caption below, as bytes of a file that name its data."""

from __future__ import annotations

import hashlib
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy

from hnet_bench.reporting.figures.kinds import kind_of
from hnet_bench.reporting.figures.panels import Array, Panel, plain_log, quantity_of
from hnet_bench.reporting.figures.style import GREY, SMALL, house_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from pandas import DataFrame

FORMATS = ("svg", "pdf", "png")

_WIDEST, _NARROWEST = 7.2, 5.0  # inches, unless the user says how wide
_BETWEEN = 0.35  # inches between panels beside each other, for ticks
_SUM = re.compile(rb"hnet_bench data sha256:([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """What a figure of a table shows, before anything is drawn."""

    kind: str
    heading: str  # of the table
    what: str  # is shown of it
    caption: str
    reduced: str = ""  # what was reduced, "" at full budget
    scores: DataFrame | None = None
    cells: DataFrame | None = None  # all that are planned
    arrays: Sequence[Panel] = ()
    empty: str = ""  # what to say where there is nothing to show

    @property
    def panels(self) -> Sequence[Panel]:
        """What is drawn."""
        return self.arrays if self.scores is None else kind_of(self.kind).panels(self.scores, self.cells)

    @property
    def scale(self) -> str:
        """What colours mean, where a scale of them stands beside the panels."""
        scale = kind_of(self.kind).scale
        return quantity_of(self.scores).label if scale == "score" and self.scores is not None else scale

    def data_sum(self) -> str:
        """SHA-256 of everything that is shown, whatever draws it: texts, and numbers to 12 decimals."""
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()

    def _parts(self) -> Iterator[bytes]:
        yield repr((self.kind, self.heading, self.what, self.caption, self.reduced, self.empty)).encode()
        frames: dict[str, Any] = {"shown": self.scores, "planned": self.cells}
        for name, frame in frames.items():
            for column in () if frame is None else frame.columns:
                yield f"{name} {column}".encode()
                if frame[column].dtype.kind in "fiub":
                    yield _bytes(frame[column].to_numpy())
                else:
                    codes, values = frame[column].factorize()
                    yield from (_bytes(codes), repr([str(value) for value in values]).encode())
        for panel in self.arrays:
            options = {name: value for name, value in panel.options.items() if name != "limits"}
            yield repr((panel.title, panel.row, panel.column, options)).encode()
            for name, array in sorted(panel.data.items()):
                yield name.encode() + _bytes(array)


def _bytes(values: Array) -> bytes:
    if values.dtype.kind != "f":
        return values.astype("<i8").tobytes()
    rounded = numpy.round(values.astype("<f8"), 12) + 0.0  # no negative zero
    return numpy.where(numpy.isnan(rounded), numpy.nan, rounded).tobytes()


def data_sum_of(content: bytes) -> str | None:
    """The sum that a file names, an SVG, a PDF or a PNG; None if it is no figure of ours."""
    found = _SUM.search(content)
    return found[1].decode() if found else None


def encode(page: Page, suffix: str = "svg", *, width: float | None = None, font_size: float | None = None) -> bytes:
    """The page as a file of one of `FORMATS`, the same bytes for the same page and versions whenever it is made."""
    sentence = f"{page.heading}. {page.what}. {page.caption or page.empty}"
    named = f"hnet_bench data sha256:{page.data_sum()}"
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Title": f"{page.heading}: {page.what}", "Description": sentence, "Identifier": named, "Date": None},
        "pdf": {"Title": f"{page.heading}: {page.what}", "Subject": sentence, "Keywords": named, "CreationDate": None},
        "png": {"Title": f"{page.heading}: {page.what}", "Description": sentence, "Identifier": named},
    }
    buffer = BytesIO()
    with house_style(font_size), warnings.catch_warnings():
        # Labels that leave panels no room are the table's; the figure is drawn as it is.
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        draw(page, width=width).savefig(buffer, format=suffix, metadata=metadata[suffix])
    content = buffer.getvalue()
    if suffix == "svg":  # which matplotlib gives a title, but a description only among its metadata
        content = content.replace(b"</title>", b"</title>\n <desc>%s</desc>" % escape(sentence).encode(), 1)
        content = b"".join(line.rstrip() + b"\n" for line in content.splitlines())
    return content


def draw(page: Page, *, width: float | None = None) -> Figure:
    """The figure, in matplotlib's present style; `width` in inches."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    size = float(rcParams["font.size"])
    kind, (panels, columns) = kind_of(page.kind), _arranged(page, width or _WIDEST, size)
    scale = page.scale if panels else ""
    natural = columns * (kind.size[0] + _BETWEEN) + _beside(page, panels, size)
    width = width or min(_WIDEST, max(_NARROWEST, natural))
    figure = Figure()
    figure.set_layout_engine("constrained", w_pad=0.08)
    inner, lines = _framed(figure, page, width, size)
    heights = [max(panel.height or kind.size[1] for panel in row) for row in _rows(panels)]
    grid = inner.add_gridspec(max(1, len(heights)), columns, height_ratios=heights or None)
    axes = [inner.add_subplot(grid[panel.row, panel.column]) for panel in panels]
    for panel, ax in zip(panels, axes, strict=True):
        if panel.data is None:
            _write(ax, panel.absent, width)
        else:
            kind.draw(panel.data, ax=ax, **panel.options)
        ax.set_title(panel.title)
    if not panels:
        _write(inner.add_subplot(), page.empty, width)
    lines += _joined(panels, axes)
    lines += _legend(inner, axes, width, size)
    if scale:
        shown = next(part for ax in axes for part in (*ax.images, *ax.collections) if part.get_array() is not None)
        long = min(1.0, 1.6 / (sum(heights) + 0.2 * len(heights)))
        beside: Any = {"anchor": (0, 1), "panchor": False}  # the panels keep their own anchor
        inner.colorbar(shown, ax=axes, shrink=long, aspect=12, label=scale, format="{x:g}", **beside)
    figure.set_size_inches(width, (sum(heights) or 0.8) + lines * size / 72 + 0.12 * len(heights) + 0.25)
    return figure


def _framed(figure: Figure, page: Page, width: float, size: float) -> tuple[Any, float]:
    """Writes what stands above and below the panels. Returns where they go, and the lines of text that this takes."""
    inner: Any = figure
    lines = 0.0
    banner = {"boxstyle": "square,pad=0.4", "facecolor": "#fff3c4", "edgecolor": "#000000", "linewidth": 0.8}
    for text, scale, look in (
        (page.heading, 1.3, {}),
        (page.what, 1.0, {"size": "medium", "weight": "normal"}),
        (page.reduced and f"Reduced: {page.reduced}", 1.12, {"size": "medium", "bbox": banner}),
    ):
        if text:
            wrapped = _wrap(text, width, scale * size)
            inner.suptitle(wrapped, x=0.02 if "bbox" in look else 0.01, ha="left", **look)
            inner = inner.subfigures()
            lines += (wrapped.count("\n") + 1) * 1.3 * scale + ("bbox" in look) + 0.5
    caption = _wrap(page.caption, width, 0.92 * size)
    figure.supxlabel(caption, x=0.01, ha="left", size=SMALL, color="#444444")
    return inner, lines + 1.1 * (caption.count("\n") + 1)


def _beside(page: Page, panels: Sequence[Panel], size: float) -> float:
    """The inches that names of rows and a scale of colours take beside the panels."""
    labels = max((len(line) for panel in panels for line in _label(panel).splitlines()), default=0)
    return labels * 0.6 * size / 72 + (0.7 if page.scale else 0.0)


def _arranged(page: Page, width: float, size: float) -> tuple[list[Panel], int]:
    """The panels with their places, and the number of columns that fit."""
    kind, panels = kind_of(page.kind), page.panels
    if not panels:
        return [], 1
    columns = 1 + max(panel.column for panel in panels)
    if any(panel.label for panel in panels):
        room = (width - _beside(page, panels, size)) / columns - _BETWEEN
        if columns > 1 and room < kind.size[0] / 2:
            return _stacked(panels), 1
    stacked = any("order" in panel.options for panel in panels) and width / columns < 2
    if kind.placed and not stacked:
        rows = sorted({panel.row for panel in panels})
        return [replace(panel, row=rows.index(panel.row)) for panel in panels], columns
    columns = 1 if stacked else min(len(panels), max(1, int(width / kind.size[0])))
    columns = -(-len(panels) // -(-len(panels) // columns))  # as even as can be
    return [replace(panel, row=at // columns, column=at % columns) for at, panel in enumerate(panels)], columns


def _stacked(panels: Sequence[Panel]) -> list[Panel]:
    """Rows of panels in a single column: those of a block and column stand together, each with its row's name."""
    blocks = list(dict.fromkeys(panel.block for panel in panels))
    shown = [panel for panel in panels if panel.data is not None or panel.absent]
    shown.sort(key=lambda panel: (blocks.index(panel.block), panel.column, panel.row))
    return [replace(panel, row=at, column=0, block=f"{panel.block} {panel.column}") for at, panel in enumerate(shown)]


def _joined(panels: Sequence[Panel], axes: Sequence[Axes]) -> float:
    """Names rows of panels, and takes away what panels beside and below each other would repeat. Returns the lines of
    text around the panels."""
    for panel, ax in zip(panels, axes, strict=True):
        beside = [other for other in panels if other.row == panel.row and other.column < panel.column]
        if panel.label:
            look: Any = {"rotation": 0, "ha": "right", "va": "center", "labelpad": 8}
            ax.set_ylabel("" if beside else _label(panel), **look)
            ax.set_anchor("W")  # squares keep to the name, for which the layout leaves room beside their place
        elif beside:
            ax.set_ylabel("")
        if beside and ("order" in panel.options or (panel.block and not panel.label)):
            ax.tick_params(labelleft=False)
        same = [
            (other, at)
            for other, at in zip(panels, axes, strict=True)
            if panel.block and (other.block, other.column) == (panel.block, panel.column) and other.data is not None
        ]
        if same and panel.data is not None:
            if not ax.yaxis_inverted():
                ax.set_ylim(min(at.get_ylim()[0] for _, at in same), max(at.get_ylim()[1] for _, at in same))
                if ax.get_yscale() == "log":
                    plain_log(ax, "y")
            if panel.row < max(other.row for other, _ in same):
                ax.set_xlabel("")
                ax.tick_params(labelbottom=False)
    titles = [max(panel.title.count("\n") + 1 if panel.title else 0 for panel in row) for row in _rows(panels)]
    below = [
        any(ax.get_xlabel() for panel, ax in zip(panels, axes, strict=True) if panel in row) for row in _rows(panels)
    ]
    return 1.3 * sum(titles) + 3.4 * sum(below)


def _legend(inner: SubFigure, axes: Sequence[Axes], width: float, size: float) -> float:
    """One legend of all panels in place of those that they have. Returns the lines that it takes."""
    entries: dict[str, Any] = {}
    for ax in axes:
        if legend := ax.get_legend():
            handles: Sequence[Any]
            handles, labels = ax.get_legend_handles_labels()
            if not handles:  # the legend has some of its own
                handles, labels = legend.legend_handles, [text.get_text() for text in legend.get_texts()]
            for label, handle in zip(labels, handles, strict=True):
                entries.setdefault(label, handle)
            legend.remove()
    if not entries:
        return 0.0
    columns = _legend_columns(list(entries), width * 72 / size)
    inner.legend(entries.values(), entries, loc="outside upper left", ncols=columns, borderaxespad=0)
    return 1.5 * -(-len(entries) // columns) + 0.8


def _legend_columns(labels: Sequence[str], room: float) -> int:
    """The most columns, filled from the left as matplotlib does, that fit; all widths as multiples of the font size."""
    from matplotlib import rcParams
    from matplotlib.textpath import TextPath

    size = float(rcParams["font.size"])
    widths = [float(TextPath((0, 0), label, size=size).get_extents().width) / size for label in labels]
    handle, between = (
        rcParams["legend.handlelength"] + rcParams["legend.handletextpad"],
        rcParams["legend.columnspacing"],
    )
    edges = 2 * rcParams["legend.borderpad"] + 2.0
    for columns in range(len(labels), 1, -1):
        parts = numpy.array_split(numpy.array(widths), columns)
        if sum(handle + part.max() for part in parts) + between * (columns - 1) + edges <= room:
            return columns
    return 1


def _rows(panels: Sequence[Panel]) -> list[list[Panel]]:
    return [[panel for panel in panels if panel.row == row] for row in sorted({panel.row for panel in panels})]


def _label(panel: Panel) -> str:
    return textwrap.fill(panel.label, 17)


def _write(ax: Axes, text: str, width: float) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.text(0.5, 0.5, _wrap(text, 0.8 * width, 9), ha="center", va="center", color=GREY, transform=ax.transAxes)


def _wrap(text: str, width: float, size: float) -> str:
    """The text in lines that fit this width in inches, by the average letter."""
    return textwrap.fill(text, max(20, int(width * 72 / (0.56 * size))))
