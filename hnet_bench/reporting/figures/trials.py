"""Trials of a search: what each value of a hyperparameter came to, by the rules that chose among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hnet_bench.papers.search import ON_TEST_DATA
from hnet_bench.reporting.figures.panels import SCENARIO_NAMES, Kind, Panel, plain_log, prepared, score_axis
from hnet_bench.reporting.figures.style import GREY, fallback_look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

_WIDE = 30  # a range of values of this ratio is drawn on a logarithmic axis


def tuning(frame: DataFrame, ax: Axes | None = None) -> Axes:
    """Scores of trials against a hyperparameter: a line for each rule, with a large marker where it chose, and a dotted
    line where the value is that a paper published. Where several were searched, the best over the others.

    The frame is that of `frames.trials`, of one search and one hyperparameter.
    """
    frame, ax, quantity = prepared(frame, ax, "rule", "hyperparameter", "value", "score", "chosen")
    lower = (frame["better"] == "lower").any() if "better" in frame else False
    numbers = all(isinstance(value, float) for value in frame["value"])
    places = {value: value if numbers else float(index) for index, value in enumerate(dict.fromkeys(frame["value"]))}
    if not numbers:
        ax.set_xticks(list(places.values()), list(places))
    for index, (rule, part) in enumerate(frame.groupby("rule", sort=False, observed=True)):
        look = fallback_look(index)
        best = part.groupby(part["value"].map(places))["score"]
        scores = (best.min() if lower else best.max()).sort_index()
        line: Any = look.line
        ax.plot(scores.index, scores, label=rule, marker=look.marker, markersize=3.5, **line)
        taken = part[part["chosen"]]
        at: Any = {"color": look.colour, "marker": look.marker, "markersize": 8, "linestyle": ""}
        ax.plot(taken["value"].map(places), taken["score"], markerfacecolor="none", **at)
    known = frame["published"].dropna() if "published" in frame else ()
    for value in dict.fromkeys(known):
        if value in places or (numbers and isinstance(value, float)):
            ax.axvline(places.get(value, value), color=GREY, linestyle=":", linewidth=1, label="published")
    if quantity.ceiling is not None:
        score_axis(ax, quantity)
    if numbers and min(places) > 0 and max(places) > _WIDE * min(places):
        plain_log(ax, "x")
    ax.set(xlabel=frame["hyperparameter"].iloc[0].replace("_", " "), ylabel=quantity.label)
    ax.grid(axis="y")
    ax.legend()
    return ax


def _panels(frame: DataFrame, _: DataFrame) -> list[Panel]:
    groups = frame.groupby(["title", "scenario", "group", "strategy", "hyperparameter"], sort=False, observed=True)
    strategies = frame.groupby(["title", "scenario", "group"], observed=True)["strategy"].nunique()
    titles, scenarios = frame["title"].nunique(), frame["scenario"].nunique()
    panels = []
    for index, ((title, scenario, group, strategy, _), part) in enumerate(groups):
        lines = [
            title if titles > 1 else "",
            f"{group} ({strategy})" if strategies[title, scenario, group] > 1 else group,
            SCENARIO_NAMES[scenario] if scenarios > 1 else "",
        ]
        panels.append(Panel(data=part, title="\n".join(filter(None, lines)), row=index // 3, column=index % 3))
    return panels


def _caption(frame: DataFrame) -> str:
    rules = set(frame["rule"])
    test = ", of those of the rule test on test data" if ON_TEST_DATA in rules else ""
    share = (
        " Of per_experience: the share of the greatest plasticity that is kept." if "per_experience" in rules else ""
    )
    return (
        f"What each rule makes of the trials{test}; means over their seeds. Large open markers: what it chose; dotted: "
        f"what is published.{share}"
    )


TUNING = Kind(
    title="Trials, and what was chosen among them",
    draw=tuning,
    trials=True,
    chosen=lambda frame: frame,
    columns=("group", "strategy", "rule", "hyperparameter", "value", "score", "chosen", "published", "unit", "better"),
    caption=_caption,
    panels=_panels,
)
