"""A record: what one run measured, raw, with its spec and provenance. Written once, never edited.

Averages, transfer and verdicts are derived when a report is made; see `hnet_bench.metrics`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hnet_bench.interfaces import Settings, UserError

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run's outcome; the keys of its JSON are the names of these fields, after `schema`."""

    run_id: str
    spec: Settings  # `RunSpec.to_json`
    score: list[list[float]]  # T x T: accuracy on experience j after training on i, fraction in [0, 1]
    untrained: list[float] | None = None  # T: scores before any training; None in records made before this was kept
    task_inference: list[list[float]] | None  # T x T: how often the task was inferred right; None if not inferred
    parameters: Settings  # "trained" and "target" network parameters, "compression_ratio" = trained / target
    seconds: Settings  # "train" (T numbers), "evaluate" (T numbers), "total"
    peak_memory_bytes: int | None  # resident memory of the process
    data: Settings  # name of a data set -> SHA-256 of its content
    diagnostics: Settings  # counters that the strategy keeps, such as "nan_entropies"
    provenance: Settings = field(repr=False)  # commit, versions, hardware, command, times

    def to_json(self) -> Settings:
        """The record as JSON."""
        return {"schema": SCHEMA, **self.__dict__}

    @classmethod
    def from_json(cls, content: Any, *, where: str) -> Record:
        """Inverse of `to_json`. Raises UserError that names `where` if the content is not a sound record."""
        if not isinstance(content, dict) or content.get("schema") != SCHEMA:
            found = content.get("schema") if isinstance(content, dict) else type(content).__name__
            raise UserError(f"{where} is not a record: expected schema {SCHEMA}, found {found!r}.")
        expected = set(cls.__dataclass_fields__) | {"schema"}
        differing_keys = (set(content) ^ expected) - ({"untrained"} - set(content))
        if differing_keys:
            differing = min(differing_keys)
            raise UserError(f"{where} is not a record: key '{differing}' is missing or unknown.")
        check_scores(content["score"], where)
        return cls(**{key: value for key, value in content.items() if key != "schema"})


def check_scores(score: Any, where: str) -> None:
    """Raises UserError unless `score` is a square matrix of finite numbers."""
    rows = score if isinstance(score, list) else []
    square = rows and all(isinstance(row, list) and len(row) == len(rows) for row in rows)
    if not square or not all(isinstance(value, (int, float)) and math.isfinite(value) for row in rows for value in row):
        raise UserError(f"{where} has no sound score matrix: expected T rows of T finite numbers.")
