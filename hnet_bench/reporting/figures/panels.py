"""What kinds of figures share: their panels, the quantity on an axis, the interval of a mean, words of captions."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from hnet_bench.interfaces import UserError
from hnet_bench.papers.seeds import format_seeds

if TYPE_CHECKING:
    import numpy
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from hnet_bench.runs.plan import CellState

Array: TypeAlias = "numpy.typing.NDArray[Any]"

SCENARIO_NAMES = {"CL1": "CL1: task given", "CL2": "CL2: domain", "CL3": "CL3: class"}

# From this number of experiences on they are too many for a marker and an error bar each.
MANY = 20
# Of the interval of a mean, unless a kind of figure has another.
CONFIDENCE = 0.95
# Two seeds have an interval of 12.7 SEM to each side, which says nothing and hides what stands beside it.
FEWEST_SEEDS = 3

# Of a line of a name of a method, two lines of which are as high as its row.
LETTERS = 26

# What a frame of a user's own may leave out.
_OPTIONAL: dict[str, Any] = {"scenario": "", "title": "", "unit": "percent", "reference": False}
_OPTIONAL |= dict.fromkeys(("hyperparameter", "reported", "reported_spread"))
# Columns of scores and of what is on their scale.
_SCORES = ("score", "reported", "reported_spread", "margin", "difference", "difference_low", "difference_high")


class Quantity(NamedTuple):
    """What scores are."""

    name: str
    unit: str = ""  # "" for a plain number
    factor: float = 1.0  # from records to the axis
    ceiling: float | None = None  # the best possible value on the axis, where there is one

    @property
    def label(self) -> str:
        """The text of an axis."""
        return f"{self.name}, {self.unit}" if self.unit else self.name


_QUANTITIES = {
    "percent": Quantity("accuracy", "%", factor=100.0, ceiling=100.0),
    "fraction": Quantity("accuracy", ceiling=1.0),
    "mse": Quantity("mean squared error"),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """What is drawn on one of the axes of a page."""

    data: Any  # a frame, or arrays by their names; None where there is nothing to draw
    absent: str = ""  # what to say there
    title: str = ""
    # Panels of a block stand where their row and column say, and those of a column there share their axes; others stand
    # as many beside each other as fit.
    block: str = ""
    row: int = 0
    column: int = 0
    label: str = ""  # of the row of panels
    height: float | None = None  # inches, that of its kind by default
    options: Mapping[str, Any] = field(default_factory=dict)  # for the function that draws it


class Kept(NamedTuple):
    """Arrays that the lowest seed of a cell has beside its record."""

    state: CellState
    seed: int
    arrays: Mapping[str, Array]

    @property
    def where(self) -> str:
        """How messages name them."""
        return f"{self.state.cell.where}, seed {self.seed}"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of figure: what it shows of a table, and the function that draws one panel of that.

    It shows `columns` of what is `chosen` of the table's scores; one with `kept` shows arrays instead.
    """

    title: str
    draw: Callable[..., Axes]
    chosen: Callable[[DataFrame], DataFrame] = lambda frame: frame[:0]
    columns: Sequence[str] = ()
    caption: Callable[[DataFrame], str] = lambda frame: ""  # of what is chosen
    heading: Callable[[DataFrame], str] | None = None  # above the panels, where that is not the title
    panels: Callable[[DataFrame, DataFrame], list[Panel]] = lambda frame, _: panels_of(frame)  # of chosen, of all cells
    kept: Callable[[Sequence[Kept]], tuple[list[Panel], str]] | None = None  # the panels, and their caption
    size: tuple[float, float] = (2.4, 2.05)  # inches of a panel
    scale: bool = False  # of colours, beside the panels, by the label of what they draw
    # Of all cells those that it may show once they have a record; none where that cannot be told before.
    waits_for: Callable[[DataFrame], DataFrame] = lambda cells: cells[:0]
    trials: bool = False  # whether it is about the trials of searches, and `chosen` is asked about their frame


