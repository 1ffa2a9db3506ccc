"""Each experience by itself: during and final, whole matrices of scores, what one task takes from others."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from hnet_bench.reporting.figures.panels import (
    MANY,
    Kind,
    Panel,
    Quantity,
    cells_of,
    evaluated_throughout,
    experiences_of,
    interval_text,
    plain_log,
    prepared,
    quantity_of,
    require,
    score_axis,
    seeds_text,
    t_interval,
)
from hnet_bench.reporting.figures.style import BLACK, BLUE, GREEN, GREY, LIGHT, ORANGE, SKY, SMALL, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame, Series

_FEWEST_RATIOS = 3
_PALETTE = {"during": VERMILION, "final": BLUE}
_MARKERS = {"during": "o", "final": "s"}
_DASHES = {"during": (4, 1.5), "final": ""}
# With more experiences the cells of a matrix are too small for numbers, and with many more for shapes.
_MOST_NUMBERS, _MOST_SHAPES = 6, 12

# Of each bar of Fig. 5: the row, the moment, colour and hatch.
_BARS = {
    "during": ("hnet", "during", SKY, ""),
    "final": ("hnet", "final", BLUE, ""),
    "from scratch": ("from_scratch", "during", ORANGE, "////"),
    "fine-tuned": ("fine_tuned", "final", GREEN, "xx"),
}


def during_and_final(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Score on each experience right after training on it (during) and after the last one (final), of one row."""
    import seaborn

    frame, ax, quantity = prepared(frame, ax, "seed", "after", "experience", "score")
    scores = _moments(frame)
    means = scores.groupby(["moment", "experience"])["score"].mean()
    places = range(means["during"].size)
    ax.plot(
        [[at - 0.15 for at in places], [at + 0.15 for at in places]],
        [means["during"], means["final"]],
        color=LIGHT,
        linewidth=1,
        zorder=1,
    )
    seaborn.pointplot(
        scores,
        x="experience",
        y="score",
        hue="moment",
        hue_order=list(_PALETTE),
        palette=_PALETTE,
        markers=list(_MARKERS.values()),
        markersize=4,
        linestyle="none",
        dodge=0.3,
        errorbar=partial(t_interval, ceiling=quantity.ceiling),
        err_kws={"linewidth": 0.9},
        ax=ax,
    )
    legend: Any = ax.legend(title="")
    for line in (*ax.lines, *legend.legend_handles):
        if line.get_marker() == "o":
            line.set_markerfacecolor("white")
        if line.get_marker() in _MARKERS.values():
            # Whole also at the best score, at the edge of a low panel; what has no data must not set the layout.
            line.set(clip_on=False, in_layout=False)
    score_axis(ax, quantity)
    if quantity.ceiling is not None:
        ax.locator_params("y", nbins=4)
    ax.set(xlabel="experience", ylabel=quantity.label)
    ax.grid(axis="y")
    return ax


