"""Trainings that runs have in common: which ones a run consists of, and in which order runs are done so that each is
done once. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hnet_bench.catalog import is_ours
from hnet_bench.config import to_settings
from hnet_bench.interfaces import Setup
from hnet_bench.runs.canonical import checksum
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store


@dataclass(frozen=True)
class Training:
    """A part of a run that other runs may have in common with it."""

    name: str  # of the strategy's: "classifier", "replay_model"
    digest: str  # 12 hex digits of all settings that it depends on, the seed included


def trainings_of(spec: RunSpec) -> tuple[Training, ...]:
    """What the strategy itself declares; nothing for a user's own or on a benchmark of a user's, whose code nobody
    guards, and nothing that a class only inherits, since it may train in another way."""
    strategy, benchmark = spec.build_strategy(), spec.build_benchmark()
    kind = type(strategy)
    if "trainings" not in vars(kind) or not is_ours(kind) or not is_ours(type(benchmark)):
        return ()
    facts = benchmark.facts
    setup = Setup(scenario=spec.scenario, facts=facts, protocol=spec.protocol, seed=spec.seed)
    common = {
        "benchmark": {"name": spec.benchmark, **spec.benchmark_settings},
        "protocol": to_settings(spec.protocol),
        "seed": spec.seed,
    }
    declared = strategy.trainings(setup)  # type: ignore[attr-defined]
    return tuple(
        Training(name, checksum({**common, "training": name, "settings": settings})[:12])
        for name, settings in declared.items()
    )


def forget_needless(store: Store, planned: Iterable[RunSpec], todo: Iterable[RunSpec]) -> None:
    """Removes what earlier sweeps kept for runs that are done by now, and what nobody went on with."""
    if not (kept := store.trainings()):
        return
    needed = {one.digest for spec in todo for one in trainings_of(spec)}
    done = {one.digest for spec in planned for one in trainings_of(spec)}
    for digest in kept - needed:
        if digest in done or store.is_abandoned(digest):
            store.forget_training(digest)


class Order:
    """Which runs of a sweep may begin: one that would train what another is training waits until that has ended, and
    goes on from what it left. Whatever becomes of a run, its end lets others begin."""

    def __init__(self, specs: Sequence[RunSpec], *, share: bool) -> None:
        self._waiting = list(specs)
        self._trainings = {spec.key: trainings_of(spec) if share else () for spec in specs}
        self._users = Counter(one.digest for trainings in self._trainings.values() for one in trainings)
        self.shared = {digest for digest, users in self._users.items() if users > 1}
        self._under_way: set[str] = set()
        self._trained: set[str] = set()

    def trainings(self, spec: RunSpec) -> tuple[Training, ...]:
        """What the run consists of, as far as it is shared at all."""
        return self._trainings[spec.key]

    def ready(self) -> list[RunSpec]:
        """The runs that may begin now, each once, in the order of the sweep."""
        begin = []
        for spec in self._waiting:
            needed = self._digests(spec) & self.shared - self._trained
            if not needed & self._under_way:
                self._under_way |= needed
                begin.append(spec)
        keys = {spec.key for spec in begin}
        self._waiting = [spec for spec in self._waiting if spec.key not in keys]
        return begin

    def stopped(self, spec: RunSpec) -> None:
        """Takes note of a run that is left for another sweep."""
        self._under_way -= self._digests(spec)

    def over(self, spec: RunSpec, *, done: bool) -> list[str]:
        """Takes note of the end of a run; digests of the trainings that no run of the sweep needs any more."""
        digests = self._digests(spec)
        self._under_way -= digests
        self._trained |= digests if done else set()
        self._users.subtract(digests)
        return sorted(digest for digest in digests if not self._users[digest])

    def _digests(self, spec: RunSpec) -> set[str]:
        return {one.digest for one in self._trainings[spec.key]}