def prepared(frame: DataFrame, ax: Axes | None, *needed: str) -> tuple[DataFrame, Axes, Quantity]:
    """The frame of one panel, with all columns, also those that a user's own frame leaves out, and with scores as they
    stand on an axis; the axes to draw on; what scores are.

    Raises UserError if a needed column is missing, if there is no line, or if there is more than one panel in it.
    """
    if missing := [name for name in ("row", *needed) if name not in frame]:
        raise UserError(f"This figure needs the columns {', '.join(('row', *needed))}: {', '.join(missing)} not found.")
    require(not frame.empty, "the frame has no line")
    whole = frame.assign(**{name: value for name, value in _OPTIONAL.items() if name not in frame})
    methods = whole["method" if "method" in frame else "row"]
    if not hasattr(methods, "cat"):
        methods = methods.astype("category").cat.set_categories(methods.unique())
    panels = whole[["title", "scenario"]].drop_duplicates()
    if len(panels) > 1:
        found = "; ".join(" ".join(map(str, panel)) for panel in panels.itertuples(index=False))
        raise UserError(
            f"Axes show one benchmark in one scenario, and the frame has {len(panels)} ({found}): choose one, such as "
            'frame[frame["scenario"] == "CL1"].'
        )
    quantity = quantity_of(whole)
    scaled = {name: quantity.factor * whole[name].astype(float) for name in _SCORES if name in whole}
    return whole.assign(method=methods, **scaled), current(ax), quantity


def require(there: bool, what: str) -> None:
    """Raises UserError if a frame has nothing that the figure could show, and why: half a sentence."""
    if not there:
        raise UserError(f"There is nothing to draw: {what}.")


def current(ax: Axes | None) -> Axes:
    """The axes to draw on: matplotlib's current ones where none are given."""
    if ax is not None:
        return ax
    from matplotlib import pyplot

    return pyplot.gca()


def quantity_of(frame: DataFrame) -> Quantity:
    """What the scores of a frame are."""
    return _QUANTITIES[frame["unit"].iloc[0]]


def experiences_of(frame: DataFrame) -> int:
    """Number of experiences."""
    return int(frame["after"].max())


def evaluated_throughout(frame: DataFrame) -> DataFrame:
    """The runs that were tested on all experiences seen so far after each, rather than on some of them."""
    seen = frame[frame["experience"] <= frame["after"]]
    runs = [name for name in ("title", "scenario", "row", "seed") if name in frame]
    found = seen.groupby(runs, observed=True)["after"].agg(["size", "max"])
    whole = found[found["size"] == found["max"] * (found["max"] + 1) / 2]
    return frame if len(whole) == len(found) else frame[frame.set_index(runs).index.isin(whole.index)]


def t_interval(
    values: Sequence[float], *, confidence: float = CONFIDENCE, ceiling: float | None = None
) -> tuple[float, float]:
    """The ends of Student's t interval of a mean, as far as scores can go; NaN for fewer than `FEWEST_SEEDS` values."""
    import numpy
    from scipy.special import stdtrit

    found = numpy.asarray(values, dtype=numpy.float64)
    if len(found) < FEWEST_SEEDS:
        return math.nan, math.nan
    mean, sem = found.mean(), found.std(ddof=1) / math.sqrt(len(found))
    half = float(stdtrit(len(found) - 1, 0.5 + confidence / 2)) * sem
    high = mean + half if ceiling is None else min(mean + half, ceiling)
    # Seaborn's own mean of the same values may lie a rounding error outside, and scores that cannot be even further.
    rounding = 1e-12 * abs(mean)
    return min(max(mean - half, 0.0), mean) - rounding, max(high, mean) + rounding


def score_axis(ax: Axes, quantity: Quantity, which: str = "y") -> None:
    """Scales an axis of scores on which all is drawn: logarithmic for errors, which have no ceiling, and for others at
    least the uppermost twentieth, so that tiny differences do not look large."""
    if quantity.ceiling is None:
        plain_log(ax, which)
        return
    low = min(getattr(ax, f"get_{which}lim")()[0], 0.95 * quantity.ceiling)
    room = 0.04 * (quantity.ceiling - max(low, 0.0))
    getattr(ax, f"set_{which}lim")(max(low - room, -room), quantity.ceiling + room)


def plain_log(ax: Axes, which: str) -> None:
    """Makes an axis on which all is drawn logarithmic, with plain numbers: 0.001 rather than a power."""
    from matplotlib.ticker import LogLocator

    ax.set(**{f"{which}scale": "log"})
    axis, (low, high) = (ax.xaxis, ax.get_xlim()) if which == "x" else (ax.yaxis, ax.get_ylim())
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,), numticks=8))
    axis.set_major_formatter("{x:g}")
    axis.minorticks_off()


