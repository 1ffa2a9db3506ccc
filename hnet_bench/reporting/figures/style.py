"""How figures look: our style sheet, and what each method is drawn with.

Colours are those of Okabe and Ito (2008), which the colour-blind can tell apart, without the yellow that is lost on
white. Beside its colour every method has a marker and dashes of its own, so that a grey copy can be read too.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pandas import DataFrame

STYLE = Path(__file__).with_name("hnet_bench.mplstyle")

BLACK, BLUE, VERMILION, GREEN = "#000000", "#0072b2", "#d55e00", "#009e73"
PURPLE, SKY, ORANGE, GREY = "#cc79a7", "#56b4e9", "#e69f00", "#777777"
PALE, LIGHT = "#eeeeee", "#bbbbbb"

SMALL = "small"  # of the font size: numbers within panels, captions

_COLOURS = (BLUE, VERMILION, GREEN, BLACK, PURPLE, ORANGE, SKY)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
_DASHES: tuple[Any, ...] = ("", (4, 1.5), (1.2, 1.2), (5, 1.5, 1.2, 1.5))
_BOUNDS = (("d", (2, 2)), ("h", (6, 2)), ("p", (6, 2, 1, 2)), ("8", (1, 1)))


class Look(NamedTuple):
    """What a method is drawn with."""

    colour: str
    marker: str
    dashes: Any  # as seaborn has them: "" for a solid line, else lengths of strokes and gaps in line widths

    @property
    def line(self) -> dict[str, Any]:
        """Keywords for `Axes.plot` and `Axes.axhline`."""
        return {"color": self.colour, "linestyle": (0, self.dashes) if self.dashes else "-"}


# The same in every figure: the methods that are often drawn beside each other look most different.
METHODS: dict[str, Look] = {
    "HNET": Look(BLUE, "o", ""),
    "HNET+ENT": Look(SKY, "D", (5, 1.5, 1.2, 1.5)),
    "HNET+TIR": Look(BLUE, "v", (4, 1.5)),
    "HNET+R": Look(PURPLE, "P", ""),
    "EWC": Look(ORANGE, "s", (1.2, 1.2)),
    "Online EWC": Look(VERMILION, "s", (4, 1.5)),
    "SI": Look(GREEN, "^", (1.2, 1.2)),
    "LwF": Look(PURPLE, "X", (5, 1.5, 1.2, 1.5)),
    "DGR": Look(SKY, "<", (4, 1.5)),
    "DGR+distill": Look(BLACK, "D", ""),
    "XdG": Look(BLUE, "v", (1.2, 1.2)),
    "ER": Look(BLUE, "P", (4, 1.5)),
    "A-GEM": Look(GREEN, ">", (4, 1.5)),
    "iCaRL": Look(BLACK, "*", ""),
    "Separate Networks": Look(VERMILION, "o", (1.2, 1.2)),
}


def looks(frame: DataFrame) -> dict[str, Look]:
    """What each method of a frame is drawn with, whose methods are categories.

    A look belongs to the method: known ones have theirs in `METHODS`, bounds are grey, rows of a sweep go from dark to
    light, and others take what is left in the order of the categories, a bound that the frame has no line of as any
    other, so that a part of a table looks as the whole does.
    """
    if frame["hyperparameter"].notna().all() and frame["method"].nunique() > 1:
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        swept = list(frame.sort_values("value", kind="stable")["method"].unique())
        shades = [to_hex(colormaps["cividis"](0.75 * index / (len(swept) - 1))) for index in range(len(swept))]
        return {
            name: Look(shade, fallback_look(index).marker, "")
            for index, (name, shade) in enumerate(zip(swept, shades, strict=True))
        }
    methods = list(frame["method"].cat.categories)
    bounds = set(frame.loc[frame["reference"], "method"])
    taken = [METHODS[name] for name in methods if name in METHODS]
    grey = cycle(map(_bound_look, range(32)))
    free = cycle(look for look in map(fallback_look, range(140)) if look not in taken)
    found = {name: METHODS[name] for name in methods if name in METHODS}
    unknown = [name for name in methods if name not in METHODS]
    for name, as_bound, as_method in zip(unknown, grey, free, strict=False):
        found[name] = as_bound if name in bounds else as_method
    found |= {name: found[name]._replace(colour=GREY) for name in bounds & METHODS.keys()}
    return {name: found[name] for name in methods}


def _bound_look(index: int) -> Look:
    """The first 32 differ."""
    (marker, _), (_, dashes) = _BOUNDS[index % 4], _BOUNDS[(index + index // 8) % 4]
    return Look((GREY, BLACK)[index // 4 % 2], marker, dashes)


def fallback_look(index: int) -> Look:
    """The first 140 differ."""
    return Look(_COLOURS[index % 7], _MARKERS[index % 10], _DASHES[index % 4])


def house_style(font_size: float | None = None) -> AbstractContextManager[None]:
    """While it lasts, matplotlib draws in our style alone, whatever the user's own matplotlibrc says."""
    from matplotlib import style

    return style.context(["default", STYLE, {"font.size": font_size} if font_size else {}], after_reset=True)
