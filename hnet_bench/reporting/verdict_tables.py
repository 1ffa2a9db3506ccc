"""The tables of verdicts, beside the paper and beside the authors' code, and why a number is not reproduced."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from hnet_bench.reporting.cells import Report, ReportCell
from hnet_bench.reporting.statistics import ERROR_RATE, INTERVAL, LEVEL, confidence, error_rate, level_at
from hnet_bench.reporting.text import KNOWN, Scale, code_text, listed, record_legend, record_marks
from hnet_bench.reporting.text_table import LABEL, SCENARIO, Column, TextTable, sections_of, text_table
from hnet_bench.reporting.verdicts import MINIMUM_SEEDS, MINIMUM_TO_REPRODUCE, Verdict, has_known_error

NO_REASON = "no reason known"
# Share of the margin from which on a difference, rather than the spread of seeds, keeps a number from being reproduced.
_NEAR = 0.5


def difference_text(found: Verdict, scale: Scale) -> str:
    """ "-0.06", "" without a record."""
    return "" if found.difference is None else scale.signed(found.difference)


def interval_text(found: Verdict, scale: Scale) -> str:
    """ "-0.14 to +0.02", "" without an interval."""
    if found.interval_low is None or found.interval_high is None:
        return ""
    own = "" if found.level == LEVEL else f" ({confidence(found.level)})"
    return f"{scale.signed(found.interval_low)} to {scale.signed(found.interval_high)}{own}"


def interval_in_words(found: Verdict, scale: Scale) -> str:
    """ "90 % interval -0.14 to +0.02", "" without an interval."""
    text = interval_text(replace(found, level=LEVEL), scale)
    return text and f"{confidence(found.level)} interval {text}"


def _judged(text: Callable[[Verdict, Scale], str]) -> Callable[[ReportCell], str]:
    return lambda cell: text(cell.verdict, cell.scale) if cell.verdict else ""


def _seeds(cell: ReportCell) -> str:
    """ "7", or "5 of 7" where the others wait for the next look."""
    judged, measured = cell.verdict.seeds if cell.verdict else 0, len(cell.records)
    return str(measured) if judged in (0, measured) else f"{judged} of {measured}"


VERDICT_COLUMNS: tuple[Column[ReportCell], ...] = (
    LABEL,
    SCENARIO,
    Column("Seeds", lambda cell: f"{_seeds(cell)}{record_marks(cell)}", spare=1),
    Column("Difference", _judged(difference_text), spare=2),
    Column(INTERVAL, _judged(interval_text), spare=3),
    Column("Margin", _judged(lambda found, scale: scale.text(found.margin)), spare=4),
    Column("Verdict", _judged(lambda found, _: found.outcome + KNOWN[found.known][0]), "left", shows="verdict"),
    Column("Seeds if equal", _judged(lambda found, _: str(found.seeds_if_equal or "")), spare=5),
)
_BY_HEADING = {column.heading: column for column in VERDICT_COLUMNS}
NOT_REPRODUCED_COLUMNS: tuple[Column[ReportCell], ...] = (
    replace(LABEL, heading="Row"),
    *(_BY_HEADING[heading] for heading in ("Scenario", "Verdict")),
    Column("Seeds", _seeds),
    *(_BY_HEADING[heading] for heading in ("Difference", INTERVAL, "Seeds if equal")),
    Column("Reason", lambda cell: reason_of(cell), "left"),
)


def verdicts_table(report: Report, columns: tuple[Column[Any], ...] = VERDICT_COLUMNS) -> TextTable | None:
    """What each verdict rests on, for cells that were run; None if there is none."""
    judged = [cell for cell in report.cells if cell.verdict and cell.records]
    if not judged:
        return None
    return text_table(
        columns,
        judged,
        name="verdicts",
        title="Verdicts",
        sections=sections_of(judged),
        notes=_verdict_notes(report),
    )


def run_with_code(report: Report) -> list[ReportCell]:
    """The cells that somebody ran the authors' code for."""
    return [cell for cell in report.cells if cell.cell.authors_code]


CODE_COLUMNS: tuple[Column[ReportCell], ...] = (
    *VERDICT_COLUMNS[:3],
    Column("Authors' code", lambda cell: code_text(cell.cell)),
    *VERDICT_COLUMNS[3:],
)


def code_table(report: Report, columns: tuple[Column[Any], ...] = CODE_COLUMNS) -> TextTable | None:
    """The same of the runs of the authors' code, for cells that have any; None if none has."""
    if not (cells := run_with_code(report)):
        return None
    return text_table(
        columns,
        [replace(cell, verdict=cell.beside_code) for cell in cells],
        name="code",
        title="Beside the authors' code",
        sections=sections_of(cells),
        notes=(
            "Difference: measured minus the mean of the authors' code. Margin, test and least numbers of seeds are "
            "those of the verdicts above. Seeds are not paired: the same one draws other numbers in other code.",
            f"With fewer than {MINIMUM_SEEDS} seeds of the authors' code there is no verdict. No number: these are too "
            "few, however many of ours there were.",
        ),
    )


