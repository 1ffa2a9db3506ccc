"""The kinds of figures, in the order in which reports show them, and the names of their files."""

from __future__ import annotations

from collections.abc import Iterable

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures import arrays, averages, curves, experiences, trials

FORMATS = ("svg", "pdf", "png")
MAIN = "comparison"

KINDS = {
    MAIN: averages.COMPARISON,
    "forest": averages.FOREST,
    "learning-curves": curves.LEARNING_CURVES,
    "during-and-final": experiences.DURING_AND_FINAL,
    "matrices": experiences.MATRICES,
    "task-inference": curves.TASK_INFERENCE,
    "replay-samples": arrays.REPLAY_SAMPLES,
    "many-tasks": curves.MANY_TASKS,
    "step-time": curves.STEP_TIME,
    "compression": experiences.COMPRESSION,
    "regression": arrays.REGRESSION,
    "embedding-space": arrays.EMBEDDING_SPACE,
    "transfer": experiences.TRANSFER,
    "tuning": trials.TUNING,
}


def file_name(table: str, kind: str, suffix: str) -> str:
    """ "quick.svg" for the averages, "quick.forest.svg" for another kind.

    If the table's own name has a dot, as "quick.forest" may, its averages are named as the other kinds are: so no two
    tables share a file.
    """
    return f"{table}.{suffix}" if kind == MAIN and "." not in table else f"{table}.{kind}.{suffix}"


def check_kinds(asked: Iterable[str], table: str) -> None:
    """Raises UserError that names the table if it asks for a figure that is none of `KINDS`."""
    for kind in asked:
        if kind not in KINDS:
            raise UserError(f"Table '{table}' asks for figure '{kind}': known are {', '.join(KINDS)}.")
