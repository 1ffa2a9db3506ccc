"""Lines over experiences: learning curves, task inference, many tasks, the time of a step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from hnet_bench.reporting.figures.panels import (
    MANY,
    Kind,
    current,
    evaluated_throughout,
    experience_axis,
    experiences_of,
    interval_text,
    panel_frame,
    plain_log,
    quantity_of,
    score_axis,
    seeds_text,
    t_interval,
)
from hnet_bench.reporting.figures.style import GREY, Look, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

# About one SEM to each side: with few seeds wider bands of several methods would cover all of the panel.
_NARROW = 0.68


def learning_curves(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Average score over the experiences seen so far, after each: a line for each method.

    A bound that learns everything at once, such as joint training, is a level line at its final average.
    """
    ax, frame = current(ax), evaluated_throughout(panel_frame(frame, "seed", "after", "experience", "score"))
    quantity = quantity_of(frame)
    averages = _means(frame[frame["experience"] <= frame["after"]], "score", over="after", factor=quantity.factor)
    bounds, at_once = set(frame.loc[frame["reference"], "method"]), _learned_at_once(frame)
    methods = averages[~averages["method"].isin(bounds)]
    found = _lines(ax, frame, methods if len(methods) else averages, "after", "score")
    limits = None
    if quantity.ceiling is not None:  # bounds may be far away: they do not set the scale
        score_axis(ax, quantity)
        limits = ax.get_ylim()
    curves = averages[averages["method"].isin(bounds - at_once)]
    if len(methods) and len(curves):
        _lines(ax, frame, curves, "after", "score")
    last = averages[averages["method"].isin(at_once) & (averages["after"] == averages["after"].max())]
    for method, level in last.groupby("method", observed=True)["score"].mean().items():
        ax.axhline(level, **found[method].line, linewidth=1)
    if limits:
        ax.set_ylim(limits)
    else:  # last, since on a logarithmic axis seaborn takes the mean of logarithms
        score_axis(ax, quantity)
    _legend(ax, found, levels=at_once)
    experience_axis(ax, experiences_of(frame), "experiences learned")
    ax.set_ylabel(f"average {quantity.label}")
    return ax


