"""How all figures look: fonts, sizes, colours, and what tells rows apart without colour.

Colours are those of Okabe and Ito (2008), which the colour-blind can tell apart, without the yellow that is lost on
white. Beside its colour every row has a marker and a line style of its own, and bars have hatches, so that a grey copy
can be read too. Plain matplotlib: importing seaborn would take longer than drawing everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import matplotlib

BLACK, BLUE, VERMILION, GREEN = "#000000", "#0072b2", "#d55e00", "#009e73"
PURPLE, SKY, ORANGE, GREY = "#cc79a7", "#56b4e9", "#e69f00", "#777777"
PALE, GRID = "#eeeeee", "#dddddd"

# Light is high, dark is low, evenly so in grey too; made for colour vision deficiencies (Nunez et al. 2018).
HEAT = "cividis"

# Points.
TITLE, SUBTITLE, TEXT, SMALL = 10.0, 9.0, 8.0, 7.0

_COLOURS = (BLUE, VERMILION, GREEN, BLACK, PURPLE, ORANGE, SKY)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))

_RC: dict[Any, Any] = {
    "svg.hashsalt": "hnet_bench",
    "svg.fonttype": "path",  # looks the same wherever it is opened
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
    "font.family": "DejaVu Sans",  # comes with matplotlib
    # Letters as wide in PNG as in SVG, so that measured lines fit in both.
    "text.hinting": "no_hinting",
    "text.hinting_factor": 1,
    "font.size": TEXT,
    "axes.titlesize": TEXT,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,  # else every title looks for what is in its way, though nothing is
    "axes.labelsize": TEXT,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.0,
    "hatch.linewidth": 0.6,
    "savefig.dpi": 150,
}


@dataclass(frozen=True)
class Look:
    """What a row is drawn with, the same in every figure of its table."""

    colour: str
    marker: str
    line: Any

    @property
    def style(self) -> dict[str, Any]:
        """Keywords for `Axes.plot` and `errorbars`."""
        return {"color": self.colour, "marker": self.marker, "linestyle": self.line}


def look(index: int) -> Look:
    """The look of the row at this index; the first 140 differ."""
    return Look(_COLOURS[index % len(_COLOURS)], _MARKERS[index % len(_MARKERS)], _LINES[index % len(_LINES)])


_ours: dict[str, Any] = {}  # all settings of matplotlib while `style` lasts, once they have been made


@contextmanager
def style() -> Iterator[None]:
    """While it lasts, matplotlib draws in our style, whatever the user's own matplotlibrc says. Inside another one it
    costs nothing: to set 300 values for each figure takes a twentieth of the drawing."""
    if _ours and dict.__eq__(matplotlib.rcParams, _ours):
        yield
        return
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        _ours.update(dict.copy(cast("dict[str, Any]", matplotlib.rcParams)))
        yield
