"""Seeds until decided: which cells are open at the looks that their table declares, and which of them is worth the next
runs. The levels of looks (`statistics.level_at`) hold whatever is chosen here; docs/verdicts.md says why."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.metrics import summarise
from hnet_bench.reporting.cells import evidence, repeats_before, verdict_on
from hnet_bench.reporting.statistics import errors_of_difference, half_width, level_at
from hnet_bench.reporting.verdicts import MINIMUM_TO_REPRODUCE, error_of_reported
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.plan import CellState, Selection, runs_to_do
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store


@dataclass(frozen=True, kw_only=True)
class NextLook:
    """An open cell on its way to the next look."""

    state: CellState
    look: int  # number of seeds
    runs: tuple[RunSpec, ...]  # that are to be done before it
    estimate: Estimate | None  # of each
    # Of being decided at that look or a later one, whichever gives most in an hour; None where there are not yet two
    # seeds to judge by, and where nothing is known of the cost.
    chance: float | None = None
    per_hour: float | None = None

    def to_json(self) -> Settings:
        """What `plan --json` says of it."""
        return {"look": self.look, "chance_to_decide": self.chance, "decisions_per_hour": self.per_hour}


def check_seeds(chosen: Selection) -> None:
    """Raises UserError if seeds were chosen, where it is the table that says after which of them it is looked."""
    if chosen.seeds is not None:
        raise UserError(
            f"What is run until decided has the first seeds of table '{chosen.table.name}', as many as it takes: leave "
            "away the choice of seeds, and choose rows or scenarios to have only a part of it."
        )


def next_looks(
    states: Sequence[CellState], store: Store, estimate: Callable[[RunSpec], Estimate | None]
) -> list[NextLook]:
    """The open cells, those first of which most are expected to be decided in an hour of one worker: before them those
    of which nothing can be expected yet, cheap ones first.

    Raises UserError if none of the cells has looks, and as `runs_to_do` does.
    """
    if not any(state.cell.reported and state.cell.reported.looks for state in states):
        raise UserError(
            f"No cell that is chosen of table '{states[0].cell.table}' has looks, after which it may be decided: write "
            "them into its `reported`, such as looks = [5, 10, 20], and do so before you look at the results."
        )
    found = [one for state in states if (one := _next_look(_kept(state, store), store, estimate))]
    return sorted(found, key=_order)


def runs_of_looks(looks: Sequence[NextLook]) -> list[RunSpec]:
    """The runs that these take, each once, in their order."""
    return list({spec.key: spec for one in looks for spec in one.runs}.values())


def _kept(state: CellState, store: Store) -> CellState:
    """The state without the records that are to be renewed, by which nothing is decided."""
    if state.spec is None or not store.renew:
        return state
    spec, pairs = state.spec, zip(state.records, state.changed, strict=True)
    kept = [(record, found) for record, found in pairs if store.has(spec.with_seed(record.spec["seed"]))]
    records, changed = tuple(record for record, _ in kept), tuple(found for _, found in kept)
    repeats = tuple(_kept(one, store) for one in state.repeats)
    return replace(state, records=records, changed=changed, repeats=repeats)


def _order(one: NextLook) -> tuple[bool, float, float]:
    cost = one.estimate.seconds * len(one.runs) if one.estimate else math.inf
    return one.chance is not None, -(one.per_hour or 0.0), cost


def _next_look(state: CellState, store: Store, estimate: Callable[[RunSpec], Estimate | None]) -> NextLook | None:
    """None if the cell is decided, has come to its last look, or cannot be judged or run."""
    verdict, reported = verdict_on(state, plan=False), state.cell.reported
    if state.spec is None or reported is None or not reported.looks or verdict is None:
        return None
    reached = evidence(state).look or 0
    # A table that extends another may have fewer seeds than this has looks.
    ahead = [look for look in reported.looks if reached < look <= len(state.planned_seeds)]
    if verdict.outcome not in ("inconclusive", "not run") or not ahead:
        return None
    cost = estimate(state.spec)
    runs = {look: _runs_before(state, look, store) for look in ahead}
    worth = [(_chance(state, look), len(runs[look])) for look in ahead]
    known = [
        (chance, chance / max(todo, 1) / cost.seconds * 3600) for chance, todo in worth if chance is not None and cost
    ]
    chance, per_hour = max(known, key=lambda one: one[1]) if known else (None, None)
    look = ahead[0]
    return NextLook(state=state, look=look, runs=tuple(runs[look]), estimate=cost, chance=chance, per_hour=per_hour)


def _runs_before(state: CellState, look: int, store: Store) -> list[RunSpec]:
    """The runs that a look takes, with those that repeat draws if it comes to enough of them."""
    asked = replace(state, planned_seeds=state.planned_seeds[:look], repeats=repeats_before(state, look))
    return runs_to_do([asked], store)


def _chance(state: CellState, look: int) -> float | None:
    """Of being decided at a look, by what is measured so far; None for fewer than two seeds.

    The difference that will be found there is normal about the present one, with what its squared standard error will
    have lost until then as its variance; the spread over seeds is taken to stay as it is.
    """
    from scipy import special

    found, reported = evidence(state), state.cell.reported
    summary = summarise(list(found.scores.values()))
    assert reported is not None
    assert reported.margin is not None
    if summary is None or summary.variance is None:
        return None
    known = found.shared or error_of_reported(reported)
    common = found.shared and min(look, found.shared.draws)
    now = errors_of_difference(summary.variance, summary.n, known)
    then = errors_of_difference(summary.variance, look, known, common)
    lost = sum(one.squared for one in now) - sum(one.squared for one in then)
    half = float(half_width(then, level_at(reported.looks, look)))
    spread, difference = math.sqrt(max(lost, 0.0)) + 1e-12, summary.mean - reported.mean

    def below(bound: float) -> float:
        return float(special.ndtr((bound - difference) / spread))

    inner, outer = reported.margin - half, reported.margin + half
    within = max(0.0, below(inner) - below(-inner)) if look >= MINIMUM_TO_REPRODUCE else 0.0
    return within + below(-outer) + 1 - below(outer)
