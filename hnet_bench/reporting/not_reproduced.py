"""Every number that is not reproduced, with what is known of the reason: the papers' tables hold the reasons."""

from __future__ import annotations

from hnet_bench.reporting.grid import Column, Entry, Grid
from hnet_bench.reporting.model import Report, ReportCell
from hnet_bench.reporting.tables import MARKS, SCALES, Scale
from hnet_bench.reporting.verdict_grid import interval_text, seeds_text
from hnet_bench.reporting.verdicts import MINIMUM_SEEDS, MINIMUM_TO_REPRODUCE, lacks_seeds_alone

NO_REASON = "no reason known"


def not_reproduced(report: Report) -> tuple[Grid | None, tuple[str, ...]] | None:
    """A grid of the cells that were run, and a line for each row that was not; None if every number is reproduced."""
    scale = SCALES[report.unit]
    judged = [cell for cell in report.cells if cell.verdict and cell.verdict.outcome != "reproduced"]
    if not judged:
        return None
    headings = ("Row", "Scenario", "Verdict", "Seeds", "Difference", "90 % interval", "Seeds if equal", "Reason")
    left = {"Row", "Scenario", "Verdict", "Reason"}
    rows = tuple(_row(cell, scale) for cell in judged if cell.measured)
    grid = Grid(
        name="not-reproduced",
        title="",
        columns=tuple(Column(text, align="left" if text in left else "right") for text in headings),
        rows=rows,
    )
    not_run: dict[str, list[str]] = {}
    for cell in judged:
        if not cell.measured:
            not_run.setdefault(cell.label, []).append(cell.scenario)
    lines = (f"Not run: {label}, {', '.join(scenarios)}" for label, scenarios in not_run.items())
    return grid if rows else None, tuple(lines)


def reason_of(cell: ReportCell) -> str:
    """Why a number is not reproduced, as far as anybody knows; "" for one that is, or that nobody judges."""
    if cell.verdict is None or cell.verdict.outcome in ("reproduced", "not run"):
        return ""
    if cell.reported and cell.reported.reason:
        return cell.reported.reason
    if cell.verdict.seeds < MINIMUM_SEEDS:
        return f"{NO_REASON}; fewer than {MINIMUM_SEEDS} seeds decide nothing"
    if cell.verdict.outcome == "close":
        return "the paper does not say how uncertain its number is"
    if lacks_seeds_alone(cell.verdict):
        return f"{NO_REASON}; within the margin so far, but fewer than {MINIMUM_TO_REPRODUCE} seeds reproduce no number"
    if cell.verdict.outcome == "inconclusive":
        return f"{NO_REASON}; the seeds so far spread too much to decide"
    return NO_REASON


def _row(cell: ReportCell, scale: Scale) -> tuple[Entry, ...]:
    found = cell.verdict
    assert found is not None
    texts = (cell.label, cell.scenario)
    numbers = (
        str(found.seeds),
        "" if found.difference is None else scale.signed(found.difference),
        interval_text(found, scale),
        seeds_text(found.seeds_if_equal),
    )
    return (
        *(Entry(text, cell=cell.key) for text in texts),
        Entry(found.outcome + MARKS[found.known], outcome=found.outcome, cell=cell.key),
        *(Entry(text, cell=cell.key) for text in numbers),
        Entry(reason_of(cell), cell=cell.key),
    )
