"""What the open cells of a table wait for: the reason, the seeds that it takes, and what these are expected to cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hnet_bench.interfaces import Settings
from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.columns import NO_REASON, Column, TextTable, reason_of, text_table
from hnet_bench.reporting.plan_costs import why_not
from hnet_bench.reporting.statistics import SeedsNeeded
from hnet_bench.reporting.text import duration
from hnet_bench.reporting.verdicts import MINIMUM_TO_REPRODUCE
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class OpenCell:
    """A cell that is inconclusive or not run."""

    cell: ReportCell
    reason: str
    seeds: SeedsNeeded  # in all; words if no number of them would decide it
    at_least: bool  # whether that is the least number with which it can be decided, for want of a measured spread
    runs: int | None  # that it takes; None if it cannot be run, or no number would do
    seconds: float | None  # of these on one core or GPU; None where nothing is known of it

    def to_json(self) -> Settings:
        """What `verify --json` says of it."""
        return {name: getattr(self, name) for name in ("reason", "seeds", "at_least", "runs", "seconds")}


def open_cells(report: Report, estimate: Callable[[RunSpec], Estimate | None]) -> list[OpenCell]:
    """The cells of a report that are inconclusive or not run, in its order; `estimate` says what a run costs."""
    return [
        _open(cell, estimate)
        for cell in report.cells
        if cell.verdict and cell.verdict.outcome in ("inconclusive", "not run")
    ]


def _open(cell: ReportCell, estimate: Callable[[RunSpec], Estimate | None]) -> OpenCell:
    assert cell.verdict is not None
    assert cell.reported is not None
    needed, known = cell.verdict.seeds_if_equal, None
    least = min((look for look in cell.reported.looks if look >= MINIMUM_TO_REPRODUCE), default=MINIMUM_TO_REPRODUCE)
    seeds = least if needed is None else needed
    runs = max(0, seeds - len(cell.records)) if cell.spec and isinstance(seeds, int) else None
    if runs is not None and cell.spec:
        known = estimate(cell.spec)
    return OpenCell(
        cell=cell,
        reason=reason_of(cell).removeprefix(f"{NO_REASON}; ") or why_not(cell) or "no record",
        seeds=seeds,
        at_least=needed is None,
        runs=runs,
        seconds=known.seconds * runs if known and runs is not None else None,
    )


def _cost(one: OpenCell) -> str:
    if one.runs is None:
        return ""
    return "unknown" if one.seconds is None else duration(one.seconds)


COLUMNS: tuple[Column[OpenCell], ...] = (
    Column("Row", lambda one: one.cell.row, "left"),
    Column("Scenario", lambda one: one.cell.scenario, "left"),
    Column("Reason", lambda one: one.reason, "left", prose=True),
    Column("Seeds", lambda one: f"{one.seeds} or more" if one.at_least else str(one.seeds), "left", spare=1),
    Column("Runs", lambda one: "" if one.runs is None else str(one.runs), spare=2),
    Column("Cost", _cost, "left"),
)


def open_table(cells: Sequence[OpenCell]) -> TextTable:
    """A line for each."""
    return text_table(
        COLUMNS,
        cells,
        title="Open",
        notes=(
            "Seeds: in all, as above; where too few are measured to tell, the least number with which a cell can be "
            "reproduced. Cost: expected time of the runs that are missing, on one core or GPU, each by itself; `plan` "
            "counts once what several cells or runs share.",
        ),
    )
