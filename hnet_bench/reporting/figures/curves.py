"""Lines over experiences: learning curves, task inference, many tasks, the time of a step."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hnet_bench.reporting.figures.panels import (
    CONFIDENCE,
    LETTERS,
    MANY,
    Kind,
    Panel,
    evaluated_throughout,
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
from hnet_bench.reporting.figures.style import GREY, SMALL, looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_NARROW = 0.68  # confidence: about one SEM to each side
_MOST_LINES = 12  # methods of a panel; lines of more are a tangle, and a map of numbers is drawn


def learning_curves(frame: DataFrame, ax: Axes | None = None, *, order: Sequence[str] | None = None) -> Axes:
    """Average score over the experiences seen so far, after each: a line for each method.

    A bound that learns everything at once, such as joint training, is a level line at its final average. With `order`,
    methods stand below each other in that order, as a map of numbers.
    """
    frame, ax, quantity = prepared(frame, ax, "seed", "after", "experience", "score")
    frame = evaluated_throughout(frame)
    require(not frame.empty, "no run was tested on all experiences so far after each of them")
    averages = _of_runs(frame[frame["experience"] <= frame["after"]], "after", "score")
    if order:
        return _map(ax, frame, averages, order, "experiences learned")
    at_once, bound = _learned_at_once(frame), averages["method"].isin(frame.loc[frame["reference"], "method"])
    if bound.all():
        bound[:] = False
    _lines(ax, frame, averages[~bound])
    limits: dict[str, Any] = {}
    if quantity.ceiling is not None:  # bounds may be far away: they do not set the scale
        score_axis(ax, quantity)
        limits = {"ylim": ax.get_ylim()}
    level = averages["method"].isin(at_once)
    _lines(ax, frame, averages[bound & ~level])
    final = averages[bound & level & (averages["after"] == experiences_of(frame))]
    for method, height in final.groupby("method", observed=True)["score"].mean().items():
        ax.axhline(height, **looks(frame)[method].line, linewidth=1)
    if not limits:  # last, since on a logarithmic axis seaborn takes the mean of logarithms
        score_axis(ax, quantity)
    ax.set(ylabel=f"average {quantity.label}", **limits)
    return _finished(ax, frame, "experiences learned", levels=at_once)


def task_inference(frame: DataFrame, ax: Axes | None = None, *, order: Sequence[str] | None = None) -> Axes:
    """Share of test samples whose task is inferred right, for each task after the last; chance is dotted. With `order`,
    methods stand below each other in that order, as a map of numbers."""
    frame, ax, quantity = prepared(frame.assign(unit="percent"), ax, "seed", "after", "experience", "inferred")
    frame = frame.dropna(subset="inferred")
    require(not frame.empty, "no method of the frame infers the task")
    frame = frame.assign(inferred=100 * frame["inferred"])
    shares = _of_runs(frame[frame["after"] == experiences_of(frame)], "experience", "inferred")
    if order:
        return _map(ax, frame, shares, order, "task")
    ax.axhline(100 / experiences_of(frame), color=GREY, linestyle=":", linewidth=1)
    _lines(ax, frame, shares)
    score_axis(ax, quantity)
    ax.set_ylabel("task inferred right, %")
    return _finished(ax, frame, "task")


def many_tasks(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Score on each of many tasks after the last: a line for each method, with bands of about one SEM to each side:
    with few seeds wider ones of several methods would cover all of the panel."""
    frame, ax, quantity = prepared(frame, ax, "seed", "after", "experience", "score")
    final = _of_runs(frame[frame["after"] == experiences_of(frame)], "experience", "score")
    _lines(ax, frame, final, confidence=_NARROW)
    score_axis(ax, quantity)
    ax.set_ylabel(f"final {quantity.label}")
    return _finished(ax, frame, "task, in the order of learning")


