"""What stands behind each number of the page: its records, settings, how to repeat it, and its verdict."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from hnet_bench.interfaces import Settings
from hnet_bench.metrics import average_accuracy, during_accuracy
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.reporting.made_of import Made, commit, made_of
from hnet_bench.reporting.model import Report, ReportCell
from hnet_bench.reporting.not_reproduced import reason_of
from hnet_bench.reporting.settings_text import flat
from hnet_bench.reporting.tables import (
    MARKS,
    SCALES,
    Scale,
    duration,
    percent,
    probability,
    record_marks,
    reported_text,
)
from hnet_bench.reporting.verdict_grid import interval_text, seeds_text
from hnet_bench.reporting.verdicts import Outcome, Verdict
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.record import Record

RUN_HEADINGS = ("Seed", "Final", "During", "Task inference", "Time", "Finished", "Commit", "Record")


@dataclass(frozen=True, kw_only=True)
class Behind:
    """One cell as the page shows it."""

    key: str
    label: str
    scenario: str
    measured: str  # "" if it was not run
    outcome: Outcome | None
    facts: tuple[tuple[str, str], ...]  # measured, reported and judged, a name for each
    runs: tuple[tuple[str, ...], ...]  # a line for each record, as `RUN_HEADINGS`
    settings: tuple[tuple[str, str], ...]
    commands: tuple[tuple[str, str], ...]
    made: tuple[Made, ...]


def behind(report: Report) -> list[Behind]:
    """All cells of a table, in its order."""
    return [_behind(report, cell, state) for cell, state in zip(report.cells, report.states, strict=True)]


def _behind(report: Report, cell: ReportCell, state: CellState) -> Behind:
    scale = SCALES[report.unit]
    final = cell.measured.final if cell.measured else None
    return Behind(
        key=cell.key,
        label=cell.label,
        scenario=cell.scenario,
        measured=f"{scale.with_spread(final.mean, final.sem)} ({final.n}){record_marks(cell)}" if final else "",
        outcome=cell.verdict.outcome if cell.verdict else None,
        facts=tuple(_facts(report, cell, scale)),
        runs=tuple(_run(record, path, scale) for record, path in zip(state.records, _paths(cell), strict=True)),
        settings=tuple(_settings(state)),
        commands=tuple(_commands(report, cell, state)),
        made=tuple(made_of(state.records)),
    )


def _facts(report: Report, cell: ReportCell, scale: Scale) -> Iterable[tuple[str, str]]:
    reported, found = cell.reported, cell.verdict
    if cell.measured:
        final = cell.measured.final
        spread = "" if final.sem is None else f", standard error {scale.text(final.sem)}"
        yield "Measured", f"{scale.text(final.mean)}{spread}, seeds {format_seeds(tuple(cell.measured.scores))}"
    else:
        yield "Measured", "not run"
    if cell.stale_seeds:
        yield "Stale", f"seeds {format_seeds(cell.stale_seeds)}: the code computes something else now"
    if cell.unknown_seeds:
        yield "Stale?", f"seeds {format_seeds(cell.unknown_seeds)}: cannot be told"
    if cell.departed_seeds:
        yield "Outside the protocol", f"seeds {format_seeds(cell.departed_seeds)}"
    if cell.failed:
        yield "Failed", f"the last try of {cell.failed} seed{'' if cell.failed == 1 else 's'}"
    if reported:
        note = f" ({reported.note})" if reported.note else ""
        text = f"{reported_text(reported, report.unit)}{reported.over}; {reported.known}{note}"
        yield "Reported", f"{text}. {report.source}." if report.source else f"{text}."
    if found:
        yield "Verdict", f"{found.outcome}{MARKS[found.known]}"
        yield from _grounds(found, scale)
    reason = reason_of(cell)
    if reason:
        yield "Reason", reason


def _grounds(found: Verdict, scale: Scale) -> Iterable[tuple[str, str]]:
    if found.difference is not None:
        interval = f", 90 % interval {interval_text(found, scale)}" if found.interval else ""
        yield "Difference", f"{scale.signed(found.difference)} {scale.differences}{interval}"
    yield "Margin", scale.text(found.margin)
    if found.p_reproduced is not None:
        yield "p, as large as the margin", probability(found.p_reproduced)
    if found.seeds_if_equal is not None:
        yield "Seeds to decide, if equal", seeds_text(found.seeds_if_equal)
    if found.seeds_if_observed is not None:
        yield "Seeds to decide, if as measured", seeds_text(found.seeds_if_observed)


def _run(record: Record, path: str, scale: Scale) -> tuple[str, ...]:
    made = record.provenance
    return (
        str(record.spec["seed"]),
        scale.text(average_accuracy(record.score)),
        scale.text(during_accuracy(record.score)),
        percent(average_accuracy(record.task_inference)) if record.task_inference else "",
        duration(record.seconds["total"]),
        str(made.get("finished", "not recorded")).replace("T", " ").removesuffix("+00:00"),
        commit(record)[:8] + (" with changes" if made.get("dirty") else ""),
        path,
    )


def _paths(cell: ReportCell) -> tuple[str, ...]:
    return cell.measured.records if cell.measured else ()


def _settings(state: CellState) -> Iterable[tuple[str, str]]:
    if state.spec is None:
        yield "strategy.name", f"{state.cell.strategy} (not here yet)"
        return
    content: Settings = state.spec.to_json()
    del content["seed"]
    yield from flat(content).items()


def _commands(report: Report, cell: ReportCell, state: CellState) -> Iterable[tuple[str, str]]:
    if state.spec is None:
        return
    table, row = report.command, cell.row
    seeds = format_seeds(tuple(cell.measured.scores)) if cell.measured else format_seeds(state.planned_seeds)
    command = shlex.join(["hnet-bench", "run", table, "--rows", row, "--scenarios", cell.scenario, "--seeds", seeds])
    if not cell.measured:
        yield "To run", command
    else:
        # Beside its records nothing would be done again.
        yield "To repeat, in a folder of its own", f"{command} --results repeated"
        yield "To follow it to its records", shlex.join(["hnet-bench", "trace", table, row, cell.scenario])
