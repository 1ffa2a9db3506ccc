"""Which runs fit into a time: one seed of every cell before a second one, and nothing that is not expected to end."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store
from hnet_bench.runs.trainings import trainings_of


@dataclass(frozen=True, kw_only=True)
class WithinBudget:
    """The runs that fit, in the order in which to do them, and when the last of them is expected to end."""

    runs: tuple[RunSpec, ...]
    seconds: float
    too_long: int  # runs that were left out because they do not fit
    unknown: int  # runs that were left out because nothing is known of their cost


@dataclass
class Once:
    """The costs of runs that are done one after the other, where each training is done once."""

    trained: set[str] = field(default_factory=set)  # digests of those that are there
    taken: int = 0  # trainings that runs were given
    saved: float = 0.0  # the seconds that these would take

    def cost(self, spec: RunSpec, alone: Estimate | None) -> Estimate | None:
        """What a run costs after those that were added, which would cost so much by itself."""
        return alone and alone.without(one.name for one in trainings_of(spec) if one.digest in self.trained)

    def add(self, spec: RunSpec, alone: Estimate | None) -> Estimate | None:
        """The same, and that it is done."""
        found, digests = self.cost(spec, alone), {one.digest for one in trainings_of(spec)}
        self.taken += len(digests & self.trained)
        self.trained |= digests
        self.saved += alone.seconds - found.seconds if alone and found else 0.0
        return found


def once(todo: list[RunSpec], store: Store) -> Once:
    """The costs of these runs, with what the store keeps of trainings."""
    return Once(store.trainings(max((spec.build_benchmark().facts.experiences for spec in todo), default=1)))


def fitting(
    todo: list[RunSpec],
    states: list[CellState],
    estimate: Callable[[RunSpec], Estimate | None],
    *,
    seconds: float,
    jobs: int,
    shared: Once | None = None,
    in_order: bool = False,
) -> WithinBudget:
    """Return the most informative part of `todo` that `jobs` runs at a time are expected to finish within `seconds`.

    A run counts the more, the fewer seeds of its cell are done or chosen before it; among equals the cheap ones come
    first, since more cells fit then. Those that repeat draws come last. With `in_order` runs come as they stand. With
    `shared` they share trainings.
    """
    seeds = Counter({state.spec.cell_key: len(state.records) for state in states if state.spec})
    repeats = {one.spec.cell_key for state in states for one in state.repeats if one.spec}
    ranked: list[tuple[bool, int, float, int, RunSpec, Estimate]] = []
    for spec in todo:
        if found := estimate(spec):
            worth = (False, 0, 0.0)
            if not in_order:
                worth = (spec.cell_key in repeats, seeds[spec.cell_key], found.seconds)
            ranked.append((*worth, len(ranked), spec, found))
            seeds[spec.cell_key] += 1
    free = [0.0] * jobs  # when each worker is next free
    chosen = []
    for *_, spec, alone in sorted(ranked, key=lambda one: one[:4]):
        cost = (shared and shared.cost(spec, alone)) or alone
        if free[0] + cost.seconds <= seconds:
            heapq.heapreplace(free, free[0] + cost.seconds)
            chosen.append(spec)
            if shared:
                shared.add(spec, alone)
    return WithinBudget(
        runs=tuple(chosen),
        seconds=max(free),
        too_long=len(ranked) - len(chosen),
        unknown=len(todo) - len(ranked),
    )


def finished_after(costs: list[float], jobs: int) -> float:
    """Return the seconds until runs of these costs, begun in this order and `jobs` at a time, are all done."""
    free = [0.0] * jobs
    for cost in costs:
        heapq.heapreplace(free, free[0] + cost)
    return max(free)