def step_time(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Milliseconds of a training step on each experience, what old tasks cost: medians over seeds.

    They are those of training on an experience, with whatever a method does before the first and after the last step,
    divided by the protocol's steps.
    """
    frame, ax, _ = prepared(frame, ax, "seed", "after", "step_seconds")
    times = _of_runs(frame.assign(milliseconds=1000 * frame["step_seconds"]), "after", "milliseconds")
    _lines(ax, frame, times, estimator="median", errorbar=None)
    plain_log(ax, "y")
    ax.set_ylabel("time of a step, ms")
    return _finished(ax, frame, "task that is learned; one less is the number of old tasks")


def _of_runs(frame: DataFrame, x: str, y: str) -> DataFrame:
    """The mean of each run at each place of an axis: columns method, seed, x and y."""
    return frame.groupby(["method", "seed", x], observed=True)[y].mean().reset_index()


def _lines(ax: Axes, frame: DataFrame, values: DataFrame, *, confidence: float = CONFIDENCE, **more: Any) -> None:
    """A line through the means over seeds for each method of `_of_runs`, with their intervals as bars that stand beside
    each other, or as bands where there are many experiences."""
    import seaborn

    if values.empty:
        return
    _, _, x, y = values.columns
    found, many = looks(frame), values[x].max() >= MANY
    drawn = [name for name in found if name in set(values["method"])]
    step = 0.0 if many else min(0.1, 0.4 / len(drawn))
    aside = {name: step * (index - (len(drawn) - 1) / 2) for index, name in enumerate(drawn)}
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
        **{"errorbar": partial(t_interval, confidence=confidence, ceiling=quantity_of(frame).ceiling), **more},
    )


def _map(ax: Axes, frame: DataFrame, values: DataFrame, order: Sequence[str], xlabel: str) -> Axes:
    """The means over seeds of `_of_runs` as numbers in coloured cells, a line of cells for each method."""
    import seaborn

    _, _, x, y = values.columns
    means = values.pivot_table(index="method", columns=x, values=y, observed=True).reindex(order)
    quantity = quantity_of(frame)
    seaborn.heatmap(
        means,
        vmin=0,
        vmax=quantity.ceiling,
        cmap="cividis",
        annot=True,
        fmt=".0f" if quantity.unit == "%" else ".2g",
        annot_kws={"size": SMALL},
        cbar=False,
        linewidths=0.4,
        yticklabels=[textwrap.fill(method, LETTERS) for method in order],
        ax=ax,
    )
    ax.tick_params(length=0, rotation=0)
    ax.set(xlabel=xlabel, ylabel="")
    return ax


def _is_crowded(frame: DataFrame) -> bool:
    """Whether some panel has too many methods for lines; errors, which span orders of magnitude, have lines always."""
    methods = frame.groupby(["title", "scenario"], observed=True)["method"].nunique()
    return bool(methods.max() > _MOST_LINES) and quantity_of(frame).ceiling is not None


def _panels(frame: DataFrame) -> list[Panel]:
    return rows_of_methods(frame) if _is_crowded(frame) else panels_of(frame)


def _finished(ax: Axes, frame: DataFrame, xlabel: str, levels: Collection[str] = ()) -> Axes:
    """The axes with whole numbers of experiences and a legend.

    It names methods by lines that are nowhere, so that `ax.legend` finds them whoever calls it.
    """
    experiences = experiences_of(frame)
    step = 1 if experiences <= 10 else max(2, round(experiences / 50) * 10)
    ax.set_xticks([1, *range(max(2, step), experiences + 1, step)])
    ax.set(xlim=(0.5, experiences + 0.5), xlabel=xlabel)
    for name, look in looks(frame).items():
        if name in set(frame["method"]):
            ax.plot([], [], label=name, marker="" if name in levels else look.marker, markersize=5.5, **look.line)
    ax.grid(axis="y")
    ax.legend()
    return ax


def _learned_at_once(frame: DataFrame) -> set[str]:
    """Bounds whose scores are the same after every experience but the last: nothing was learned before it."""
    if experiences_of(frame) <= 2:
        return set()
    before = frame[frame["reference"] & (frame["after"] < experiences_of(frame))]
    changes = before.groupby(["method", "seed", "experience"], observed=True)["score"].nunique()
    most = changes.groupby("method", observed=True).max()
    return set(most[most == 1].index)


def _caption(frame: DataFrame) -> str:
    if _is_crowded(frame):
        name = quantity_of(frame).name.capitalize()
        return f"{seeds_text(frame)} {name}, averaged over the experiences seen so far; means over seeds."
    bands = frame["after"].max() >= MANY
    marks = "Bars or bands" if bands and frame["after"].min() < MANY else "Bands" if bands else "Bars"
    grey = " Grey: bounds" if frame["reference"].any() else ""
    grey += ", which do not set the scale" if grey and quantity_of(frame).ceiling is not None else ""
    grey += "; level lines: those that learn everything at once." if _learned_at_once(frame) else "." if grey else ""
    name = quantity_of(frame).name.capitalize()
    text = f"{seeds_text(frame)} {name}, averaged over the experiences seen so far; means over seeds."
    return f"{text}{interval_text(frame, marks)}{grey}"


def _inference_caption(frame: DataFrame) -> str:
    what = "After the last experience, the share of test samples whose right task is inferred; means over seeds."
    if _is_crowded(frame.assign(unit="percent")):
        chances = sorted({100 / number for number in frame["experiences"].unique()}, reverse=True)
        return f"{seeds_text(frame)} {what} In %; chance is at {' or '.join(f'{chance:.3g}' for chance in chances)}."
    return f"{seeds_text(frame)} {what}{interval_text(frame)} Dotted: chance."


_LINES = ("method", "seed", "after", "experience", "score", "reference", "unit", "hyperparameter", "value")

LEARNING_CURVES = Kind(
    title="Learning curves",
    draw=learning_curves,
    chosen=lambda frame: evaluated_throughout(frame[frame["experiences"] > 1]),
    columns=_LINES,
    caption=_caption,
    panels=lambda frame, _: _panels(frame),
    waits_for=lambda cells: cells,
)
TASK_INFERENCE = Kind(
    title="Task inference",
    draw=task_inference,
    chosen=lambda frame: frame.dropna(subset="inferred"),
    columns=("method", "seed", "after", "experience", "inferred", "reference", "hyperparameter", "value"),
    caption=_inference_caption,
    panels=lambda frame, _: _panels(frame.assign(unit="percent")),
)
MANY_TASKS = Kind(
    title="Each of many tasks after all",
    draw=many_tasks,
    chosen=lambda frame: frame[frame["experiences"] >= MANY],
    columns=_LINES,
    caption=lambda frame: (
        f"{seeds_text(frame)} {quantity_of(frame).name.capitalize()} on each task after the last one; "
        f"means over seeds.{interval_text(frame, 'Bands', confidence=_NARROW)} Not {100 * CONFIDENCE:g} %, since "
        "so wide bands would cover each other."
    ),
    size=(6.0, 2.3),
)
STEP_TIME = Kind(
    title="Time of a step over many tasks",
    draw=step_time,
    chosen=lambda frame: frame[frame["experiences"] >= MANY],
    columns=("method", "seed", "after", "step_seconds", "reference", "hyperparameter", "value"),
    caption=lambda frame: (
        f"{seeds_text(frame)} Milliseconds: the time of training on an experience over its iterations; medians over "
        "seeds. They hold for the machines that the records name, which may have had other work."
    ),
    size=(6.0, 2.3),
)
