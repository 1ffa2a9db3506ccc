"""Averages of whole runs: beside what is reported, their differences from it, and over a hyperparameter or a size."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy

from hnet_bench.reporting.figures.panels import (
    Array,
    Kind,
    Panel,
    current,
    experiences_of,
    interval_text,
    panel_frame,
    panels_of,
    plain_log,
    quantity_of,
    score_axis,
    seeds_text,
    t_interval,
)
from hnet_bench.reporting.figures.style import BLACK, BLUE, LIGHT, PALE, SMALL, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

MARKS = {"verified": "o", "second-hand": "s", "recalled": "D"}
_MEASURED: dict[str, Any] = {"color": BLUE, "marker": "o", "markersize": 5, "label": "measured, mean"}
_REPORTED: dict[str, Any] = {
    "color": VERMILION,
    "marker": "D",
    "markersize": 4.5,
    "markerfacecolor": "white",
    "label": "reported",
}


def comparison(frame: DataFrame, ax: Axes | None = None, *, order: Sequence[str] | None = None) -> Axes:
    """Final averages of the methods, from above in `order`: every seed, the mean with its interval, what is reported.

    Methods that differ in one hyperparameter alone are a line over its values instead.
    """
    ax, frame = current(ax), panel_frame(frame, "seed", "after", "experience", "score")
    if _is_sweep(frame):
        return _sweep(frame, ax)
    import seaborn

    quantity, runs = quantity_of(frame), _averages(frame)
    methods = list(order or frame["method"].unique())
    rows = runs["method"].map({name: index for index, name in enumerate(methods)}).astype(float)
    ax.plot(runs["average"], rows, "o", color=LIGHT, markersize=2.5, zorder=1, label="one seed")
    seaborn.pointplot(
        runs,
        x="average",
        y="method",
        order=methods,
        errorbar=partial(t_interval, ceiling=quantity.ceiling),
        linestyle="none",
        err_kws={"linewidth": 1.3},
        zorder=3,
        ax=ax,
        **_MEASURED,
    )
    known = frame.dropna(subset="reported").drop_duplicates("method") if "reported" in frame else frame[:0]
    if len(known):
        at = [methods.index(method) + 0.27 for method in known["method"]]
        spread = quantity.factor * known["reported_spread"].fillna(0)
        ax.errorbar(quantity.factor * known["reported"], at, xerr=spread, linestyle="", zorder=2, **_REPORTED)
    for method, mean in runs.groupby("method", observed=True)["average"].mean().items():
        ax.annotate(
            quantity.text(mean),
            (1, methods.index(method)),
            (3, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            size=SMALL,
        )
    score_axis(ax, quantity, "x")
    ax.set_xlabel(f"average {quantity.label}")
    return _with_rows(ax, methods)


def _is_sweep(frame: DataFrame) -> bool:
    return bool(frame["hyperparameter"].notna().all() and frame["method"].nunique() > 2)


def _sweep(frame: DataFrame, ax: Axes) -> Axes:
    import seaborn

    quantity, name = quantity_of(frame), frame["hyperparameter"].iloc[0]
    runs = _averages(frame)
    ax.plot(runs["value"], runs["average"], "o", color=LIGHT, markersize=2.5, zorder=1, label="one seed")
    seaborn.lineplot(
        runs,
        x="value",
        y="average",
        errorbar=partial(t_interval, ceiling=quantity.ceiling),
        err_style="bars",
        ax=ax,
        **_MEASURED,
    )
    known = runs.dropna(subset="reported").drop_duplicates("value") if "reported" in runs else runs[:0]
    if len(known):
        spread = quantity.factor * known["reported_spread"].fillna(0)
        ax.errorbar(known["value"], quantity.factor * known["reported"], yerr=spread, linestyle="", **_REPORTED)
    if runs["value"].min() > 0:
        plain_log(ax, "x")
    score_axis(ax, quantity)
    ax.set(xlabel=name.replace("_", " "), ylabel=f"average {quantity.label}")
    ax.grid(axis="y")
    ax.legend()
    return ax


def forest(frame: DataFrame, ax: Axes | None = None, *, order: Sequence[str] | None = None) -> Axes:
    """Measured minus reported for each method, with the 90 % interval and the margin that verdicts are read from.

    Errors, which may differ by orders of magnitude, are compared by the ratio of measured to reported, on a logarithmic
    axis. Intervals that leave the axis end in an arrow.
    """
    ax = current(ax)
    frame = panel_frame(frame, "reported", "known", "margin", "difference", "difference_low", "difference_high")
    cells = frame.dropna(subset="difference").drop_duplicates("method")
    quantity, methods = quantity_of(frame), list(order or cells["method"].unique())
    at = numpy.array([methods.index(method) for method in cells["method"]])
    ends = [cells[name].to_numpy() for name in ("difference", "difference_low", "difference_high")]
    if quantity.ceiling is None:
        reported = cells["reported"].to_numpy()
        middle, low, high = (numpy.log(numpy.maximum(1 + part / reported, 1e-9)) for part in ends)
        margin = numpy.full(len(cells), numpy.nan)
        scaled: Callable[[Any], Any] = numpy.exp
        ax.set_xlabel(f"measured / reported {quantity.name}")
    else:
        middle, low, high, margin = (quantity.factor * part for part in (*ends, cells["margin"].to_numpy()))
        scaled = numpy.array
        ax.set_xlabel(f"difference, {quantity.differences}")
        edge: dict[str, Any] = {"color": PALE, "edgecolor": LIGHT, "linewidth": 0.5}
        ax.barh(at, 2 * margin, left=-margin, height=0.9, zorder=0.4, label="margin that counts as equal", **edge)
    reach = _reach(middle, low, high, margin)
    ax.axvline(scaled(0.0), color=BLACK, linewidth=0.9, zorder=0.9)
    ax.hlines(at, scaled(numpy.maximum(low, -reach)), scaled(numpy.minimum(high, reach)), color=BLUE, linewidth=1.5)
    for outside, end, arrow in ((low < -reach, -reach, "<"), (high > reach, reach, ">")):
        if outside.any():
            ax.plot(numpy.full(outside.sum(), scaled(end)), at[outside], arrow, color=BLUE, clip_on=False)
    single = numpy.isnan(low)
    for known, mark in MARKS.items():
        for hollow in (False, True):
            chosen = (cells["known"].to_numpy() == known) & (single == hollow)
            look: dict[str, Any] = {"color": BLUE, "markerfacecolor": "white" if hollow else BLUE}
            ax.plot(scaled(middle[chosen]), at[chosen], mark, **look, zorder=3)
        if (cells["known"] == known).any():
            ax.plot([], [], mark, color=BLUE, label=f"reported number {known}")
    if single.any():
        ax.plot([], [], "o", color=BLUE, markerfacecolor="white", label="hollow: a single seed")
    ax.set_xlim(scaled([-reach, reach]))
    if quantity.ceiling is None:
        plain_log(ax, "x")
    return _with_rows(ax, methods)


def _with_rows(ax: Axes, methods: Sequence[str]) -> Axes:
    """Names the methods, the first one above."""
    ax.set_yticks(range(len(methods)), [textwrap.fill(method, 26) for method in methods])
    ax.set(ylabel="", ylim=(len(methods) - 0.4, -0.6))
    ax.tick_params(axis="y", length=0, pad=6)  # clear of arrows at the edge
    ax.grid(axis="x")
    ax.legend()
    return ax


def _reach(middle: Array, low: Array, high: Array, margin: Array) -> float:
    """Half the width of the axis: all means and margins, but not an interval of few seeds that would dwarf them."""
    far = numpy.abs(middle).max()
    whole = numpy.nanmax([*numpy.abs(low), *numpy.abs(high), far])
    return float(1.08 * max(far, 1.5 * numpy.nanmax([*margin, 0.0]), min(whole, 2 * far)) or 1.0)


def _averages(frame: DataFrame) -> DataFrame:
    """One line for each run, with its average over experiences after the last one, on the axis."""
    last = frame[frame["after"] == experiences_of(frame)]
    averages = quantity_of(frame).factor * last.groupby(["method", "seed"], observed=True)["score"].mean()
    return last.drop_duplicates(["method", "seed"]).merge(averages.rename("average").reset_index())


def _side_by_side(frame: DataFrame, planned: DataFrame) -> list[Panel]:
    """A line of panels for each benchmark, in which methods stand at the same heights in all scenarios."""
    if "hyperparameter" in frame and _is_sweep(frame):
        return panels_of(frame, planned)
    panels = []
    for panel in panels_of(frame, planned):
        mine = frame[frame["title"] == panel.data["title"].iloc[0]]
        order = list(mine["method"].cat.categories[mine["method"].cat.codes.sort_values().unique()])
        panels.append(replace(panel, options={"order": order}, height=0.4 + 0.26 * len(order)))
    return panels


def _comparison_caption(frame: DataFrame) -> str:
    kinds = {kind.upper() for kind in frame["reported_spread_kind"].dropna().unique()}
    spread = f" Bars of the diamonds: reported {' or '.join(sorted(kinds))}." if kinds else ""
    numbers = "" if _is_sweep(frame) else "; numbers: means"
    return (
        f"{seeds_text(frame)} Average over all experiences after the last one{numbers}."
        f"{interval_text(frame)}{spread}{_own_scales(frame)}"
    )


def _forest_caption(frame: DataFrame) -> str:
    what = "difference" if quantity_of(frame).ceiling is not None else "difference, as a ratio to what is reported"
    single = "; one seed has none" if (frame["n"] == 1).any() else ""
    bars = (
        f" Bars: 90 % t interval of the {what} (Cochran and Cox), from which verdicts are read{single}. Arrows: the "
        "bar goes on outside."
    )
    return (
        f"{seeds_text(frame)} Averages after the last experience."
        f"{bars if frame['difference_low'].notna().any() else ''}{_own_scales(frame)}"
    )


def _own_scales(frame: DataFrame) -> str:
    panels = frame[["title", "scenario"]].drop_duplicates()
    return " Each panel has a scale of its own." if len(panels) > 1 else ""


_RUNS = (
    "method",
    "seed",
    "after",
    "experience",
    "score",
    "unit",
    "hyperparameter",
    "value",
    "reported",
    "reported_spread",
)

COMPARISON = Kind(
    heading=lambda frame: "Measured and reported averages" if frame["reported"].notna().any() else "Averages",
    placed=True,
    draw=comparison,
    chosen=lambda frame: frame,
    panels=_side_by_side,
    columns=_RUNS,
    caption=_comparison_caption,
)
FOREST = Kind(
    placed=True,
    draw=forest,
    chosen=lambda frame: frame.dropna(subset="difference"),
    panels=_side_by_side,
    columns=("method", "unit", "reported", "known", "margin", "difference", "difference_low", "difference_high"),
    caption=_forest_caption,
)
