"""Figures as bytes: SVG, PDF and PNG, the same for the same figure and versions, whenever they are made."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from hnet_bench.reporting.figures.style import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "pdf", "png")

# None leaves out what depends on the moment.
_METADATA: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def encode(figure: Figure, kind: str) -> bytes:
    """The figure as a file of one of `FORMATS`."""
    buffer = BytesIO()
    with style():
        figure.savefig(buffer, format=kind, metadata=_METADATA[kind])
    if kind != "svg":
        return buffer.getvalue()
    # Lines end without blanks, so that editors and version control leave the file alone.
    return b"\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + b"\n"
