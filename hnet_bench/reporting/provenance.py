"""What records were made with: for a page in short, for the appendix counted, for `trace` with the seeds of each."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hnet_bench.interfaces import Settings
from hnet_bench.metrics import average_accuracy, summarise
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.text import Scale, count, duration
from hnet_bench.runs.departures import departures_of
from hnet_bench.runs.plan import CellState, records_of
from hnet_bench.runs.provenance import FIELDS
from hnet_bench.runs.record import Record

Item = TypeVar("Item")

_UNKNOWN = "not recorded"


def recorded(name: str) -> Callable[[Record], str]:
    """What records say of one thing, such as "threads"."""
    return lambda record: str(record.provenance.get(name) or _UNKNOWN)


def commit(record: Record) -> str:
    """The commit of the code, with a word on changes that were not committed."""
    return recorded("commit")(record) + (" with changes" if record.provenance.get("dirty") else "")


def hardware(record: Record) -> str:
    """The processor, or what CUDA calls the device."""
    return recorded("cpu" if record.provenance.get("device") == "cpu" else "device")(record)


def software(record: Record) -> str:
    """Names and versions: Python, this package, the libraries."""
    return _pairs(record.provenance.get("versions", {})) or _UNKNOWN


def data(record: Record) -> str:
    """Data sets with the SHA-256 of their content."""
    return _pairs(dict(sorted(record.data.items()))) or _UNKNOWN


# Of the records behind a number of the page.
MADE_WITH: dict[str, Callable[[Record], str]] = {
    "Commit": commit,
    "Versions": software,
    "Hardware": hardware,
    "Threads": recorded("threads"),
    "Matrix products": recorded("matrix_products"),
    "Platform": recorded("platform"),
    "Data, SHA-256": data,
    "Command": recorded("command"),
}


def by_value(items: Iterable[Item], value_of: Callable[[Item], str]) -> dict[str, list[Item]]:
    """The items that have each value, in the order of their first."""
    found: dict[str, list[Item]] = {}
    for item in items:
        found.setdefault(value_of(item), []).append(item)
    return found


def numbered(records: Iterable[Record], value_of: Callable[[Record], str]) -> list[str]:
    """Each value with the number of runs that have it, in alphabetical order."""
    return [f"{value} ({count(len(those), 'run')})" for value, those in sorted(by_value(records, value_of).items())]


def made_with(states: Sequence[CellState]) -> list[str]:
    """The versions of the code, the versions of torch and the processors behind the records, and the time they took."""
    records = records_of(states).values()
    kinds: dict[str, Callable[[Record], str]] = {
        "Code": code,
        "torch": lambda record: str(record.provenance.get("versions", {}).get("torch")),
        "Device": hardware,
    }
    if not records:
        return []
    total = duration(sum(record.seconds["total"] for record in records))
    lines = [f"{kind}: {', '.join(numbered(records, value_of))}" for kind, value_of in kinds.items()]
    return [*lines, f"Time: {total} in all, one run at a time"]


def code(record: Record) -> str:
    """The commit, or where git did not name one the checksum of the code."""
    made = record.provenance
    names = [
        f"{word} {made[key][:8]}" for word, key in (("commit", "commit"), ("code", "code_sha256")) if made.get(key)
    ]
    return [*names, "code not recorded"][0] + (" with changes" if made.get("dirty") else "")


@dataclass(frozen=True, kw_only=True)
class TracedRecord:
    """A record, its file, and whether the code still computes the same."""

    record: Record
    path: Path
    changed: tuple[str, ...]  # since it was made

    @property
    def seed(self) -> int:
        """Its seed."""
        return int(self.record.spec["seed"])

    @property
    def average(self) -> float:
        """Average score, as the record has it: what `status` takes the mean of."""
        return average_accuracy(self.record.score)

    @property
    def code(self) -> str:
        """Whether it computes what it did for the record."""
        return "stale" if self.changed else "current"

    def to_json(self) -> Settings:
        """What `trace --json` prints of a record."""
        return {
            "run_id": self.record.run_id,
            "seed": self.seed,
            "file": str(self.path),
            "average": self.average,
            "code": self.code,
            "revisions": self.record.revisions,
            "changed": list(self.changed),
            "data": self.record.data,
            "provenance": self.record.provenance,
        }


def traced(state: CellState) -> list[TracedRecord]:
    """The records behind a number."""
    pairs = zip(state.records, state.changed, strict=True)
    return [TracedRecord(record=one, path=state.files[one.spec["seed"]], changed=changed) for one, changed in pairs]


_CHANGES = {True: ", with changes that were not committed", False: "", None: ", with or without changes"}
# What `trace` says of each record.
_TRACED: dict[str, Callable[[TracedRecord], str]] = {
    "Command": lambda one: str(one.record.provenance.get("command", _UNKNOWN)),
    "Commit": lambda one: f"{recorded('commit')(one.record)}{_CHANGES[one.record.provenance.get('dirty')]}",
    "Revisions": lambda one: _pairs(one.record.revisions),
    "Changed since": lambda one: ", ".join(one.changed),
    "Outside the protocol": lambda one: "; ".join(found.what for found in departures_of(one.record)),
    "Versions": lambda one: _pairs(one.record.provenance.get("versions", {})),
    "Hardware": lambda one: _all_hardware(one.record.provenance),
    "Data": lambda one: _pairs(one.record.data),
}


def traced_lines(found: Sequence[TracedRecord]) -> list[str]:
    """Command, code, versions, hardware and data of the records; each with the seeds of which it holds."""
    lines = []
    for kind, text_of in _TRACED.items():
        groups = by_value(found, text_of)
        for text, those in groups.items():
            seeds = f"seed{'s' if len(those) > 1 else ''} {format_seeds(tuple(one.seed for one in those))}"
            lines += [f"{kind}: {text}{f' ({seeds})' if len(groups) > 1 else ''}"] if text else []
    return lines


def arithmetic(averages: Sequence[float], scale: Scale) -> str:
    """How the mean and its standard error come from the numbers above them."""
    summary = summarise(averages)
    if summary is None:
        return "There is no record."
    if summary.sem is None:
        return f"Mean: {scale.text(summary.mean)}; one seed has no standard error."
    deviation = summary.sem * math.sqrt(summary.n)
    return (
        f"Mean: {scale.text(summary.mean)}. Standard deviation over the {summary.n} seeds: {scale.text(deviation)}; "
        f"divided by the root of {summary.n}, the SEM: {scale.text(summary.sem)}."
    )


def _all_hardware(made: Settings) -> str:
    device, cpu = made.get("device", _UNKNOWN), made.get("cpu", _UNKNOWN)
    parts = [
        str(cpu) if device == "cpu" else f"{device} beside {cpu}",
        *(field.traced.format(made[field.name]) for field in FIELDS if field.traced and made.get(field.name)),
        *(f"{name}={value}" for name, value in (made.get("switches") or {}).items()),
    ]
    return ", ".join(parts)


def _pairs(content: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in content.items())
