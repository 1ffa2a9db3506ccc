"""Figures as bytes: SVG, PDF and PNG, the same for the same figure and versions, whenever they are made."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from hnet_bench.reporting.figures.style import style
from hnet_bench.reporting.figures.svg import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")

# None leaves out what depends on the moment.
_METADATA: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "png": {}}


def encode(figure: Figure, kind: str) -> bytes:
    """The figure as a file of one of `FORMATS`."""
    with style():
        if kind == "svg":
            return svg(figure)
        buffer = BytesIO()
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
        return buffer.getvalue()
