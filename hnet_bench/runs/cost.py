"""What runs cost: seconds per optimiser step, learned from the records that are there.

An estimate is the median over the records that are most like the run. Its range holds the middle eight tenths of them,
and at least a factor either way, which is the larger, the less alike they are. It is of a run that does all itself, as
the times in records are (`runs.sharing`); of a run that is given trainings it is the rest.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy

from hnet_bench.config import to_settings
from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.canonical import spec_digest
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store, read_record
from hnet_bench.runs.trainings import trainings_of

# Which records an estimate may come from, nearest first, and the least factor either way of its range: records of the
# same cell; of the same strategy on the same benchmark; of any strategy on that; any. A benchmark here is one with so
# many experiences, learnt by networks of one size: steps become dearer with old tasks, and with parameters.
_FACTORS = {"this cell": 1.4, "this strategy": 1.8, "other strategies": 3.4, "other benchmarks": 10.0}
BASES = tuple(_FACTORS)
# Of a run's time that its trainings take together where no record says; the rest is evaluation.
_OF_TRAININGS = 0.95


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Expected seconds of one run on one core or GPU, with the range in which about eight of ten fall."""

    seconds: float
    low: float
    high: float
    basis: str  # one of `BASES`, or "a probe"
    shares: Mapping[str, float] = field(default_factory=dict)  # of the time, by the names of trainings

    def without(self, trainings: Iterable[str]) -> Estimate:
        """What is left of it for a run that is given these trainings."""
        left = max(0.0, 1 - sum(self.shares.get(name, 0.0) for name in trainings))
        return replace(self, seconds=left * self.seconds, low=left * self.low, high=left * self.high)


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What a record says of its cost."""

    alike: tuple[Hashable, ...]  # what it has in common with others, for each of `BASES`
    gpu: bool
    cpu: str | None
    seconds_per_step: float
    shares: Mapping[str, float] = field(default_factory=dict)  # as those of an estimate


def timing_of(record: Record) -> Timing | None:
    """The timing of a record, None if it took no time."""
    seconds, experiences = record.seconds["total"], len(record.score)
    steps = _steps(record.spec["protocol"], experiences)
    if not (seconds > 0 and steps > 0):
        return None
    return Timing(
        alike=_alike(record.spec, experiences),
        gpu=record.provenance.get("device", "cpu") != "cpu",
        cpu=record.provenance.get("cpu"),
        seconds_per_step=seconds / steps,
        shares={one["name"]: one["seconds"] / seconds for one in record.trainings or () if "seconds" in one},
    )


@dataclass(frozen=True)
class Costs:
    """Estimates from the timings of one kind of device; those of this processor count before those of others."""

    timings: tuple[Timing, ...]
    cpu: str | None = None

    def estimate(self, spec: RunSpec) -> Estimate | None:
        """What a run will cost, None if there is nothing to learn from."""
        experiences = spec.build_benchmark().facts.experiences
        wanted = _alike(spec.to_json(), experiences)
        for level, (basis, factor) in enumerate(_FACTORS.items()):
            alike = [timing for timing in self.timings if timing.alike[level] == wanted[level]]
            alike = [timing for timing in alike if timing.cpu == self.cpu and not timing.gpu] or alike
            if alike:
                each = [timing.seconds_per_step for timing in alike]
                low, middle, high = numpy.quantile(each, (0.1, 0.5, 0.9)) * _steps(
                    to_settings(spec.protocol), experiences
                )
                return Estimate(
                    seconds=float(middle),
                    low=float(min(low, middle / factor)),
                    high=float(max(high, middle * factor)),
                    basis=basis,
                )
        return None

    def shares(self, spec: RunSpec) -> dict[str, float]:
        """Of a run's time, the part of each of its trainings: medians over the records of its cell, else of its
        strategy on the same benchmark; where none says, all the same."""
        names = [one.name for one in trainings_of(spec)]
        wanted = _alike(spec.to_json(), spec.build_benchmark().facts.experiences)
        for level in range(2):
            if known := [one.shares for one in self.timings if one.shares and one.alike[level] == wanted[level]]:
                return {name: float(numpy.median([one.get(name, 0.0) for one in known])) for name in names}
        return {name: _OF_TRAININGS / len(names) for name in names}


def costs_of_store(store: Store, *, gpu: bool, cpu: str | None = None) -> Costs:
    """What the records of a store say of costs; damaged ones say nothing."""
    timings = []
    for path in store.record_files():
        try:
            timing = timing_of(read_record(path))
        except UserError:
            continue
        if timing is not None and timing.gpu == gpu:
            timings.append(timing)
    return Costs(tuple(timings), cpu)


def _alike(spec: Settings, experiences: int) -> tuple[Hashable, ...]:
    protocol = spec["protocol"]
    sizes = spec["benchmark"]["name"], experiences, protocol.get("network"), tuple(protocol.get("hidden_units", ()))
    return spec_digest(spec), (spec["strategy"]["name"], sizes), sizes, "any"


def _steps(protocol: Settings, experiences: int) -> int:
    """Optimiser steps on all experiences, from the protocol as specs have it."""
    first: int = protocol["iterations"]
    later: int = protocol.get("later_iterations", first)
    return first + later * (experiences - 1)
