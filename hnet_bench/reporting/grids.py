"""From the model of a report to its grids: measured beside reported, verdicts, and details of each measured cell."""

from __future__ import annotations

from hnet_bench.metrics import Summary
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.grid import Column, Entry, Grid, sections_of
from hnet_bench.reporting.model import Measured, Report, ReportCell
from hnet_bench.reporting.ranking import MINIMUM_SEEDS
from hnet_bench.reporting.tables import NOT_RUN, SCALES, Scale, legend, percent, record_marks, reported_text
from hnet_bench.reporting.verdict_grid import verdict_grid
from hnet_bench.reporting.verdicts import Outcome

SYMBOLS: dict[Outcome, str] = {
    "reproduced": "✓",
    "close": "(✓)",
    "above": "▲",
    "below": "▼",
    "inconclusive": "?",
    "not run": "",
}

_RANK_MARKS = {"best": "", "tied": " ≈", "untested": " °", "": ""}
_MEANING: dict[Outcome, str] = {
    "reproduced": "reproduced, the difference is smaller than the margin",
    "close": "close, so is the difference from the number as it is printed, but its own error is not known",
    "above": "above, the measured number is higher by more than the margin",
    "below": "below, the measured number is lower by more than the margin",
    "inconclusive": "inconclusive",
}
_GIBIBYTE = 2**30
NOT_MEASURED = "not measured"
_GAPS = (
    "Forgetting is not measured where a run evaluates after each experience on that one alone, and on all of them "
    "after the last: the best earlier score is then not known."
)


def grids_of(report: Report) -> list[Grid]:
    """The grids that a report has, in the order of its pages."""
    return [grid for grid in (results_grid(report), verdict_grid(report), details_grid(report)) if grid]


def results_grid(report: Report) -> Grid:
    """Measured, reported and verdict of each row in each scenario."""
    kinds = ["measured"]
    if any(cell.reported for cell in report.cells):
        kinds += ["reported"]
    if any(cell.verdict for cell in report.cells):
        kinds += ["verdict"]
    columns = [
        Column(kind, group=scenario, align="center" if kind == "verdict" else "right")
        for scenario in report.scenarios
        for kind in kinds
    ]
    rows = []
    for cells in report.rows.values():
        by_scenario = {cell.scenario: cell for cell in cells}
        fields = [
            _result_field(by_scenario.get(scenario), kind, report) for scenario in report.scenarios for kind in kinds
        ]
        rows.append((Entry(cells[0].label), *fields))
    return Grid(
        name="results",
        title=SCALES[report.unit].heading,
        columns=(Column("", align="left"), *columns),
        rows=tuple(rows),
        sections=sections_of([cells[0] for cells in report.rows.values()]),
        notes=(*legend(report.states), *_rank_legend(report), *_verdict_legend(report)),
    )


def details_grid(report: Report) -> Grid | None:
    """What else the records tell of each measured cell; None if nothing is measured. Empty columns are left out."""
    scale = SCALES[report.unit]
    measured = [(cell, cell.measured) for cell in report.cells if cell.measured]
    if not measured:
        return None
    columns = [
        Column("", align="left"),
        Column("Scenario", align="left"),
        *(Column(heading) for heading in ("Seeds", "During", "Final", "Forgetting", "Task inference")),
        *(Column(heading) for heading in ("Trained parameters", "Compression ratio", "Seconds per run")),
        Column("Memory, GiB"),
        Column("Diagnostics", align="left"),
    ]
    texts = [_details(cell, numbers, scale) for cell, numbers in measured]
    kept = [index for index in range(len(columns)) if any(line[index] for line in texts)]
    return Grid(
        name="details",
        title="Details",
        columns=tuple(columns[index] for index in kept),
        rows=tuple(
            tuple(Entry(line[index], cell=cell.key) for index in kept)
            for (cell, _), line in zip(measured, texts, strict=True)
        ),
        sections=sections_of([cell for cell, _ in measured]),
        notes=(
            "Means over seeds. During: score on each experience right after training on it. Final: after the last one. "
            f"Forgetting: what is lost from the best earlier score to the final one, in {scale.differences}. Task "
            "inference: how often the task was inferred right after the last experience, in percent. Compression "
            "ratio: trained parameters over those of the network that classifies. Seconds depend on the machine; "
            "memory is the most that the process held at a time.",
            *([_GAPS] if any(numbers.forgetting is None for _, numbers in measured) else []),
        ),
    )


def _result_field(cell: ReportCell | None, kind: str, report: Report) -> Entry:
    if cell is None:
        return Entry("")
    if kind == "measured":
        if cell.measured is None:
            return Entry(NOT_RUN, cell=cell.key)
        final = cell.measured.final
        marks = f"{record_marks(cell)}{_RANK_MARKS[cell.rank]}"
        text = f"{SCALES[report.unit].with_spread(final.mean, final.sem)} ({final.n}){marks}"
        return Entry(text, best=cell.rank == "best", cell=cell.key)
    if kind == "reported":
        return Entry(reported_text(cell.reported, report.unit), cell=cell.key)
    if cell.verdict is None:
        return Entry("", cell=cell.key)
    return Entry(SYMBOLS[cell.verdict.outcome], outcome=cell.verdict.outcome, cell=cell.key)


def _rank_legend(report: Report) -> list[str]:
    found = {cell.rank for cell in report.cells}
    lines = []
    if "best" in found:
        lines.append("Bold: the best mean measured in a scenario, for each benchmark, bounds aside.")
    if "tied" in found:
        lines.append(
            "≈ cannot be told from the best at 5 % (paired by seed where both learn the same data, Holm's correction "
            "for all pairs)."
        )
    if "untested" in found:
        lines.append(f"° too few seeds to be told from the best: it takes {MINIMUM_SEEDS}.")
    return lines


def _verdict_legend(report: Report) -> list[str]:
    counts = report.outcomes
    shown = [f"{SYMBOLS[outcome]} {meaning} ({counts[outcome]})" for outcome, meaning in _MEANING.items()]
    present = [text for text, outcome in zip(shown, _MEANING, strict=True) if counts[outcome]]
    if not present:
        return []
    return [f"Verdict (number of cells): {'; '.join(present)}; not run ({counts['not run']})."]


def _details(cell: ReportCell, measured: Measured, scale: Scale) -> tuple[str, ...]:
    inferred, memory = measured.task_inference, measured.peak_memory_bytes
    return (
        cell.label,
        cell.scenario,
        format_seeds(tuple(measured.scores)),
        scale.text(measured.during.mean),
        scale.text(measured.final.mean),
        scale.text(measured.forgetting.mean) if measured.forgetting else NOT_MEASURED,
        percent(inferred.mean) if inferred else "",
        f"{measured.trained_parameters:,}",
        f"{measured.compression_ratio:.3f}",
        f"{measured.seconds.mean:.1f}",
        _gibibytes(memory),
        ", ".join(f"{name} {mean:g}" for name, mean in measured.diagnostics.items()),
    )


def _gibibytes(memory: Summary | None) -> str:
    return f"{memory.mean / _GIBIBYTE:.2f}" if memory else ""