def task_inference(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Share of test samples whose task is inferred right, for each task after the last; chance is dotted."""
    ax, frame = current(ax), panel_frame(frame, "seed", "after", "experience", "inferred").dropna(subset="inferred")
    experiences = experiences_of(frame)
    shares = _means(frame[frame["after"] == experiences], "inferred", over="experience", factor=100)
    ax.axhline(100 / experiences, color=GREY, linestyle=":", linewidth=1)
    _legend(ax, _lines(ax, frame, shares, "experience", "inferred"))
    score_axis(ax, quantity_of(frame.assign(unit="percent")))
    experience_axis(ax, experiences, "task")
    ax.set_ylabel("task inferred right, %")
    return ax


def many_tasks(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Score on each of many tasks after the last: a line for each method, with bands of 68 %."""
    ax, frame = current(ax), panel_frame(frame, "seed", "after", "experience", "score")
    quantity, experiences = quantity_of(frame), experiences_of(frame)
    final = _means(frame[frame["after"] == experiences], "score", over="experience", factor=quantity.factor)
    _legend(ax, _lines(ax, frame, final, "experience", "score", confidence=_NARROW))
    score_axis(ax, quantity)
    experience_axis(ax, experiences, "task, in the order of learning")
    ax.set_ylabel(f"final {quantity.label}")
    return ax


def step_time(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Milliseconds of a training step on each experience, what old tasks cost: medians over seeds.

    They are those of training on an experience, with whatever a method does before the first and after the last step,
    divided by the protocol's iterations.
    """
    ax, frame = current(ax), panel_frame(frame, "seed", "after", "step_seconds")
    times = _means(frame, "step_seconds", over="after", factor=1000)
    _legend(ax, _lines(ax, frame, times, "after", "step_seconds", estimator="median", errorbar=None))
    plain_log(ax, "y")
    experience_axis(ax, experiences_of(frame), "task that is learned; one less is the number of old tasks")
    ax.set_ylabel("time of a step, ms")
    return ax


def _means(frame: DataFrame, column: str, *, over: str, factor: float) -> DataFrame:
    """The mean of each run at each place of an axis, in its units."""
    means = frame.groupby(["method", "seed", over], observed=True)[column].mean() * factor
    return means.reset_index()


def _lines(
    ax: Axes, frame: DataFrame, values: DataFrame, x: str, y: str, *, confidence: float = 0.95, **more: Any
) -> dict[str, Look]:
    """A line through the means over seeds for each method, with their intervals as bars that stand beside each other,
    or as bands where there are many experiences. Returns what methods are drawn with."""
    import seaborn

    found, many = looks(frame), values[x].max() >= MANY
    drawn = [name for name in found if name in set(values["method"])]
    step = 0.0 if many else min(0.1, 0.4 / max(1, len(drawn)))
    aside = {name: step * (index - (len(drawn) - 1) / 2) for index, name in enumerate(drawn)}
    interval = partial(t_interval, confidence=confidence, ceiling=quantity_of(frame).ceiling)
    seaborn.lineplot(
        values.assign(**{x: values[x] + values["method"].map(aside).astype(float)}),
        x=x,
        y=y,
        hue="method",
        style="method",
        hue_order=drawn,
        style_order=drawn,
        palette={name: found[name].colour for name in drawn},
        markers={name: found[name].marker for name in drawn},
        dashes={name: found[name].dashes for name in drawn},
        err_style="band" if many else "bars",
        err_kws={"alpha": 0.2, "linewidth": 0} if many else {"elinewidth": 0.9},
        markevery=max(1, int(values[x].max()) // 10),
        markersize=5.5,
        markeredgewidth=0.5,
        legend=False,
        ax=ax,
        **{"errorbar": interval, **more},
    )
    ax.grid(axis="y")
    return {name: look for name, look in found.items() if name in set(frame["method"])}


def _legend(ax: Axes, found: Mapping[str, Look], levels: Collection[str] = ()) -> None:
    """Names the methods by lines that are nowhere, so that `ax.legend` finds them whoever calls it."""
    for name, look in found.items():
        ax.plot([], [], label=name, marker="" if name in levels else look.marker, markersize=5.5, **look.line)
    ax.legend()


def _learned_at_once(frame: DataFrame) -> set[str]:
    """Bounds whose scores are the same after every experience but the last: nothing was learned before it."""
    before = frame[frame["reference"] & (frame["after"] < experiences_of(frame))]
    changes = before.groupby(["method", "seed", "experience"], observed=True)["score"].nunique()
    most = changes.groupby("method", observed=True).max()
    return set(most[most == 1].index) if experiences_of(frame) > 2 else set()


def _caption(frame: DataFrame) -> str:
    bands = frame["after"].max() >= MANY
    marks = "Bars or bands" if bands and frame["after"].min() < MANY else "Bands" if bands else "Bars"
    grey = " Grey: bounds" if frame["reference"].any() else ""
    grey += ", which do not set the scale" if grey and quantity_of(frame).ceiling is not None else ""
    grey += "; level lines: those that learn everything at once." if _learned_at_once(frame) else "." if grey else ""
    name = quantity_of(frame).name.capitalize()
    text = f"{seeds_text(frame)} {name}, averaged over the experiences seen so far; means over seeds."
    return f"{text}{interval_text(frame, marks)}{grey}"


_LINES = ("method", "seed", "after", "experience", "score", "reference", "unit", "hyperparameter", "value")

LEARNING_CURVES = Kind(
    draw=learning_curves,
    chosen=lambda frame: evaluated_throughout(frame[frame["experiences"] > 1]),
    columns=_LINES,
    caption=_caption,
)
TASK_INFERENCE = Kind(
    draw=task_inference,
    chosen=lambda frame: frame.dropna(subset="inferred"),
    columns=("method", "seed", "after", "experience", "inferred", "reference", "hyperparameter", "value"),
    caption=lambda frame: (
        f"{seeds_text(frame)} Share of test samples whose task is inferred right after the last "
        f"experience; means over seeds.{interval_text(frame)} Dotted: chance."
    ),
)
MANY_TASKS = Kind(
    draw=many_tasks,
    chosen=lambda frame: frame[frame["experiences"] >= MANY],
    columns=_LINES,
    caption=lambda frame: (
        f"{seeds_text(frame)} {quantity_of(frame).name.capitalize()} on each task after the last one; "
        f"means over seeds.{interval_text(frame, 'Bands', confidence=68)} Not 95 %, since so wide bands would cover "
        "each other."
    ),
    size=(6.0, 2.3),
)
STEP_TIME = Kind(
    draw=step_time,
    chosen=lambda frame: frame[frame["experiences"] >= MANY],
    columns=("method", "seed", "after", "step_seconds", "reference", "hyperparameter", "value"),
    caption=lambda frame: (
        f"{seeds_text(frame)} Seconds of training on an experience over its iterations; medians over "
        "seeds. They hold for the machines that the records name, which may have had other work."
    ),
    size=(6.0, 2.3),
)
