"""A figure that has no records yet: it says what to run."""

from __future__ import annotations

import shlex

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hnet_bench.reporting.figures.sheet import Grid, sheet, wrap
from hnet_bench.reporting.figures.style import GREY, TEXT
from hnet_bench.reporting.figures.subject import Subject

_PANEL = (5.4, 1.0)


def sentence(subject: Subject) -> str:
    """What stands in place of the figure."""
    run = shlex.join(["hnet-bench", "run", subject.command])
    if any(state.lacking for state in subject.states):
        return f"The arrays that this figure shows are lost. To make them anew, run: {run}"
    known = [state for state in subject.states if state.spec]
    done = [set(state.planned_seeds) <= {record.spec["seed"] for record in state.records} for state in known]
    if done and all(done):
        return (
            "Every run is done, but none keeps what this figure shows. Arrays stand beside their records, as .npz: if "
            f"they were lost, delete these records, and do the runs again: {run}"
        )
    return f"No record for this figure yet. Run: {run}"


def figure(subject: Subject, what: str) -> Figure:
    """An empty frame with the sentence; `what` names the figure."""
    page = sheet(
        Grid(panel=_PANEL, left=0.05, right=0.05, bottom=0.1, head=0.05),
        title=subject.table.title,
        what=what,
        caption="",
        reduced=subject.reduced,
    )
    panel = page.panel(0, kind=Axes)
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set(visible=True, color=GREY, linestyle=(0, (4, 3)))
    text = "\n".join(wrap(sentence(subject), _PANEL[0] - 0.3, TEXT))
    panel.text(0.5, 0.5, text, ha="center", va="center", transform=panel.transAxes, parse_math=False)
    return page.figure
