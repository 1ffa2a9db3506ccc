"""How far a table has come: runs done and planned, what they took, verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from hnet_bench.reporting.model import Report
from hnet_bench.reporting.verdicts import Outcome
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.record import Record


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The state of one table; runs that several cells share count once."""

    done: int  # of the planned runs
    planned: int
    failed: int
    stale: int  # of the runs that are done, those made by code that computed something else
    beyond: int  # runs with seeds that the table does not plan
    absent: tuple[str, ...]  # strategies that are not here yet
    seconds: float  # of all runs that are done
    outcomes: Counter[Outcome]


def standing(report: Report) -> Standing:
    """The state of a table from its report."""
    states = report.states
    found = records_of(states)
    planned = {key for state in states for key in _keys(state, state.planned_seeds)}
    failed = {key for state in states for key in _keys(state, state.failed_seeds)}
    return Standing(
        done=len(planned & found.keys()),
        planned=len(planned),
        failed=len(failed),
        stale=len(planned & {key for state in states for key in _keys(state, state.stale_seeds)}),
        beyond=len(found.keys() - planned),
        absent=tuple(sorted({state.cell.strategy for state in states if state.spec is None})),
        seconds=sum(record.seconds["total"] for record in found.values()),
        outcomes=report.outcomes,
    )


def records_of(states: Iterable[CellState]) -> dict[str, Record]:
    """The records of cells, each run once, by their keys."""
    return {record.key: record for state in states for record in state.records}


def _keys(state: CellState, seeds: Iterable[int]) -> list[str]:
    return [state.spec.with_seed(seed).key for seed in seeds] if state.spec else []
