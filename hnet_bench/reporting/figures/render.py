"""All figures of a table, as files. `parallel` draws those of many tables at once.

    files = render_all(Subject(table=table, states=states, store=store, command="quick"), formats=("svg",))
    # {"quick.svg": ..., "quick.learning-curves.svg": ..., ...}

A kind is drawn where the records have what it shows. The comparison bars are always among the files, and so is what the
table asks for by `figures = ["regression"]`; where they have no record yet, they say what to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures import (
    comparison,
    compression,
    during_final,
    embedding_space,
    forest,
    learning_curves,
    many_tasks,
    matrices,
    missing,
    regression,
    replay_samples,
    step_time,
    task_inference,
    transfer,
)
from hnet_bench.reporting.figures.encode import FORMATS, encode
from hnet_bench.reporting.figures.style import style
from hnet_bench.reporting.figures.subject import Subject


@dataclass(frozen=True)
class Kind:
    """A kind of figure: None from `figure` means that the records have nothing for it."""

    title: str
    figure: Callable[[Subject], Figure | None]


MAIN = "comparison"

KINDS: dict[str, Kind] = {
    MAIN: Kind("Measured and reported averages", comparison.figure),
    "forest": Kind("Measured minus reported", forest.figure),
    "learning-curves": Kind("Learning curves", learning_curves.figure),
    "during-and-final": Kind("During and final, experience by experience", during_final.figure),
    "matrices": Kind("On each experience after each", matrices.figure),
    "task-inference": Kind("Task inference", task_inference.figure),
    "replay-samples": Kind("Replayed samples", replay_samples.figure),
    "many-tasks": Kind("Each of many tasks after all", many_tasks.figure),
    "step-time": Kind("Time of a step over many tasks", step_time.figure),
    "compression": Kind("Accuracy against compression", compression.figure),
    "regression": Kind("Fitted functions", regression.figure),
    "embedding-space": Kind("Space of task embeddings", embedding_space.figure),
    "transfer": Kind("During, final, from scratch, fine-tuned", transfer.figure),
}


def render_all(subject: Subject, formats: Sequence[str] = ("svg",)) -> dict[str, bytes]:
    """Name and content of every figure file, in the order of `KINDS`. Raises UserError for what a table or an archive
    of arrays has wrong."""
    return {
        file_name(subject.table.name, kind, suffix): encode(figure, suffix)
        for kind, figure in drawn(subject)
        for suffix in formats
    }


def drawn(subject: Subject) -> Iterator[tuple[str, Figure]]:
    """The kinds that the table has, each with its figure."""
    for kind in KINDS:
        figure = draw(subject, kind)
        if figure is not None:
            yield kind, figure


def draw(subject: Subject, kind: str) -> Figure | None:
    """One kind of figure; None if the records have nothing for it and nobody asks for it. Raises UserError for what a
    table or an archive of arrays has wrong."""
    for name in subject.declared:
        if name not in KINDS:
            raise UserError(f"Table '{subject.table.name}' asks for figure '{name}': known are {', '.join(KINDS)}.")
    with style():
        figure = KINDS[kind].figure(subject)
        if figure is None and kind in (MAIN, *subject.declared):
            return missing.figure(subject, KINDS[kind].title)
    return figure


def file_name(table: str, kind: str, suffix: str) -> str:
    """ "quick.svg" for the comparison bars, "quick.forest.svg" for another kind; the table ends at the first dot."""
    return f"{table}.{suffix}" if kind == MAIN else f"{table}.{kind}.{suffix}"


def known_format(text: str) -> str:
    """One of `FORMATS`. Raises UserError for anything else."""
    if text.lower() not in FORMATS:
        raise UserError(f"Unknown format '{text}': expected {', '.join(FORMATS)}.")
    return text.lower()
