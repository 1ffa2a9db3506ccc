"""A record: what one run measured, raw, with its spec and provenance. Written once, never edited.

Its JSON says which schema it has (`record.schema.json` is the present one) and holds its own checksum, so a later edit
is found. Averages, transfer and verdicts are derived when a report is made; see `hnet_bench.metrics`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hnet_bench.interfaces import LARGEST, EvaluationSchedule, Settings, UserError, evaluated
from hnet_bench.runs.canonical import checksum, folder_of, run_id_of
from hnet_bench.runs.migration import migrated

SCHEMA = 4
NO_ARRAYS = "none"
SCHEMA_FILE = Path(__file__).with_name("record.schema.json")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run's outcome; the keys of its JSON are the names of these fields, between `schema` and `sha256`."""

    run_id: str
    spec: Settings  # `RunSpec.to_json`
    # T x T: on experience j after training on i, None where the protocol's schedule does not evaluate; accuracy in
    # [0, 1] or squared error.
    score: list[list[float | None]]
    # T: scores before any training; None in records made before this was kept, and where not all is evaluated.
    untrained: list[float] | None = None
    # T x T, with the same gaps: how often the task was inferred right; None if it is not inferred.
    task_inference: list[list[float | None]] | None
    parameters: Settings  # "trained" and "target" network parameters, "compression_ratio" = trained / target
    seconds: Settings  # "train" (T numbers), "evaluate" (T numbers), "total"
    peak_memory_bytes: int | None  # resident memory of the process
    data: Settings  # name of a data set -> SHA-256 of its content
    revisions: Settings  # of "strategy", "benchmark" and "protocol", see `runs.revisions`
    diagnostics: Settings  # counters that the strategy keeps, such as "nan_entropies"
    # What the run did and keeps, whatever the strategy says of it, see `runs.departures`; None in older records.
    measured: Settings | None = None
    provenance: Settings = field(repr=False)  # commit, code, versions, hardware, command, times
    # SHA-256 of the archive of arrays that belongs beside the record, `NO_ARRAYS` if none does; None in records made
    # before this was kept.
    arrays: str | None = None

    @property
    def key(self) -> str:
        """Tells the runs of a store apart; equals `RunSpec.key`."""
        return f"{folder_of(self.spec)}/{self.run_id}"

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
        _check_numbers(current, where)
        fields = {key: value for key, value in current.items() if key not in ("schema", "sha256")}
        # That of the content as it was written.
        written = {key: value for key, value in content.items() if key != "sha256"}
        if _checksum(written, where) != content["sha256"]:
            raise UserError(f"{where} was changed after it was written: its content does not fit its sha256.")
        spec = fields["spec"]
        check_scores(fields["score"], where, schedule=schedule_of(spec))
        if fields["task_inference"] is not None:
            check_scores(fields["task_inference"], where, schedule=schedule_of(spec), name="task inference")
        for name in ("untrained", "task_inference"):
            if fields[name] is not None and len(fields[name]) != len(fields["score"]):
                raise UserError(
                    f"{where} has scores of {len(fields['score'])} experiences, but {name} of {len(fields[name])}."
                )
        expected = run_id_of(spec)
        if fields["run_id"] != expected:
            raise UserError(
                f"{where} has a run_id that does not fit its spec: expected {expected}, found {fields['run_id']}."
            )
        return cls(**fields)


def schedule_of(spec: Settings) -> EvaluationSchedule:
    """The schedule of evaluation of a spec; specs say nothing of the usual one."""
    schedule: EvaluationSchedule = spec["protocol"].get("evaluation", "all")
    return schedule


def check_scores(score: Any, where: str, *, schedule: EvaluationSchedule, name: str = "score") -> None:
    """Raises UserError unless `score` is a square matrix of finite numbers, and of None just where the schedule does
    not evaluate."""
    rows = score if isinstance(score, list) else []
    if not rows or not all(isinstance(row, list) and len(row) == len(rows) for row in rows):
        raise UserError(f"{where} has no sound {name} matrix: expected T rows of T finite numbers.")
    for after, row in enumerate(rows):
        measured = evaluated(schedule, after, len(rows))
        if not _is_sound(row, measured):
            gaps = "" if schedule == "all" else f", and null just where schedule {schedule} does not evaluate"
            raise UserError(f"{where} has no sound {name} matrix: expected T rows of T finite numbers{gaps}.")


def is_number(value: Any) -> bool:
    """Whether it is a number that a record may hold."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _is_sound(row: Sequence[Any], measured: Iterable[int]) -> bool:
    # Without a test of each value by itself: a record of 100 experiences has 10,000, and a report 1,000 records.
    found = [row[on] for on in measured]
    kinds = set(map(type, found))
    if not all(issubclass(kind, (int, float)) and kind is not bool for kind in kinds):
        return False
    # Before any is taken for a float, which integers can be too large for.
    within = -LARGEST <= min(found) <= max(found) <= LARGEST
    return within and all(map(math.isfinite, found)) and row.count(None) == len(row) - len(found)


def _check_numbers(content: Settings, where: str) -> None:
    """Raises UserError if a number outside the matrices, which `check_scores` looks at, is none to compute with."""
    left = [value for key, value in content.items() if key not in ("score", "task_inference")]
    while left:
        value = left.pop()
        if isinstance(value, (dict, list)):
            left += value.values() if isinstance(value, dict) else value
        elif isinstance(value, (int, float)) and not -LARGEST <= value <= LARGEST:
            raise UserError(
                f"{where} is not a sound record: it holds a number beyond {LARGEST:g}, or none that is one."
            )


def _checksum(content: Settings, where: str) -> str:
    try:
        return checksum(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not a sound record: it has no canonical JSON ({error}).") from error


def _check_schema(content: Settings, where: str) -> None:
    # Imported here: what only writes records, or reads none, need not wait for the schema to be compiled.
    from fastjsonschema import JsonSchemaValueException

    matrices = [content.get("score"), content.get("task_inference")]
    try:
        _validator(not all(_is_numeric(matrix) for matrix in matrices))(content)
    except JsonSchemaValueException as error:
        problem = error.message.removeprefix("data").lstrip(".")
        raise UserError(f"{where} is not a sound record: {problem}.") from error


def _is_numeric(matrix: Any) -> bool:
    """Whether it is no matrix, or one of numbers and None alone."""
    rows = matrix if isinstance(matrix, list) else []
    return all(isinstance(row, list) and set(map(type, row)) <= {int, float, type(None)} for row in rows)


@cache
def _validator(inside_matrices: bool) -> Any:
    import fastjsonschema

    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    if not inside_matrices:  # looked at in a tenth of the time by `_is_numeric`
        del schema["$defs"]["matrix"]["items"]["items"]
    return fastjsonschema.compile(schema)
