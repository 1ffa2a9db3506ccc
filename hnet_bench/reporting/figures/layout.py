"""The drawing of a page: its panels between a title above and a caption below, as bytes of a file."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy
from kiwisolver import UnsatisfiableConstraint
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures.kinds import KINDS
from hnet_bench.reporting.figures.page import Page
from hnet_bench.reporting.figures.panels import Kind, Panel, plain_log
from hnet_bench.reporting.figures.style import GREY, SMALL, house_style

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

_WIDEST, _NARROWEST = 7.2, 5.0  # inches, unless the user says how wide
_BETWEEN = 0.35  # inches between panels beside each other, for ticks
_MARGIN = 0.07  # inches beside texts


def encode(page: Page, suffix: str = "svg", *, width: float | None = None, font_size: float | None = None) -> bytes:
    """The page as an svg, pdf or png, the same bytes for the same page and versions whenever it is made.

    Raises UserError if its texts leave no room for a panel.
    """
    named_by = [text for text in (page.heading, page.what) if text]
    title = ": ".join(named_by)
    sentence = ". ".join([*named_by, page.caption or page.empty])
    named = f"hnet_bench data sha256:{page.data_sum()}"
    metadata: dict[str, dict[str, Any]] = {
        "svg": {"Title": title, "Description": sentence, "Identifier": named, "Date": None},
        "pdf": {"Title": title, "Subject": sentence, "Keywords": named, "CreationDate": None},
        "png": {"Title": title, "Description": sentence, "Identifier": named},
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
    kind, size = KINDS[page.kind], float(rcParams["font.size"])
    panels = page.panels or [Panel(data=None, absent=page.empty, height=0.8)]
    # The inches that names of rows and a scale of colours take beside the panels.
    names = [line for panel in panels for line in _label(panel).splitlines()]
    beside = max(map(len, names), default=0) * 0.6 * size / 72 + (0.7 if kind.scale else 0.0)
    panels = _arranged(kind, panels, (width or _WIDEST) - beside)
    columns = 1 + max(panel.column for panel in panels)
    width = width or min(_WIDEST, max(_NARROWEST, columns * (kind.size[0] + _BETWEEN) + beside))
    rows = range(1 + max(panel.row for panel in panels))
    heights = [max(panel.height or kind.size[1] for panel in panels if panel.row == row) for row in rows]
    high = sum(heights) + 4
    figure: Any = Figure(figsize=(width, high))
    # Title, legend and caption keep their distance in inches from the corners, and panels have what is left.
    corner = figure.dpi_scale_trans + ScaledTranslation(0, 1, figure.transFigure)
    top, bottom = 0.05, 0.05
    banner = {"boxstyle": "square,pad=0.4", "facecolor": "#fff3c4", "edgecolor": "#000000", "linewidth": 0.8}
    for text, letters, look in (
        (page.heading, 1.3 * size, {"size": "large", "weight": "bold"}),
        (page.heading and page.what, size, {}),  # whoever leaves the title out wants no word above the panels
        (page.reduced and f"Reduced: {page.reduced}", 1.12 * size, {"weight": "bold", "bbox": banner}),
    ):
        if text:
            pad = 0.4 * size / 72 if "bbox" in look else 0.0
            text = figure.text(
                _MARGIN + pad, -top - pad, _wrap(text, width, letters), va="top", transform=corner, **look
            )
            top += _height(text) + 2 * pad + 0.1
    if page.caption:
        text = _wrap(page.caption, width, 0.92 * size)
        place: Any = {"va": "bottom", "transform": figure.dpi_scale_trans}
        bottom += _height(figure.text(_MARGIN, 0.06, text, size=SMALL, color="#444444", **place))
    grid = figure.add_gridspec(len(heights), columns, height_ratios=heights)
    axes = [figure.add_subplot(grid[panel.row, panel.column]) for panel in panels]
    for panel, ax in zip(panels, axes, strict=True):
        if panel.data is None:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            text = _wrap(panel.absent, 0.8 * width, 9)
            ax.text(0.5, 0.5, text, ha="center", va="center", color=GREY, transform=ax.transAxes)
        else:
            kind.draw(panel.data, ax=ax, **panel.options)
        ax.set_title(panel.title)
    _join(panels, axes)
    if legend := _legend(figure, axes, bbox_to_anchor=(0, -top), bbox_transform=corner):
        top += _height(legend) + 0.05
    if kind.scale and page.panels:
        shown = next(part for ax in axes for part in ax.collections if part.get_array() is not None)
        place = {"shrink": min(1.0, 1.6 / (sum(heights) + 0.2 * len(heights))), "anchor": (0, 1), "panchor": False}
        figure.colorbar(shown, ax=axes, aspect=12, label=shown.get_label(), format="{x:g}", **place)
    high = max(high, sum(heights) + top + bottom + 1)  # a legend of many methods takes more than was guessed above
    for _ in range(2):  # what the panels do not take of a height is what the rest needs, whatever their own is
        figure.set_size_inches(width, high)
        rect = (0, bottom / high, 1, 1 - (top + bottom) / high)
        figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.06, hspace=0, rect=rect)
        try:
            figure.get_layout_engine().execute(figure)
        except UnsatisfiableConstraint as error:  # what matplotlib solves its constraints with, and does not catch
            raise UserError(
                f"Texts of {size:g} points leave no room for the panels of a figure {width:g} inches wide: make it "
                "wider or its font smaller."
            ) from error
        taken = high * axes[0].get_position(original=True).height * sum(heights) / heights[0]
        high = round(high - taken + sum(heights), 2)
    figure.set_layout_engine("none")
    for ax in figure.axes:  # the last digits differ from process to process
        ax.set_position(numpy.round(ax.get_position(original=True).bounds, 6))
    drawn: Figure = figure
    return drawn


def _arranged(kind: Kind, panels: Sequence[Panel], room: float) -> list[Panel]:
    """The panels with their places in a grid; those of blocks too only where they have none."""
    columns = 1 + max(panel.column for panel in panels)
    if panels[0].block and room / columns > 0.85 * kind.size[0]:
        return list(panels)
    labelled = any(panel.label for panel in panels)
    blocks = list(dict.fromkeys(panel.block for panel in panels))
    shown = [panel for panel in panels if panel.data is not None or panel.absent]
    shown.sort(key=lambda panel: (blocks.index(panel.block), panel.column if labelled else 0, panel.row))
    columns = 1 if labelled else min(len(shown), max(1, int(room / kind.size[0])))
    columns = -(-len(shown) // -(-len(shown) // columns))  # as even as can be
    return [
        replace(panel, row=at // columns, column=at % columns, block=f"{panel.block} {panel.column}" * labelled)
        for at, panel in enumerate(shown)
    ]


def _join(panels: Sequence[Panel], axes: Sequence[Axes]) -> None:
    """Names rows of panels, and takes away what panels beside and below each other would repeat."""
    for panel, ax in zip(panels, axes, strict=True):
        beside = any(other.row == panel.row and other.column < panel.column for other in panels)
        if panel.label:
            ax.set_ylabel("" if beside else _label(panel), rotation=0, ha="right", va="center", labelpad=8)
            ax.set_anchor("W")  # squares keep to the name, for which the layout leaves room beside their place
        elif beside:
            ax.set_ylabel("")
        if beside and panel.block and not panel.label:
            ax.tick_params(labelleft=False)
        same = [
            (other.row, at)
            for other, at in zip(panels, axes, strict=True)
            if panel.block and (other.block, other.column) == (panel.block, panel.column) and other.data is not None
        ]
        if panel.data is None or len(same) < 2:
            continue
        if not ax.yaxis_inverted():
            ax.set_ylim(min(at.get_ylim()[0] for _, at in same), max(at.get_ylim()[1] for _, at in same))
            if ax.get_yscale() == "log":
                plain_log(ax, "y")
        if panel.row < max(row for row, _ in same):
            ax.set_xlabel("")
            ax.tick_params(labelbottom=False)


def _legend(figure: Figure, axes: Sequence[Axes], **place: Any) -> Legend | None:
    """One legend of all panels in place of those that they have, in as many columns as fit."""
    entries: dict[str, Any] = {}
    for ax in axes:
        if own := ax.get_legend():
            handles: Sequence[Any]
            handles, labels = ax.get_legend_handles_labels()
            if not handles:  # the legend has some of its own
                handles, labels = own.legend_handles, [text.get_text() for text in own.get_texts()]
            entries |= {label: handle for label, handle in zip(labels, handles, strict=True) if label not in entries}
            own.remove()
    for columns in range(len(entries), 0, -1):
        legend = figure.legend(entries.values(), entries, loc="upper left", ncols=columns, borderaxespad=0, **place)
        if columns == 1 or legend.get_window_extent().width < figure.bbox.width:
            legend.set_in_layout(False)
            return legend
        legend.remove()
    return None


def _height(artist: Artist) -> float:
    figure = artist.get_figure()
    return artist.get_window_extent().height / figure.dpi if figure else 0.0


def _label(panel: Panel) -> str:
    return textwrap.fill(panel.label, 17)


def _wrap(text: str, width: float, size: float) -> str:
    """The text in lines that fit this width in inches, by the average letter."""
    return textwrap.fill(text, max(20, int(width * 72 / (0.56 * size))))
