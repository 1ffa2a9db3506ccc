"""What a plan will cost, as text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hnet_bench.reporting.tables import duration
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.plan import CellState


@dataclass(frozen=True, kw_only=True)
class CellCost:
    """A cell of a table, the number of its runs to do, and what each is expected to cost."""

    state: CellState
    todo: int
    estimate: Estimate | None


@dataclass(frozen=True, kw_only=True)
class Total:
    """Expected seconds of all runs of a plan whose cost is known, with the sums of the ends of their ranges."""

    seconds: float
    low: float
    high: float
    unknown: int  # runs of which nothing is known


def total(estimates: Sequence[Estimate | None]) -> Total:
    """Sum over runs. The ends are summed as well: what makes one run slow, such as other work, may slow all."""
    known = [estimate for estimate in estimates if estimate is not None]
    return Total(
        seconds=sum(one.seconds for one in known),
        low=sum(one.low for one in known),
        high=sum(one.high for one in known),
        unknown=len(estimates) - len(known),
    )


HEADER = ("Row", "Scenario", "Done", "Failed", "To do", "Each", "Range", "Judged by")


def cell_line(cost: CellCost) -> tuple[str, ...]:
    """A line for the columns of `HEADER`."""
    state, found = cost.state, cost.estimate
    if state.spec is None:
        each, span, basis = "", "", "not implemented yet"
    elif not cost.todo:
        each, span, basis = "", "", ""
    elif found is None:
        each, span, basis = "unknown", "", ""
    else:
        each, span, basis = duration(found.seconds), f"{duration(found.low)} to {duration(found.high)}", found.basis
    failed = str(len(state.failed_seeds) or "")
    labels = (state.cell.row, state.cell.scenario.label, str(len(state.records)), failed, str(cost.todo or ""))
    return (*labels, each, span, basis)


def hours(seconds: float) -> str:
    """Hours with as many digits as are of use.

    >>> hours(360), hours(36000)
    ('0.1', '10')
    """
    value = seconds / 3600
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"


def sentence(cost: Total, *, runs: int, elapsed: float, jobs: int, gpu: bool) -> str:
    """The sum of a plan in a sentence."""
    unit = "GPU hours" if gpu else "CPU hours"
    span = f"{hours(cost.low)} to {hours(cost.high)}"
    return (
        f"{runs} run{'' if runs == 1 else 's'} to do: {hours(cost.seconds)} {unit} expected ({span}), "
        f"about {duration(elapsed)} at {jobs} at a time."
    )