def matrices(frame: DataFrame, ax: Axes | None = None, *, limits: tuple[float, float] | None = None) -> Axes:
    """Scores of one row, means over seeds: a line of cells after training on each experience, a column for each that it
    was tested on. Colours go from the first to the second of `limits`; with few experiences cells carry their numbers.
    """
    import seaborn
    from matplotlib.colors import LogNorm, Normalize

    frame, ax, quantity = prepared(frame, ax, "after", "experience", "score")
    matrix = frame.pivot_table(index="after", columns="experience", values="score")
    low, high = limits or _limits(matrix.stack(), quantity)
    small = len(matrix) <= _MOST_NUMBERS
    named = matrix.columns if small else (1, (len(matrix) + 1) // 2, len(matrix))
    names = [str(number) if number in named else "" for number in matrix.columns]
    seaborn.heatmap(
        matrix,
        norm=Normalize(low, high) if quantity.ceiling else LogNorm(low, high),
        cmap="cividis",
        annot=small,
        fmt=".0f" if quantity.unit == "%" else ".2g",
        annot_kws={"size": SMALL},
        square=True,
        cbar=False,
        linewidths=0.4 if len(matrix) <= _MOST_SHAPES else 0,
        rasterized=not small,
        label=quantity.label,
        xticklabels=names,
        yticklabels=names,
        ax=ax,
    )
    ax.tick_params(length=0, rotation=0)
    ax.set(xlabel="tested on", ylabel="trained up to")
    return ax


def transfer(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """During, final, from scratch and fine-tuned, task by task, as in Fig. 5 of von Oswald et al. 2020.

    Of the rows named hnet, from_scratch and fine_tuned: during and final are those of the first, from scratch is how
    well each task is learned without the others, fine-tuned what is left without protection.
    """
    import pandas
    import seaborn

    frame, ax, quantity = prepared(frame, ax, "seed", "after", "experience", "score")
    scores = _moments(frame)
    require(
        {row for row, *_ in _BARS.values()} <= set(scores["row"]), "it needs rows hnet, from_scratch and fine_tuned"
    )
    bars = [
        scores[(scores["row"] == row) & (scores["moment"] == moment)].assign(bar=bar)
        for bar, (row, moment, *_) in _BARS.items()
    ]
    seaborn.barplot(
        pandas.concat(bars),
        x="experience",
        y="score",
        hue="bar",
        palette={bar: colour for bar, (*_, colour, _) in _BARS.items()},
        saturation=1,
        edgecolor=BLACK,
        linewidth=0.5,
        errorbar=partial(t_interval, ceiling=quantity.ceiling),
        err_kws={"linewidth": 0.9, "color": BLACK},
        ax=ax,
    )
    for bars_of, (*_, hatch) in zip(ax.containers, _BARS.values(), strict=True):
        for bar in bars_of:
            bar.set_hatch(hatch)
    ax.set(xlabel="task", ylabel=quantity.label)
    ax.grid(axis="y")
    ax.legend()
    return ax


def compression(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Average scores over the compression ratio, trained parameters over those of the classifier: right after training
    on each experience (during) and after the last (final), of rows of which each has another ratio."""
    import seaborn

    frame, ax, quantity = prepared(frame, ax, "seed", "after", "experience", "score", "compression_ratio")
    require((frame.groupby("compression_ratio")["row"].nunique() == 1).all(), "several rows have one compression ratio")
    runs = _moments(frame).groupby(["moment", "compression_ratio", "seed"])["score"].mean().reset_index()
    ax.axvline(1, color=GREY, linestyle=":", linewidth=1)
    seaborn.lineplot(
        runs,
        x="compression_ratio",
        y="score",
        hue="moment",
        style="moment",
        palette=_PALETTE,
        markers=_MARKERS,
        dashes=_DASHES,
        errorbar=partial(t_interval, ceiling=quantity.ceiling),
        err_style="bars",
        ax=ax,
    )
    plain_log(ax, "x")
    score_axis(ax, quantity)
    ax.set(xlabel="compression ratio: trained parameters / those of the classifier", ylabel=f"average {quantity.label}")
    ax.grid(axis="y")
    ax.legend()
    return ax


def _moments(frame: DataFrame) -> DataFrame:
    """The scores of both moments; what was learned last is in both."""
    import pandas

    during = frame[frame["after"] == frame["experience"]].assign(moment="during")
    final = frame[frame["after"] == experiences_of(frame)].assign(moment="final")
    return pandas.concat([during, final])


def _sizes(frame: DataFrame) -> DataFrame:
    """The cells of a strategy in a scenario in at least three sizes, if no two of them, which then differ in something
    else too, have the same."""
    cells = frame.groupby(["strategy", "title", "scenario"], observed=True)
    sizes, rows = cells["compression_ratio"].transform("nunique"), cells["row"].transform("nunique")
    return frame[(sizes >= _FEWEST_RATIOS) & (sizes == rows)]


def _matrix_panels(frame: DataFrame, planned: DataFrame) -> list[Panel]:
    """Colours mean the same in all panels."""
    quantity = quantity_of(frame)
    means = quantity.factor * frame.groupby(["row", "scenario", "after", "experience"], observed=True)["score"].mean()
    return [replace(panel, options={"limits": _limits(means, quantity)}) for panel in cells_of(frame, planned)]


def _limits(means: Series[float], quantity: Quantity) -> tuple[float, float]:
    """All possible scores; where they have no bound, those that are there."""
    return (0.0, quantity.ceiling) if quantity.ceiling else (means[means > 0].min(), means.max())


def _with_all_bars(frame: DataFrame) -> DataFrame:
    """The scenarios in which all rows of the four bars have records."""
    rows = {row for row, *_ in _BARS.values()}
    mine = frame[frame["row"].isin(rows)]
    found = mine.groupby(["title", "scenario"], observed=True)["row"].transform("nunique")
    return mine[found == len(rows)]


DURING_AND_FINAL = Kind(
    title="During and final, experience by experience",
    heading=lambda frame: f"During and final, experience by experience: {quantity_of(frame).label}",
    draw=during_and_final,
    chosen=lambda frame: frame[frame["experiences"] < MANY],
    panels=cells_of,
    waits_for=lambda cells: cells,
    columns=("seed", "after", "experience", "score", "unit"),
    caption=lambda frame: (
        f"{seeds_text(frame)} During: right after training on the experience; final: after the last "
        f"one. Points: means over seeds.{interval_text(frame)} Panels of one column and benchmark share their axes."
    ),
    size=(1.75, 0.72),
)
MATRICES = Kind(
    title="On each experience after each",
    draw=matrices,
    chosen=lambda frame: evaluated_throughout(frame[frame["experiences"] > 1]),
    panels=_matrix_panels,
    waits_for=lambda cells: cells,
    columns=("after", "experience", "score", "unit"),
    caption=lambda frame: (
        f"{seeds_text(frame)} Means over seeds. Lines: trained up to this experience; columns: tested on "
        "this one. Above the diagonal: experiences not yet learned."
    ),
    size=(1.3, 1.3),
    scale=True,
)
TRANSFER = Kind(
    title="During, final, from scratch, fine-tuned",
    draw=transfer,
    chosen=_with_all_bars,
    columns=("row", "seed", "after", "experience", "score", "unit"),
    caption=lambda frame: f"{seeds_text(frame)} Means over seeds.{interval_text(frame, 'Black bars')}",
    size=(6.0, 2.3),
)
COMPRESSION = Kind(
    title="Accuracy against compression",
    draw=compression,
    chosen=_sizes,
    columns=("method", "seed", "after", "experience", "score", "unit", "compression_ratio"),
    caption=lambda frame: (
        f"{seeds_text(frame)} Average over experiences, right after training on each (during) and after the last "
        f"(final); means over seeds.{interval_text(frame)} Dotted: as many parameters as the network that classifies."
    ),
    size=(3.6, 2.5),
)
