"""A record: what one run measured, raw, with its spec and provenance. Written once, never edited.

Its JSON says which schema it has and holds its own checksum, so a later edit is found. `record.schema.json` is the
present schema: it says what each field holds. Averages, transfer and verdicts are derived when a report is made; see
`hnet_bench.metrics`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn

from hnet_bench.config import from_settings
from hnet_bench.interfaces import LARGEST, EvaluationSchedule, Settings, TrainingProtocol, UserError, evaluated
from hnet_bench.runs.canonical import checksum, folder_of, run_id_of
from hnet_bench.runs.migration import migrated

SCHEMA = 5
NO_ARRAYS = "none"
SCHEMA_FILE = Path(__file__).with_name("record.schema.json")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One run's outcome; the keys of its JSON are the names of these fields, between `schema` and `sha256`."""

    run_id: str
    spec: Settings  # `RunSpec.to_json`
    score: list[list[float | None]]
    untrained: list[float] | None = None
    task_inference: list[list[float | None]] | None
    parameters: Settings
    seconds: Settings
    peak_memory_bytes: int | None
    data: Settings
    revisions: Settings  # see `runs.revisions`
    diagnostics: Settings
    measured: Settings | None = None  # see `runs.departures`
    trainings: list[Settings] | None = None  # those that other runs may share; None where nothing says
    provenance: Settings = field(repr=False)  # see `runs.provenance`
    arrays: str | None = None  # `NO_ARRAYS` if no archive belongs beside the record

    @property
    def key(self) -> str:
        """Tells the runs of a store apart; equals `RunSpec.key`."""
        return f"{folder_of(self.spec)}/{self.run_id}"

    @property
    def protocol(self) -> TrainingProtocol:
        """That of its spec."""
        return from_settings(TrainingProtocol, self.spec["protocol"], where=self.run_id)

    @property
    def scores(self) -> tuple[Any, Any]:
        """What two records of the same run may not differ in: scores, and how well tasks were inferred."""
        return self.score, self.task_inference

    def to_json(self) -> Settings:
        """The record as JSON. Raises ValueError for NaN and infinities."""
        content = {"schema": SCHEMA, **self.__dict__}
        return {**content, "sha256": checksum(content)}

    @classmethod
    def from_bytes(cls, content: bytes, *, where: str) -> Record:
        """The record in a file, of an earlier schema too. Raises UserError that names `where` and what is wrong."""
        try:
            decoded = _DECODER.decode(content.decode())
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where} could not be read ({error}).") from error
        return cls.from_json(decoded, where=where)

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
        # That of the content as it was written.
        written = {key: value for key, value in content.items() if key != "sha256"}
        if _checksum(written, where) != content["sha256"]:
            raise UserError(f"{where} was changed after it was written: its content does not fit its sha256.")
        spec, score = fields["spec"], fields["score"]
        check_scores(score, where, schedule=schedule_of(spec))
        if fields["task_inference"] is not None:
            check_scores(fields["task_inference"], where, schedule=schedule_of(spec), name="task inference")
        for name in ("untrained", "task_inference"):
            if fields[name] is not None and len(fields[name]) != len(score):
                raise UserError(f"{where} has scores of {len(score)} experiences, but {name} of {len(fields[name])}.")
        if fields["run_id"] != (expected := run_id_of(spec)):
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
    if not (rows and all(isinstance(row, list) and len(row) == len(rows) for row in rows) and _sound(rows, schedule)):
        gaps = "" if schedule == "all" else f", and null just where schedule {schedule} does not evaluate"
        raise UserError(f"{where} has no sound {name} matrix: expected T rows of T finite numbers{gaps}.")


def is_number(value: Any) -> bool:
    """Whether it is a number that a record may hold."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _sound(rows: list[list[Any]], schedule: EvaluationSchedule) -> bool:
    # Without a test of each value by itself: a record of 100 experiences has 10,000, and a report 1,000 records.
    size = len(rows)
    found = [row[on] for after, row in enumerate(rows) for on in evaluated(schedule, after, size)]
    if not all(issubclass(kind, (int, float)) and kind is not bool for kind in set(map(type, found))):
        return False
    # Before any is taken for a float, which integers can be too large for.
    within = -LARGEST <= min(found) <= max(found) <= LARGEST
    return within and all(map(math.isfinite, found)) and sum(row.count(None) for row in rows) == size**2 - len(found)


def _checksum(content: Settings, where: str) -> str:
    try:
        return checksum(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not a sound record: it has no canonical JSON ({error}).") from error


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

    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    for matrix in ("score", "task_inference"):  # what is in them `check_scores` looks at, in a tenth of the time
        del schema["properties"][matrix]["items"]
    return fastjsonschema.compile(schema)


def _within(convert: Callable[[str], float], text: str) -> float:
    value = convert(text)
    if not -LARGEST <= value <= LARGEST:
        raise ValueError(f"it holds a number beyond {LARGEST:g}")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")


_DECODER = json.JSONDecoder(
    parse_int=partial(_within, int), parse_float=partial(_within, float), parse_constant=_refuse
)
