"""What the open cells of a table wait for: the reason, the seeds that it takes, and what these are expected to cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from hnet_bench.interfaces import Settings
from hnet_bench.reporting.cells import Report, ReportCell, repeats_missing
from hnet_bench.reporting.data_files import cell_json
from hnet_bench.reporting.plan_costs import why_not
from hnet_bench.reporting.statistics import SeedsNeeded
from hnet_bench.reporting.text import count, duration
from hnet_bench.reporting.text_table import Column, TextTable, text_table
from hnet_bench.reporting.verdict_tables import NO_REASON, reason_of
from hnet_bench.reporting.verdicts import MINIMUM_TO_REPRODUCE
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class OpenCell:
    """A cell that is inconclusive or not run."""

    cell: ReportCell
    reason: str
    seeds: SeedsNeeded  # in all; words if no number of them would decide it
    at_least: bool  # whether that is the least number with which it can be decided, for want of what it is planned by
    runs: int | None  # that are missing; None if it cannot be run, no number would do, or seeds were chosen
    expected_seconds: float | None  # of these on one core or GPU; None where nothing is known of it
    learned_from: str | None  # which records say so, see `runs.cost`

    def to_json(self) -> Settings:
        """What `verify --json` says of it."""
        return {name: getattr(self, name) for name in OPEN_KEYS}


_NONE = "-"  # where there is no number

# What `verify --json` says of an open cell.
OPEN_KEYS = tuple(one.name for one in fields(OpenCell) if one.name != "cell")


def is_open(cell: ReportCell) -> bool:
    """Whether a cell that is to be judged is inconclusive or not run."""
    return cell.verdict is not None and cell.verdict.outcome in ("inconclusive", "not run")


def open_cells(report: Report, estimate: Callable[[RunSpec], Estimate | None]) -> list[OpenCell]:
    """The open cells of a report, in its order; `estimate` says what a run costs."""
    return [_open(cell, estimate) for cell in report.cells if is_open(cell)]


def judged_json(report: Report, waiting: Sequence[OpenCell]) -> list[Settings]:
    """What `verify --json` says of each cell that is to be judged."""
    found = {one.cell.key: one.to_json() for one in waiting}
    return [{**cell_json(cell), "open": found.get(cell.key)} for cell in report.cells if cell.verdict]


def _open(cell: ReportCell, estimate: Callable[[RunSpec], Estimate | None]) -> OpenCell:
    assert cell.verdict is not None
    seeds = cell.verdict.seeds_if_equal
    at_least, needed = seeds is None, _least(cell) if seeds is None else seeds
    runs = _missing(cell, needed) if isinstance(needed, int) and cell.spec and _all_seeds(cell) else None
    cost = estimate(cell.spec) if runs is not None and cell.spec else None
    return OpenCell(
        cell=cell,
        reason=_reason(cell),
        seeds=needed,
        at_least=at_least,
        runs=runs,
        expected_seconds=cost.seconds * runs if cost and runs is not None else None,
        learned_from=cost.basis if cost else None,
    )


def _least(cell: ReportCell) -> int:
    """The least number of seeds with which the cell can be reproduced."""
    assert cell.reported is not None
    looks = [look for look in cell.reported.looks if look >= MINIMUM_TO_REPRODUCE]
    return max(min(looks, default=MINIMUM_TO_REPRODUCE), cell.reported.repeats)


def _missing(cell: ReportCell, needed: int) -> int:
    """Runs without a record: of the first seeds where the table has looks, which are about those, else of any; and
    those that repeat draws, by which the verdict of a matched design is planned."""
    assert cell.reported is not None
    if cell.reported.looks:
        seeds = len(set(cell.cell.judged_seeds[:needed]).difference(cell.seeds))
    else:
        seeds = max(0, needed - len(cell.records))
    return seeds + repeats_missing(cell)


def _all_seeds(cell: ReportCell) -> bool:
    """Whether the report has all seeds of the cell, and no choice of them."""
    return set(cell.planned_seeds) == set(cell.cell.judged_seeds)


def _reason(cell: ReportCell) -> str:
    if not cell.records:
        failed = f", {count(len(cell.failed_seeds), 'seed')} failed" if cell.failed_seeds else ""
        return why_not(cell) or f"no record{failed}"
    waiting = f"{count(missing, 'repeat')} of draws to do; " if (missing := repeats_missing(cell)) else ""
    return waiting + reason_of(cell).removeprefix(f"{NO_REASON}; ")


def _cost(one: OpenCell) -> str:
    if one.runs is None:
        return _NONE
    return "unknown" if one.expected_seconds is None else duration(one.expected_seconds)


def _sum(cells: Sequence[OpenCell]) -> str:
    known = [one.expected_seconds for one in cells if one.expected_seconds is not None]
    return f", {duration(sum(known))} in all" if len(known) > 1 else ""


COLUMNS: tuple[Column[OpenCell], ...] = (
    Column("Row", lambda one: one.cell.row, "left"),
    Column("Scenario", lambda one: one.cell.scenario, "left"),
    Column("Reason", lambda one: one.reason, "left", prose=True),
    Column("Seeds if equal", lambda one: f"{one.seeds} or more" if one.at_least else str(one.seeds), "left", spare=1),
    Column("Runs", lambda one: _NONE if one.runs is None else str(one.runs), spare=2),
    Column("Cost", _cost, "left"),
    Column("Cost from", lambda one: one.learned_from or (_NONE if one.runs is None else ""), "left", spare=3),
)


def open_table(cells: Sequence[OpenCell]) -> TextTable:
    """A line for each."""
    notes = (
        "Seeds if equal: in all, as above, if measured and reported are equal in truth; a difference near the end of "
        "the margin takes more. Where too little is measured to tell, it is the least number with which a cell can be "
        "reproduced.",
        f"Cost: expected time of the runs that are missing, on one core or GPU, each by itself{_sum(cells)}; `plan` "
        "has its range, and counts once what several cells or runs share. `hnet-bench run TABLE --rows ROW --scenarios "
        "SCENARIO --seeds RANGE` does them, with as many seeds of the table as it takes, or more.",
    )
    without = f"{_NONE}: no number of seeds is known that would do, nothing is chosen yet, or seeds were chosen."
    some = any(one.runs is None for one in cells)
    return text_table(COLUMNS, cells, title="Open", notes=(*notes, without) if some else notes)
