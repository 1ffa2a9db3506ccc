"""What runs cost: learned from the seconds of the records that are there.

Costs are compared as seconds per optimiser step. A benchmark here is one with so many experiences, learnt by networks
of one size: steps become dearer with old tasks, and with parameters. What is nearest counts:

1. records of the same cell;
2. records of the same strategy on the same benchmark: the median over its cells;
3. records of other strategies on the same benchmark: the median over these;
4. any records: the median over strategies and benchmarks.

The range is how wrong such an estimate would have been for the records that are there: the factors between what was
measured and what the others would have let expect, without the most extreme tenth at either end.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median, quantiles

from hnet_bench.config import to_settings
from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.canonical import spec_digest
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import read_record

BASES = ("this cell", "this strategy", "other strategies", "other benchmarks")
# The factor either way where too few records say how far off an estimate of this kind is.
_ASSUMED_FACTORS = (2.0, 3.0, 6.0, 10.0)
_ENOUGH = 8


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Expected seconds of one run on one core or GPU, with the range in which about eight of ten fall."""

    seconds: float
    low: float
    high: float
    basis: str  # one of `BASES`, or "a probe"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What a record says of its cost."""

    benchmark: Hashable  # its name, its number of experiences, and the widths of the hidden layers
    strategy: str
    cell: Hashable
    gpu: bool
    cpu: str | None
    rate: float  # natural logarithm of seconds per optimiser step

    def units(self) -> tuple[tuple[Hashable, Hashable], ...]:
        """For each basis: the group in which the timing counts, and the part of it that has one vote."""
        strategy = (self.strategy, self.benchmark)
        return (
            (self.cell, object()),
            (strategy, self.cell),
            (self.benchmark, self.strategy),
            ("any", strategy),
        )


def timing_of(record: Record) -> Timing | None:
    """The timing of a record, None if it took no time."""
    spec, seconds = record.spec, record.seconds["total"]
    steps = _steps(spec["protocol"], len(record.score))
    if not (seconds > 0 and steps > 0):
        return None
    return Timing(
        benchmark=_sized(spec["benchmark"]["name"], len(record.score), spec["protocol"]),
        strategy=spec["strategy"]["name"],
        cell=_cell(spec),
        gpu=record.provenance.get("device", "cpu") != "cpu",
        cpu=record.provenance.get("cpu"),
        rate=math.log(seconds / steps),
    )


@dataclass(frozen=True)
class Costs:
    """Estimates from the timings of one kind of device; those of this processor count before those of others."""

    timings: tuple[Timing, ...]
    cpu: str | None = None

    def estimate(self, spec: RunSpec) -> Estimate | None:
        """What a run will cost, None if there is nothing to learn from."""
        content, experiences = spec.to_json(), spec.build_benchmark().facts.experiences
        steps = _steps(to_settings(spec.protocol), experiences)
        benchmark = _sized(spec.benchmark, experiences, content["protocol"])
        wanted: tuple[Hashable, ...] = (_cell(content), (spec.strategy, benchmark), benchmark, "any")
        for level, group in enumerate(wanted):
            votes = self._groups[level].get(group)
            if votes:
                low, high = self._factors[level]
                seconds = math.exp(_middle(votes.values())) * steps
                return Estimate(seconds=seconds, low=seconds * low, high=seconds * high, basis=BASES[level])
        return None

    @cached_property
    def _groups(self) -> list[dict[Hashable, dict[Hashable, list[float]]]]:
        """For each basis, by group and part: the rates. Those of other processors count where there are no others."""
        return [
            {**self._by_group(level, self.timings), **self._by_group(level, self._of_this_processor)}
            for level in range(len(BASES))
        ]

    @property
    def _of_this_processor(self) -> tuple[Timing, ...]:
        return tuple(timing for timing in self.timings if timing.cpu == self.cpu and not timing.gpu)

    @staticmethod
    def _by_group(level: int, timings: Iterable[Timing]) -> dict[Hashable, dict[Hashable, list[float]]]:
        groups: dict[Hashable, dict[Hashable, list[float]]] = {}
        for timing in timings:
            group, part = timing.units()[level]
            groups.setdefault(group, {}).setdefault(part, []).append(timing.rate)
        return groups

    @cached_property
    def _factors(self) -> list[tuple[float, float]]:
        """For each basis: the factors that lead from an estimate to the ends of its range, at most 1 and at least 1."""
        return [_range(self._errors(level), _ASSUMED_FACTORS[level]) for level in range(len(BASES))]

    def _errors(self, level: int) -> list[float]:
        """Logarithms of measured over expected, each part estimated from the others of its group."""
        errors = []
        for votes in self._by_group(level, self.timings).values():
            middles = {part: median(rates) for part, rates in votes.items()}
            ordered = sorted(middles.values())
            for part, rates in votes.items():
                if len(ordered) > 1:
                    expected = _median_without(ordered, middles[part])
                    errors += [rate - expected for rate in rates]
        return errors


def costs_of_store(root: Path, *, gpu: bool, cpu: str | None = None) -> Costs:
    """What the records below a results folder say of costs; damaged ones say nothing."""
    timings = []
    for path in sorted(root.glob("*/*/*/seed*.json")):
        try:
            timing = timing_of(read_record(path))
        except UserError:
            continue
        if timing is not None and timing.gpu == gpu:
            timings.append(timing)
    return Costs(tuple(timings), cpu)


def _sized(benchmark: str, experiences: int, protocol: Settings) -> Hashable:
    return benchmark, experiences, protocol.get("network"), tuple(protocol.get("hidden_units", ()))


def _steps(protocol: Settings, experiences: int) -> int:
    """Optimiser steps on all experiences, from the protocol as specs have it."""
    first: int = protocol["iterations"]
    later: int = protocol.get("later_iterations", first)
    return first + later * (experiences - 1)


def _cell(spec: Settings) -> Hashable:
    return spec_digest(spec)


def _middle(votes: Iterable[list[float]]) -> float:
    return median(median(rates) for rates in votes)


def _median_without(ordered: list[float], value: float) -> float:
    """Median of a sorted list without one occurrence of a value, which is not sorted again."""
    place, last = bisect_left(ordered, value), len(ordered) - 1

    def at(index: int) -> float:
        return ordered[index if index < place else index + 1]

    return at(last // 2) if last % 2 else (at(last // 2 - 1) + at(last // 2)) / 2


def _range(errors: list[float], assumed: float) -> tuple[float, float]:
    if len(errors) < _ENOUGH:
        return 1 / assumed, assumed
    deciles = quantiles(errors, n=10)
    return min(1.0, math.exp(deciles[0])), max(1.0, math.exp(deciles[-1]))
