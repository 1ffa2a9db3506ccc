"""All figures of a table, as files. `parallel` draws those of many tables at once.

    files = render_all(Subject(table=table, states=states, store=store, command="quick"), formats=("svg",))
    # {"quick.svg": ..., "quick.learning-curves.svg": ..., ...}

A kind is drawn where the records have what it shows. The comparison bars are always among the files, and so is what the
table asks for by `figures = ["regression"]`; where they have no record yet, they say what to run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

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
from hnet_bench.reporting.figures.kinds import KINDS, MAIN, check_kinds, file_name
from hnet_bench.reporting.figures.style import style
from hnet_bench.reporting.figures.subject import Subject

# None means that the records have nothing for a kind.
_FIGURES: dict[str, Callable[[Subject], Figure | None]] = {
    MAIN: comparison.figure,
    "forest": forest.figure,
    "learning-curves": learning_curves.figure,
    "during-and-final": during_final.figure,
    "matrices": matrices.figure,
    "task-inference": task_inference.figure,
    "replay-samples": replay_samples.figure,
    "many-tasks": many_tasks.figure,
    "step-time": step_time.figure,
    "compression": compression.figure,
    "regression": regression.figure,
    "embedding-space": embedding_space.figure,
    "transfer": transfer.figure,
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
    check_kinds(subject.declared, subject.table.name)
    with style():
        figure = _FIGURES[kind](subject)
        if figure is None and kind in (MAIN, *subject.declared):
            return missing.figure(subject, KINDS[kind])
    return figure


def known_format(text: str) -> str:
    """One of `FORMATS`. Raises UserError for anything else."""
    if text.lower() not in FORMATS:
        raise UserError(f"Unknown format '{text}': expected {', '.join(FORMATS)}.")
    return text.lower()
