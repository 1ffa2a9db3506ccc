"""Final score of each of many tasks, as in Fig. 3a of von Oswald et al. 2020. A line for each row."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from hnet_bench.reporting.figures.axes import band, number_experiences, scale_scores, shown
from hnet_bench.reporting.figures.estimates import FEWEST_SEEDS
from hnet_bench.reporting.figures.sheet import Grid, sheet
from hnet_bench.reporting.figures.subject import MANY, Subject, group_titles, groups, head_of, scores, seeds_text

# About one SEM to each side: with few seeds wider bands of several methods would cover all of the panel.
_CONFIDENCE = 0.68


def figure(subject: Subject) -> Figure | None:
    """A panel for each benchmark and scenario with at least `MANY` experiences; None if no record has as many."""
    states = [state for state in subject.measured if len(state.records[0].score) >= MANY]
    if not states:
        return None
    grouped = groups(states)
    titles = group_titles(list(grouped))
    rows = {state.cell.row: state for state in states}
    page = sheet(
        Grid(rows=len(grouped), panel=(6.2, 2.4), gap=(0, 0.85), head=head_of(titles.values())),
        title=subject.table.title,
        what="Each task after all",
        caption=f"{seeds_text(states)} {subject.quantity.name.capitalize()} on each task after the last one; lines: "
        f"means over seeds; bands: {100 * _CONFIDENCE:.0f} % t interval of the mean, from {FEWEST_SEEDS} seeds on.",
        reduced=subject.reduced,
        legend=[Line2D([], [], label=state.cell.label, **subject.look(state).style) for state in rows.values()],
    )
    for panel, (key, members) in zip(page.first(len(grouped)), grouped.items(), strict=True):
        finals = [subject.quantity.factor * scores(state.records)[:, -1] for state in members]
        for state, final in zip(members, finals, strict=True):
            band(panel, final, subject.quantity.ceiling, subject.look(state), confidence=_CONFIDENCE)
        scale_scores(panel, [shown(final) for final in finals], subject.quantity)
        number_experiences(panel, key[1])
        panel.set_title(titles[key])
        panel.set_xlabel("task, in the order of learning")
        panel.set_ylabel(f"final {subject.quantity.label}")
    return page.figure