def seeds_text(frame: DataFrame) -> str:
    """ "Seeds 1-5." or, where cells have different ones, "Seeds 1-9 (1 to 9 in a cell)." """
    cells = _seeds(frame)
    every = tuple(sorted(set().union(*cells)))
    text = f"{'Seed' if len(every) == 1 else 'Seeds'} {format_seeds(every)}"
    if all(cell == cells[0] for cell in cells):
        return f"{text}."
    least, most = min(map(len, cells)), max(map(len, cells))
    return f"{text} ({least if least == most else f'{least} to {most}'} in a cell)."


def interval_text(frame: DataFrame, marks: str = "Bars", *, confidence: float = CONFIDENCE) -> str:
    """What bars or bands are; "" where no cell has enough seeds for any."""
    seeds = list(map(len, _seeds(frame)))
    if max(seeds) < FEWEST_SEEDS:
        return ""
    some = f", from {FEWEST_SEEDS} seeds on" if min(seeds) < FEWEST_SEEDS else ""
    return f" {marks}: {100 * confidence:g} % t interval of the mean{some}, as far as scores can go."


def _seeds(frame: DataFrame) -> list[set[int]]:
    """The seeds of each cell."""
    found: dict[tuple[str, str], set[int]] = {}
    for row, scenario, seed in zip(frame["row"], frame["scenario"], frame["seed"], strict=True):
        found.setdefault((row, scenario), set()).add(seed)
    return list(found.values())


def panels_of(frame: DataFrame) -> list[Panel]:
    """A panel for each benchmark and scenario, a line of panels for each benchmark."""
    benchmarks, scenarios = _present(frame, "title"), sorted(frame["scenario"].unique())
    return [
        Panel(
            data=part,
            title=_title(benchmark, scenario, benchmarks),
            row=benchmarks.index(benchmark),
            column=scenarios.index(scenario),
        )
        for (benchmark, scenario), part in frame.groupby(["title", "scenario"], observed=True)
    ]


def _title(benchmark: str, scenario: str, benchmarks: Sequence[str]) -> str:
    """Of a panel: a number of experiences after the benchmark's name has a line of its own, since panels are narrow."""
    named = [*benchmark.partition(", ")[::2], SCENARIO_NAMES[scenario]]
    return "\n".join(filter(None, named)) if len(benchmarks) > 1 else SCENARIO_NAMES[scenario]


def rows_of_methods(frame: DataFrame) -> list[Panel]:
    """A line of panels for each benchmark, from the left, in which methods stand below each other, at the same heights
    in all scenarios: they are the option `order`."""
    panels: list[Panel] = []
    for panel in panels_of(frame):
        benchmark = panel.data["title"].iloc[0]
        mine = frame.loc[frame["title"] == benchmark, "method"]
        order = [method for method in mine.cat.categories if method in set(mine)]
        lines = max(2, *(len(textwrap.wrap(method, LETTERS)) for method in order))
        height = 0.42 + 0.14 * lines * len(order)
        column = sum(other.block == benchmark for other in panels)  # names of methods stand left of the first panel
        panels.append(replace(panel, block=benchmark, column=column, options={"order": order}, height=height))
    return panels


def cells_of(frame: DataFrame, planned: DataFrame) -> list[Panel]:
    """A panel for each cell, a line of panels for each row of a table; those of a benchmark stand together. A cell that
    is planned and not run has a panel without data beside the others of its row."""
    parts = dict(list(frame.groupby(["row", "scenario"], observed=True)))
    benchmarks, scenarios = _present(frame, "title"), sorted(frame["scenario"].unique())
    rows = [(name, row) for name in benchmarks for row in _present(frame[frame["title"] == name], "row")]
    titled: set[str] = set()
    found = []
    for index, (benchmark, row) in enumerate(rows):
        mine = planned[planned["row"] == row]
        for column, scenario in enumerate(scenarios):
            title = _title(benchmark, scenario, benchmarks)
            there = scenario in set(mine["scenario"])
            if there or column == 0:  # the first has the name of the row
                found.append(
                    Panel(
                        data=parts.get((row, scenario)),
                        absent="not run" if there else "",
                        title=title if there and title not in titled else "",
                        row=index,
                        column=column,
                        label=mine["method"].iloc[0],
                        block=benchmark,
                    )
                )
                titled |= {title} if there else set()
    return found


def _present(frame: DataFrame, column: str) -> list[str]:
    """The categories that occur, in their order."""
    return list(frame[column].cat.remove_unused_categories().cat.categories)
