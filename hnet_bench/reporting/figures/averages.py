"""Averages of whole runs: beside what is reported, their differences from it, and over a hyperparameter."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hnet_bench.reporting.figures.panels import (
    LETTERS,
    Kind,
    Panel,
    experiences_of,
    interval_text,
    panels_of,
    plain_log,
    prepared,
    quantity_of,
    require,
    rows_of_methods,
    score_axis,
    seeds_text,
    t_interval,
)
from hnet_bench.reporting.figures.style import BLACK, BLUE, LIGHT, PALE, SMALL, VERMILION
from hnet_bench.reporting.text import rounded

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

MARKS = {"verified": "o", "second-hand": "s", "recalled": "D"}
_SEED: dict[str, Any] = {"color": LIGHT, "markersize": 2.5, "zorder": 1, "label": "one seed"}
_MEASURED: dict[str, Any] = {"color": BLUE, "marker": "o", "markersize": 5, "label": "measured, mean"}
_REPORTED: dict[str, Any] = {
    "color": VERMILION,
    "marker": "D",
    "markersize": 4.5,
    "markerfacecolor": "white",
    "linestyle": "",
    "label": "reported",
}


def comparison(frame: DataFrame, ax: Axes | None = None, *, order: Sequence[str] | None = None) -> Axes:
    """Final averages of the methods, from above in `order`: every seed, the mean with its interval, what is reported.

    Methods that differ in one hyperparameter alone are a line over its values instead.
    """
    import seaborn

    frame, ax, quantity = prepared(frame, ax, "seed", "after", "experience", "score")
    runs = frame[frame["after"] == experiences_of(frame)]
    average = runs.groupby(["method", "seed"], observed=True)["score"].transform("mean")
    runs = runs.assign(average=average).drop_duplicates(["method", "seed"])
    interval = partial(t_interval, ceiling=quantity.ceiling)
    known = runs.dropna(subset="reported").drop_duplicates("method")
    spread = known["reported_spread"].fillna(0)
    if _is_sweep(frame):
        ax.plot(runs["value"], runs["average"], "o", **_SEED)
        seaborn.lineplot(runs, x="value", y="average", errorbar=interval, err_style="bars", ax=ax, **_MEASURED)
        if len(known):
            ax.errorbar(known["value"], known["reported"], yerr=spread, **_REPORTED)
        if runs["value"].min() > 0:
            plain_log(ax, "x")
        score_axis(ax, quantity)
        ax.set(xlabel=runs["hyperparameter"].iloc[0].replace("_", " "), ylabel=f"average {quantity.label}")
        ax.grid(axis="y")
        ax.legend()
        return ax
    methods = list(order or frame["method"].unique())
    ax.plot(runs["average"], list(map(methods.index, runs["method"])), "o", **_SEED)
    seaborn.pointplot(
        runs,
        x="average",
        y="method",
        order=methods,
        errorbar=interval,
        linestyle="none",
        err_kws={"linewidth": 1.3},
        zorder=3,
        ax=ax,
        **_MEASURED,
    )
    if len(known):
        at = [methods.index(method) + 0.27 for method in known["method"]]
        ax.errorbar(known["reported"], at, xerr=spread, zorder=2, **_REPORTED)
    for method, mean in runs.groupby("method", observed=True)["average"].mean().items():
        text = rounded(mean, ".2f" if quantity.unit == "%" else ".3g")
        ax.text(1.02, methods.index(method), text, va="center", size=SMALL, transform=ax.get_yaxis_transform())
    score_axis(ax, quantity, "x")
    ax.set_xlabel(f"average {quantity.label}")
    return _with_rows(ax, methods)


def forest(frame: DataFrame, ax: Axes | None = None, *, order: Sequence[str] | None = None) -> Axes:
    """Measured minus reported for each method, with the interval and the margin that verdicts are read from.

    Errors, which may differ by orders of magnitude, are compared by the ratio of measured to reported, on a logarithmic
    axis. Intervals that leave the axis end in an arrow.
    """
    import numpy

    needed = ("difference", "difference_low", "difference_high", "margin")
    frame, ax, quantity = prepared(frame, ax, "reported", "known", *needed)
    cells = frame.dropna(subset="difference").drop_duplicates("method")
    require(len(cells) > 0, "no row of the frame has a measured and a reported number")
    methods = list(order or cells["method"].unique())
    at = numpy.array(list(map(methods.index, cells["method"])))
    middle, low, high, margin = cells[list(needed)].to_numpy().T
    scaled: Callable[[Any], Any] = numpy.asarray
    label = "difference, percentage points" if quantity.unit == "%" else f"difference, {quantity.name}"
    if quantity.ceiling is None:
        reported = cells["reported"].to_numpy()
        middle, low, high = (numpy.log(numpy.maximum(1 + end / reported, 1e-9)) for end in (middle, low, high))
        margin, scaled, label = margin * numpy.nan, numpy.exp, f"measured / reported {quantity.name}"
    else:
        look: dict[str, Any] = {"color": PALE, "edgecolor": LIGHT, "linewidth": 0.5, "zorder": 0.4}
        if not numpy.isnan(margin).all():
            look["label"] = "margin that counts as equal"
        ax.barh(at, 2 * margin, left=-margin, height=0.9, **look)
    # All means and margins, but not an interval of few seeds that would dwarf them.
    far = numpy.abs(middle).max()
    whole = numpy.nanmax([*numpy.abs(low), *numpy.abs(high), far])
    reach = float(1.08 * max(far, 1.5 * numpy.nanmax([*margin, 0.0]), min(whole, 2 * far)) or 1.0)
    ax.axvline(scaled(0.0), color=BLACK, linewidth=0.9, zorder=0.9)
    ax.hlines(at, scaled(numpy.maximum(low, -reach)), scaled(numpy.minimum(high, reach)), color=BLUE, linewidth=1.5)
    for outside, end, arrow in ((low < -reach, -reach, "<"), (high > reach, reach, ">")):
        if outside.any():
            ax.plot(numpy.full(outside.sum(), scaled(end)), at[outside], arrow, color=BLUE, clip_on=False)
    without = numpy.isnan(low)
    for x, y, known, hollow in zip(scaled(middle), at, cells["known"], without, strict=True):
        ax.plot(x, y, MARKS[known], color=BLUE, markerfacecolor="white" if hollow else BLUE, zorder=3)
    for known in (name for name in MARKS if name in set(cells["known"])):
        ax.plot([], [], MARKS[known], color=BLUE, label=f"reported number {known}")
    if without.any():
        ax.plot([], [], "o", color=BLUE, markerfacecolor="white", label="hollow: no interval yet")
    ax.set(xlim=scaled([-reach, reach]), xlabel=label)
    if quantity.ceiling is None:
        plain_log(ax, "x")
    return _with_rows(ax, methods)


def _with_rows(ax: Axes, methods: Sequence[str]) -> Axes:
    """Names the methods, the first one above."""
    ax.set_yticks(range(len(methods)), [textwrap.fill(method, LETTERS) for method in methods])
    ax.set(ylabel="", ylim=(len(methods) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0, pad=6)  # clear of arrows at the edge
    ax.grid(axis="x")
    ax.legend()
    return ax


def _is_sweep(frame: DataFrame) -> bool:
    return bool(frame["hyperparameter"].notna().all() and frame["method"].nunique() > 2)


def _panels(frame: DataFrame) -> list[Panel]:
    return panels_of(frame) if _is_sweep(frame) else rows_of_methods(frame)


def _comparison_caption(frame: DataFrame) -> str:
    kinds = sorted(kind.upper() for kind in frame["reported_spread_kind"].dropna().unique())
    spread = f" Bars of the diamonds: reported {' or '.join(kinds)}." if kinds else ""
    numbers = "" if _is_sweep(frame) else "; numbers: means"
    return (
        f"{seeds_text(frame)} Average over all experiences after the last one{numbers}."
        f"{interval_text(frame)}{spread}{_own_scales(frame)}"
    )


def _forest_caption(frame: DataFrame) -> str:
    what = "difference" if quantity_of(frame).ceiling is not None else "difference, as a ratio to what is reported"
    single = "; one seed has none" if (frame["n"] == 1).any() else ""
    single += ", nor what awaits its first look" if (frame["difference_low"].isna() & (frame["n"] > 1)).any() else ""
    margins = frame["margin"].notna().any()
    judged, unjudged = (
        (", from which verdicts are read", "") if margins else ("", "; no margin is declared to judge by")
    )
    levels = sorted(frame["difference_confidence"].dropna().unique())  # more than one where a table has looks
    sure = " and ".join(f"{100 * level:g} %" for level in levels)
    bars = (
        f" Bars: {sure} t interval of the {what} (Cochran and Cox){judged}{single}{unjudged}. "
        "Arrows: the bar goes on outside."
    )
    return (
        f"{seeds_text(frame)} Averages after the last experience."
        f"{bars if frame['difference_low'].notna().any() else ''}{_own_scales(frame)}"
    )


def _own_scales(frame: DataFrame) -> str:
    panels = frame[["title", "scenario"]].drop_duplicates()
    return " Each panel has a scale of its own." if len(panels) > 1 else ""


COMPARISON = Kind(
    title="Measured and reported averages",
    heading=lambda frame: "Measured and reported averages" if frame["reported"].notna().any() else "Averages",
    draw=comparison,
    chosen=lambda frame: frame,
    panels=lambda frame, _: _panels(frame),
    waits_for=lambda cells: cells,
    columns=(
        *("method", "seed", "after", "experience", "score", "unit"),
        *("hyperparameter", "value", "reported", "reported_spread"),
    ),
    caption=_comparison_caption,
)
FOREST = Kind(
    title="Measured minus reported",
    heading=lambda frame: f"Measured {'over' if quantity_of(frame).ceiling is None else 'minus'} reported",
    draw=forest,
    chosen=lambda frame: frame.dropna(subset="difference"),
    panels=lambda frame, _: _panels(frame.assign(hyperparameter=None)),
    waits_for=lambda cells: cells.dropna(subset="reported"),
    columns=("method", "unit", "reported", "known", "margin", "difference", "difference_low", "difference_high"),
    caption=_forest_caption,
)
