"""The verdicts of a report as a grid: what each of them rests on."""

from __future__ import annotations

from hnet_bench.reporting.grid import Column, Entry, Grid, sections_of
from hnet_bench.reporting.model import Report, ReportCell
from hnet_bench.reporting.seeds_needed import SeedsNeeded
from hnet_bench.reporting.tables import MARKS, SCALES, Scale, probability, record_legend, record_marks
from hnet_bench.reporting.verdicts import MINIMUM_SEEDS, MINIMUM_TO_REPRODUCE, Verdict, has_known_error


def verdict_grid(report: Report) -> Grid | None:
    """What each verdict rests on, for cells that were run; None if there is none."""
    scale = SCALES[report.unit]
    judged = [cell for cell in report.cells if cell.verdict and cell.measured]
    if not judged:
        return None
    return Grid(
        name="verdicts",
        title="Verdicts",
        columns=(
            Column("", align="left"),
            Column("Scenario", align="left"),
            Column("Seeds"),
            Column("Difference"),
            Column("90 % interval"),
            Column("Margin"),
            Column("p"),
            Column("Verdict", align="left"),
            Column("Seeds if equal"),
            Column("Seeds if as measured"),
        ),
        rows=tuple(_verdict_row(cell, scale) for cell in judged),
        sections=sections_of(judged),
        notes=_verdict_notes(report, scale),
    )


def _verdict_row(cell: ReportCell, scale: Scale) -> tuple[Entry, ...]:
    found = cell.verdict
    assert found is not None
    texts = (
        cell.label,
        cell.scenario,
        f"{found.seeds}{record_marks(cell)}",
        "" if found.difference is None else scale.signed(found.difference),
        interval_text(found, scale),
        scale.text(found.margin),
        "" if found.p_reproduced is None else probability(found.p_reproduced),
    )
    needed = (found.seeds_if_equal, found.seeds_if_observed)
    return (
        *(Entry(text, cell=cell.key) for text in texts),
        Entry(found.outcome + MARKS[found.known], outcome=found.outcome, cell=cell.key),
        *(Entry(seeds_text(number), cell=cell.key) for number in needed),
    )


def interval_text(found: Verdict, scale: Scale) -> str:
    """ "-0.14 to +0.02", "" without an interval."""
    return f"{scale.signed(found.interval[0])} to {scale.signed(found.interval[1])}" if found.interval else ""


def seeds_text(needed: SeedsNeeded | None) -> str:
    """A number of seeds that a verdict asks for, "" for None."""
    return "" if needed is None else str(needed)


def _verdict_notes(report: Report, scale: Scale) -> tuple[str, ...]:
    notes = [
        f"Difference: measured minus reported, in {scale.differences}. Reproduced if its 90 % interval lies within the "
        "margin, above or below if it lies beyond it, else inconclusive: two one-sided tests at 5 %. p: of the test "
        "that the difference is as large as the margin (above 0.95 it lies beyond). The margin stands in the table and "
        f"does not depend on what is measured. Fewer than {MINIMUM_SEEDS} seeds are inconclusive, and fewer "
        f"than {MINIMUM_TO_REPRODUCE} never reproduce a number, since some methods fail on single seeds.",
        "Seeds: how many it takes in all to decide with a chance of 80 %, with the spread measured so far, if measured "
        "and reported are equal in truth, and if they differ by what was measured. No number: the reported mean "
        "itself is too uncertain.",
    ]
    if any(cell.verdict and cell.reported and not has_known_error(cell.reported) for cell in report.cells):
        notes.append(
            "Where a paper gives no spread its number is taken as exact, and where it gives one without the number of "
            "seeds, this as large. What would then be reproduced is called close, since no error rate holds; above "
            "and below are so from the number as it is printed."
        )
    notes += record_legend(report.cells)
    not_run: dict[str, list[str]] = {}
    for cell in report.cells:
        if cell.verdict and cell.verdict.outcome == "not run":
            not_run.setdefault(cell.label, []).append(cell.scenario)
    if not_run:
        listed = "; ".join(f"{label} {', '.join(scenarios)}" for label, scenarios in not_run.items())
        notes.append(f"Not run: {listed}.")
    return tuple(notes)
