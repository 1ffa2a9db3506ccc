"""The kinds of figures and their files; only `kind_of` loads anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hnet_bench.interfaces import UserError

if TYPE_CHECKING:
    from hnet_bench.reporting.figures.panels import Kind

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


def kind_of(name: str) -> Kind:
    """What draws one of `KINDS`: that of its name in capitals."""
    from hnet_bench.reporting.figures import arrays, averages, curves, experiences

    constant = name.replace("-", "_").upper()
    found: Kind = next(
        vars(file)[constant] for file in (arrays, averages, curves, experiences) if constant in vars(file)
    )
    return found


def check_kinds(asked: Iterable[str], table: str) -> None:
    """Raises UserError that names the table if it asks for a figure that is none of `KINDS`."""
    for kind in asked:
        if kind not in KINDS:
            raise UserError(f"Table '{table}' asks for figure '{kind}': known are {', '.join(KINDS)}.")


def file_name(table: str, kind: str, suffix: str) -> str:
    """ "quick.svg" for the averages, "quick.forest.svg" for another kind.

    If the table's own name has a dot, as "quick.forest" may, its averages are named as the other kinds are: so no two
    tables share a file.
    """
    return f"{table}.{suffix}" if kind == MAIN and "." not in table else f"{table}.{kind}.{suffix}"
