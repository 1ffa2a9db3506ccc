"""What records were made with: each kind of thing, its values, and the seeds that have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hnet_bench.papers.seeds import format_seeds
from hnet_bench.runs.record import Record

_UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Made:
    """One value of one kind, and the seeds of the records with it."""

    kind: str
    value: str
    seeds: str  # "" if all have it


def made_of(records: Sequence[Record]) -> list[Made]:
    """All kinds in order, for the records of one cell."""
    lines = []
    for kind, value_of in KINDS.items():
        by_value: dict[str, list[int]] = {}
        for record in records:
            by_value.setdefault(value_of(record), []).append(record.spec["seed"])
        for value, seeds in by_value.items():
            lines.append(Made(kind, value, "" if len(by_value) == 1 else format_seeds(tuple(sorted(seeds)))))
    return lines


def commit(record: Record) -> str:
    """The commit of the code, with a word on changes that were not committed."""
    made = record.provenance
    return f"{made.get('commit') or _UNKNOWN}{' with changes' if made.get('dirty') else ''}"


def hardware(record: Record) -> str:
    """The processor, or what CUDA calls the device."""
    made = record.provenance
    return str((made.get("cpu") if made.get("device") == "cpu" else made.get("device")) or _UNKNOWN)


def software(record: Record) -> str:
    """Names and versions: Python, this package, the libraries."""
    versions = record.provenance.get("versions", {})
    return ", ".join(f"{name} {version}" for name, version in versions.items()) or _UNKNOWN


def data(record: Record) -> str:
    """Data sets with the SHA-256 of their content."""
    return ", ".join(f"{name} {digest}" for name, digest in sorted(record.data.items())) or _UNKNOWN


def products(record: Record) -> str:
    """The library that computed matrix products."""
    return str(record.provenance.get("matrix_products") or _UNKNOWN)


def _of(name: str) -> Callable[[Record], str]:
    return lambda record: str(record.provenance.get(name) or _UNKNOWN)


KINDS: dict[str, Callable[[Record], str]] = {
    "Commit": commit,
    "Versions": software,
    "Hardware": hardware,
    "Threads": _of("threads"),
    "Matrix products": products,
    "Platform": _of("platform"),
    "Data, SHA-256": data,
    "Command": _of("command"),
}
