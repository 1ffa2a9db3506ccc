"""What a plan will cost, as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hnet_bench.reporting.text import count, duration
from hnet_bench.reporting.text_table import Column
from hnet_bench.reporting.until_decided import NextLook
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.plan import CellState


@dataclass(frozen=True, kw_only=True)
class CellCost:
    """A cell of a table, the number of its runs to do, and what each is expected to cost."""

    state: CellState
    todo: int
    estimate: Estimate | None
    next: NextLook | None = None  # of seeds until decided


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


def _expected(cost: CellCost) -> str:
    if cost.estimate is None:
        return "unknown" if cost.todo else ""
    return duration(cost.estimate.seconds)


def why_not(state: CellState) -> str:
    """Why a cell cannot be run, "" if it can."""
    return "nothing is chosen yet" if state.cell.untuned else ""


def _basis(cost: CellCost) -> str:
    return why_not(cost.state) or (cost.estimate.basis if cost.estimate else "")


def _range(cost: CellCost) -> str:
    return f"{duration(cost.estimate.low)} to {duration(cost.estimate.high)}" if cost.estimate else ""


COLUMNS: tuple[Column[CellCost], ...] = (
    Column("Row", lambda cost: cost.state.cell.row, "left"),
    Column("Scenario", lambda cost: cost.state.cell.scenario.label, "left"),
    Column("Done", lambda cost: str(len(cost.state.records)), "left", spare=2),
    Column("Failed", lambda cost: str(len(cost.state.failed_seeds) or ""), "left", spare=3),
    Column("To do", lambda cost: str(cost.todo or ""), "left"),
    Column("Each", _expected, "left", spare=1),
    Column("Range", _range, "left", spare=4),
    Column("Cost from", _basis, "left", spare=5),
)

# With seeds until decided also what the next look is worth.
LOOK_COLUMNS: tuple[Column[CellCost], ...] = (
    *COLUMNS,
    Column("Look", lambda cost: str(cost.next.look) if cost.next else "", "left", spare=1),
    Column("Decides", lambda cost: _of_next(cost, "chance", lambda chance: f"{100 * chance:.0f} %"), "left", spare=1),
    Column(
        "Per hour",
        lambda cost: _of_next(cost, "per_hour", lambda rate: f"{rate:.2g}" if rate < 100 else f"{rate:.0f}"),
        "left",
    ),
)


def _of_next(cost: CellCost, name: str, text: Callable[[float], str]) -> str:
    value = getattr(cost.next, name, None)
    return "unknown" if value is None else text(value)


def hours(seconds: float) -> str:
    """Hours with as many digits as are of use.

    >>> hours(360), hours(36000)
    ('0.1', '10')
    """
    value = seconds / 3600
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 0.095 else f"{value:.2f}"


def sentence(cost: Total, *, runs: int, elapsed: float, jobs: int, gpu: bool) -> str:
    """The sum of a plan in a sentence."""
    if cost.unknown == runs:
        return f"{count(runs, 'run')} to do."
    unit = "GPU hours" if gpu else "CPU hours"
    span = f"{hours(cost.low)} to {hours(cost.high)}"
    return (
        f"{count(runs, 'run')} to do: {hours(cost.seconds)} {unit} expected ({span}), "
        f"about {duration(elapsed)} at {jobs} at a time."
    )
