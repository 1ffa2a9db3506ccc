"""The records behind a number, as text: what each seed measured, and what they were made with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hnet_bench.metrics import average_accuracy, summarise
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.tables import Scale
from hnet_bench.runs.departures import departures_of
from hnet_bench.runs.record import Record
from hnet_bench.runs.revisions import Freshness


def header(scale: Scale) -> tuple[str, ...]:
    """Headings of the columns of `Traced.line`."""
    return "Seed", scale.heading, "Code", "Record"


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A record, its file, and whether the code still computes the same."""

    record: Record
    path: Path
    freshness: Freshness

    @property
    def average(self) -> float:
        """Average score, as the record has it: what `status` takes the mean of."""
        return average_accuracy(self.record.score)

    def line(self, scale: Scale) -> tuple[str, ...]:
        """A line for the columns of `header`."""
        return str(self.record.spec["seed"]), scale.text(self.average), self.freshness.state, str(self.path)

    def to_json(self) -> dict[str, Any]:
        """What `trace --json` prints of a record."""
        return {
            "run_id": self.record.run_id,
            "seed": self.record.spec["seed"],
            "file": str(self.path),
            "average": self.average,
            "code": self.freshness.state,
            "revisions": self.record.revisions,
            "changed": list(self.freshness.changed),
            "data": self.record.data,
            "provenance": self.record.provenance,
        }


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


def made_with(found: Sequence[Traced]) -> list[str]:
    """Command, code, versions, hardware and data of the records; each with the seeds of which it holds."""
    kinds: dict[str, Callable[[Traced], str]] = {
        "Command": lambda one: str(one.record.provenance.get("command", "not recorded")),
        "Commit": lambda one: _commit(one.record.provenance),
        "Revisions": lambda one: _pairs(one.record.revisions),
        "Changed since": _changed,
        "Outside the protocol": lambda one: "; ".join(found.what for found in departures_of(one.record)),
        "Versions": lambda one: _pairs(one.record.provenance.get("versions", {})),
        "Hardware": lambda one: _hardware(one.record.provenance),
        "Data": lambda one: _pairs(one.record.data),
    }
    lines = []
    for kind, text_of in kinds.items():
        seeds: dict[str, list[int]] = {}
        for one in found:
            seeds.setdefault(text_of(one), []).append(one.record.spec["seed"])
        for text, those in seeds.items():
            which = f" (seed{'s' if len(those) > 1 else ''} {format_seeds(tuple(those))})" if len(seeds) > 1 else ""
            lines += [f"{kind}: {text}{which}"] if text else []
    return lines


def _commit(made: dict[str, Any]) -> str:
    changes = {True: ", with changes that were not committed", False: "", None: ", with or without changes"}
    return f"{made.get('commit') or 'not recorded'}{changes[made.get('dirty')]}"


def _changed(one: Traced) -> str:
    changed = ", ".join(one.freshness.changed)
    return f"cannot be told ({changed})" if one.freshness.state == "unknown" else changed


def _hardware(made: dict[str, Any]) -> str:
    device, cpu = made.get("device", "not recorded"), made.get("cpu", "not recorded")
    place = str(cpu) if device == "cpu" else f"{device} beside {cpu}"
    products = made.get("matrix_products")
    library = f", matrix products by {products}" if products else ""
    capability = made.get("cpu_capability")
    vectors = f", vector instructions of torch: {capability}" if capability else ""
    switches = "".join(f", {name}={value}" for name, value in (made.get("switches") or {}).items())
    threads, platform = made.get("threads", "not recorded"), made.get("platform", "")
    return f"{place}, threads: {threads}{library}{vectors}{switches}, {platform}".rstrip(", ")


def _pairs(content: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in content.items())