def _verdict_notes(report: Report) -> Iterable[str]:
    yield (
        f"Difference: measured minus reported, in {report.scale.differences}. Reproduced if its {INTERVAL} lies "
        "within the margin, above or below if it lies beyond it, else inconclusive: two one-sided tests at "
        f"{ERROR_RATE}. The margin stands in the table and does not depend on what is measured. Fewer than "
        f"{MINIMUM_SEEDS} seeds are inconclusive, and fewer than {MINIMUM_TO_REPRODUCE} never reproduce a number, "
        "since some methods fail on single seeds."
    )
    yield (
        "Seeds if equal: how many it takes in all to decide with a chance of 80 %, with the spread measured so far, if "
        "measured and reported are equal in truth. No number: the reported mean itself is too uncertain."
    )
    if any(
        cell.verdict and cell.verdict.matched is None and cell.reported and not has_known_error(cell.reported)
        for cell in report.cells
    ):
        yield (
            "Where a paper gives no spread its number is taken as exact, and where it gives one without the number of "
            "seeds, this as large. What would then be reproduced is called close, since no error rate holds; above "
            "and below are so from the number as it is printed."
        )
    yield from _design_notes(report)
    yield from record_legend(report.cells)
    if not_run := _not_run(report):
        yield f"Not run: {listed(not_run)}."


def _design_notes(report: Report) -> Iterable[str]:
    """What is to be known of matched designs and of looks."""
    for looks in dict.fromkeys(cell.reported.looks for cell in report.cells if cell.verdict and cell.reported):
        if looks:
            rates = [error_rate(level_at(looks, look)) for look in looks]
            yield (
                f"Judged after {', '.join(map(str, looks))} seeds, the first ones of the table, by tests at "
                f"{', '.join(rates)}, which add up to {ERROR_RATE}: seeds may be added until a number is decided. "
                "Difference and interval are those of the last look that was reached. "
                f"More than {looks[-1]}: none is likely to decide."
            )
    matched = [
        f"{cell.label} {cell.scenario} ({cell.scale.text(found.within)}; {found.matched} draws in common)"
        for cell in report.cells
        if (found := cell.verdict) and found.matched is not None and found.within is not None
    ]
    if matched:
        yield (
            "Matched: the paper's draws are known, and what the same draw does to both means is left out of the "
            f"interval. Standard deviation of runs of one draw: {', '.join(matched)}."
        )


def _not_run(report: Report) -> dict[str, list[str]]:
    """The scenarios of each row that has a verdict in them, but no record."""
    found: dict[str, list[str]] = {}
    for cell in report.cells:
        if cell.verdict and not cell.records:
            found.setdefault(cell.label, []).append(cell.scenario)
    return found


def not_reproduced(report: Report) -> tuple[TextTable | None, tuple[str, ...]] | None:
    """A table of the cells that were run, and a line for each row that was not; None if every number is reproduced."""
    judged = [cell for cell in report.cells if cell.verdict and cell.verdict.outcome != "reproduced"]
    measured = [cell for cell in judged if cell.records]
    table = text_table(NOT_REPRODUCED_COLUMNS, measured, name="not-reproduced") if measured else None
    lines = (f"Not run: {label}, {', '.join(scenarios)}" for label, scenarios in _not_run(report).items())
    return (table, tuple(lines)) if judged else None


def reason_of(cell: ReportCell) -> str:
    """Why a number is not reproduced, as far as anybody knows; "" for one that is, or that nobody judges."""
    found = cell.verdict
    if found is None or found.outcome in ("reproduced", "not run"):
        return ""
    if cell.reported and cell.reported.reason:
        return cell.reported.reason
    if found.seeds < MINIMUM_SEEDS:
        return f"{NO_REASON}; fewer than {MINIMUM_SEEDS} seeds decide nothing"
    if cell.reported and cell.reported.looks and found.interval_low is None:
        return "not judged before the first look that the table declares"
    if found.outcome == "close":
        return "the paper does not say how uncertain its number is"
    if found.lacks_seeds_alone:
        return f"{NO_REASON}; within the margin so far, but fewer than {MINIMUM_TO_REPRODUCE} seeds reproduce no number"
    if found.outcome == "inconclusive" and found.difference is not None:
        share = abs(found.difference) / found.margin
        if share > _NEAR:
            of = "of" if share < 1 else "times"
            return f"{NO_REASON}; the difference so far is {share:.2g} {of} the margin"
        return f"{NO_REASON}; the seeds so far spread too much to decide"
    return NO_REASON
