"""The kinds of figures and their files, for those who need no matplotlib to know them."""

from __future__ import annotations

from collections.abc import Iterable

from hnet_bench.interfaces import UserError

MAIN = "comparison"

# In the order in which reports show them, each with its title.
KINDS = {
    MAIN: "Measured and reported averages",
    "forest": "Measured minus reported",
    "learning-curves": "Learning curves",
    "during-and-final": "During and final, experience by experience",
    "matrices": "On each experience after each",
    "task-inference": "Task inference",
    "replay-samples": "Replayed samples",
    "many-tasks": "Each of many tasks after all",
    "step-time": "Time of a step over many tasks",
    "compression": "Accuracy against compression",
    "regression": "Fitted functions",
    "embedding-space": "Space of task embeddings",
    "transfer": "During, final, from scratch, fine-tuned",
}


def check_kinds(asked: Iterable[str], table: str) -> None:
    """Raises UserError that names the table if it asks for a figure that is none of `KINDS`."""
    for kind in asked:
        if kind not in KINDS:
            raise UserError(f"Table '{table}' asks for figure '{kind}': known are {', '.join(KINDS)}.")


def file_name(table: str, kind: str, suffix: str) -> str:
    """ "quick.svg" for the comparison bars, "quick.forest.svg" for another kind.

    If the table's own name has a dot, as "quick.forest" may, its bars are named as the other kinds are: so no two
    tables share a file.
    """
    return f"{table}.{suffix}" if kind == MAIN and "." not in table else f"{table}.{kind}.{suffix}"
