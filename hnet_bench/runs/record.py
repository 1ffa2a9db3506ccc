"""A record: what one run measured, raw, with its spec and provenance. Written once, never edited.

Its JSON says which schema it has (`record.schema.json` is the present one) and holds its own checksum, so a later edit
is found. Averages, transfer and verdicts are derived when a report is made; see `hnet_bench.metrics`.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.canonical import checksum, spec_digest
from hnet_bench.runs.migration import migrated

SCHEMA = 2
SCHEMA_FILE = Path(__file__).with_name("record.schema.json")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run's outcome; the keys of its JSON are the names of these fields, between `schema` and `sha256`."""

    run_id: str
    spec: Settings  # `RunSpec.to_json`
    score: list[list[float]]  # T x T: on experience j after training on i; accuracy in [0, 1] or squared error
    untrained: list[float] | None = None  # T: scores before any training; None in records made before this was kept
    task_inference: list[list[float]] | None  # T x T: how often the task was inferred right; None if not inferred
    parameters: Settings  # "trained" and "target" network parameters, "compression_ratio" = trained / target
    seconds: Settings  # "train" (T numbers), "evaluate" (T numbers), "total"
    peak_memory_bytes: int | None  # resident memory of the process
    data: Settings  # name of a data set -> SHA-256 of its content
    diagnostics: Settings  # counters that the strategy keeps, such as "nan_entropies"
    provenance: Settings = field(repr=False)  # commit, code, versions, hardware, command, times

    def to_json(self) -> Settings:
        """The record as JSON. Raises ValueError for NaN and infinities."""
        content = {"schema": SCHEMA, **self.__dict__}
        return {**content, "sha256": checksum(content)}

    @classmethod
    def from_json(cls, content: Any, *, where: str) -> Record:
        """Inverse of `to_json`, for records of earlier schemas too.

        Raises UserError that names `where` and what is wrong if the content is not a sound record.
        """
        if not isinstance(content, dict):
            raise UserError(f"{where} is not a record: expected a JSON object, found {type(content).__name__}.")
        current = migrated(content, SCHEMA, where=where)
        _check_schema(current, where)
        fields = {key: value for key, value in current.items() if key not in ("schema", "sha256")}
        # What was migrated was written without a checksum: it has none to compare.
        if content["schema"] == SCHEMA and checksum({"schema": SCHEMA, **fields}) != content["sha256"]:
            raise UserError(f"{where} was changed after it was written: its content does not fit its sha256.")
        check_scores(fields["score"], where)
        spec = fields["spec"]
        expected = f"seed{spec['seed']}-{spec_digest(spec)}"
        if fields["run_id"] != expected:
            raise UserError(
                f"{where} has a run_id that does not fit its spec: expected {expected}, found {fields['run_id']}."
            )
        return cls(**fields)


def check_scores(score: Any, where: str) -> None:
    """Raises UserError unless `score` is a square matrix of finite numbers."""
    rows = score if isinstance(score, list) else []
    square = rows and all(isinstance(row, list) and len(row) == len(rows) for row in rows)
    if not square or not all(isinstance(value, (int, float)) and math.isfinite(value) for row in rows for value in row):
        raise UserError(f"{where} has no sound score matrix: expected T rows of T finite numbers.")


def _check_schema(content: Settings, where: str) -> None:
    # Imported here: what only writes records, or reads none, need not wait for the schema to be compiled.
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator()(content)
    except JsonSchemaValueException as error:
        problem = error.message.removeprefix("data").lstrip(".")
        raise UserError(f"{where} is not a sound record: {problem}.") from error


@cache
def _validator() -> Any:
    import fastjsonschema

    return fastjsonschema.compile(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
