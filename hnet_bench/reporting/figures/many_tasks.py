"""Final score of each of many tasks, as in Fig. 3a of von Oswald et al. 2020. A line for each row."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hnet_bench.reporting.figures.axes import band, scale_scores, shown
from hnet_bench.reporting.figures.estimates import FEWEST_SEEDS
from hnet_bench.reporting.figures.frame import Ticks
from hnet_bench.reporting.figures.over_tasks import Texts, over_tasks
from hnet_bench.reporting.figures.subject import Subject
from hnet_bench.runs.plan import CellState

# About one SEM to each side: with few seeds wider bands of several methods would cover all of the panel.
_CONFIDENCE = 0.68


def figure(subject: Subject) -> Figure | None:
    """A panel for each benchmark and scenario with at least `MANY` experiences; None if no record has as many."""

    def draw(axes: Axes, states: Sequence[CellState]) -> Ticks:
        finals = [subject.quantity.factor * state.scores[:, -1] for state in states]
        for state, final in zip(states, finals, strict=True):
            band(axes, final, subject.quantity.ceiling, subject.look(state), confidence=_CONFIDENCE)
        return scale_scores(axes, [shown(final) for final in finals], subject.quantity)

    texts = Texts(
        what="Each task after all",
        caption=f"{subject.quantity.name.capitalize()} on each task after the last one; lines: means over seeds; "
        f"bands: {100 * _CONFIDENCE:.0f} % t interval of the mean, from {FEWEST_SEEDS} seeds on.",
        horizontal="task, in the order of learning",
        vertical=f"final {subject.quantity.label}",
    )
    return over_tasks(subject, texts, draw)
