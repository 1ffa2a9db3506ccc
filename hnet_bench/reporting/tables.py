"""From states of cells to text: the only place where fractions become percent and numbers are rounded.

The text is laid out by `markdown` and `terminal`; both show the same strings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hnet_bench.metrics import average_accuracy, during_accuracy, forgetting, summarise
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.papers.table import Reported
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.record import Record

NOT_RUN = "not run"
MARKS = {"verified": "", "second-hand": "‡", "recalled": "†"}

STALE = "§"

_MEANING = {
    "second-hand": "read in somebody else's transcription of the paper",
    "recalled": "written down from memory, not checked against the paper",
}


@dataclass(frozen=True, kw_only=True)
class ResultCell:
    """One row in one scenario, measured and reported."""

    scenario: str
    measured: str
    reported: str  # "" if nothing is reported
    done: int
    failed: int
    planned: int


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One row of a table, with the scenarios that it has."""

    name: str
    label: str
    cells: tuple[ResultCell, ...]

    def cell(self, scenario: str) -> ResultCell | None:
        """The cell in this scenario, if the row has one."""
        return next((cell for cell in self.cells if cell.scenario == scenario), None)


@dataclass(frozen=True, kw_only=True)
class Details:
    """What else the records of a cell tell; means over seeds."""

    label: str
    scenario: str
    seeds: str
    during: str
    final: str
    forgetting: str
    task_inference: str
    trained_parameters: str
    compression_ratio: str
    seconds: str
    diagnostics: str


def result_rows(states: Sequence[CellState]) -> list[ResultRow]:
    """The rows of a table, in its order."""
    by_row: dict[str, list[CellState]] = {}
    for state in states:
        by_row.setdefault(state.cell.row, []).append(state)
    return [
        ResultRow(name=name, label=group[0].cell.label, cells=tuple(_result_cell(state) for state in group))
        for name, group in by_row.items()
    ]


def details(states: Sequence[CellState]) -> list[Details]:
    """One entry for every cell that has a record."""
    return [_details(state) for state in states if state.records]


def legend(states: Sequence[CellState]) -> list[str]:
    """What the numbers and marks of these cells mean, one sentence each."""
    lines = ["Measured: average test accuracy over all experiences after the last one; mean ± SEM (number of seeds)."]
    if any(state.stale_seeds for state in states):
        lines.append(
            f"{STALE} stale: the code of the strategy has changed since some of these runs were made; "
            "hnet-bench run with --rerun-stale renews them."
        )
    reported = [state.cell.reported for state in states if state.cell.reported]
    if not reported:
        return lines
    kinds = sorted({_spread_meaning(number) for number in reported})
    lines.append(f"Reported: {' or '.join(kinds)}.")
    for known, meaning in _MEANING.items():
        if any(number.known == known for number in reported):
            lines.append(f"{MARKS[known]} {known}: {meaning}.")
    return lines


def reported_sources(states: Sequence[CellState]) -> list[str]:
    """How the reported numbers are known: one line for each way, with the cells that it holds for."""
    groups: dict[tuple[str, str], dict[str, list[str]]] = {}
    for state in states:
        number = state.cell.reported
        if number:
            rows = groups.setdefault((number.known, number.note), {})
            rows.setdefault(state.cell.label, []).append(state.cell.scenario.label)
    return [
        f"{known}{f' ({note})' if note else ''}: "
        + "; ".join(f"{label} {', '.join(scenarios)}" for label, scenarios in rows.items())
        for (known, note), rows in groups.items()
    ]


def made_with(states: Sequence[CellState]) -> list[str]:
    """The versions of the code, the versions of torch and the processors behind the records, with numbers of runs."""
    by_run = {(state.cell.scenario, record.run_id): record for state in states for record in state.records}
    kinds: dict[str, Counter[str]] = {"Code": Counter(), "torch": Counter(), "Device": Counter()}
    for record in by_run.values():
        made = record.provenance
        dirty = " with changes" if made.get("dirty") else ""
        kinds["Code"][f"commit {str(made.get('commit'))[:8]}{dirty}"] += 1
        kinds["torch"][str(made.get("versions", {}).get("torch"))] += 1
        device = made.get("device")
        kinds["Device"][str(made.get("cpu") if device == "cpu" else device)] += 1
    return [
        f"{kind}: {', '.join(f'{name} ({count} runs)' for name, count in sorted(counter.items()))}"
        for kind, counter in kinds.items()
        if counter
    ]


def scenarios(states: Sequence[CellState]) -> list[str]:
    """Labels of the scenarios that occur, in order."""
    return sorted({state.cell.scenario.label for state in states})


def measured_text(state: CellState) -> str:
    """ "69.48 ± 0.80 (20)", "69.48 (1)" or "not run", with a mark if a record is stale."""
    summary = state.summary
    if summary is None:
        return NOT_RUN
    return f"{_with_spread(summary.mean, summary.sem)} ({summary.n}){STALE if state.stale_seeds else ''}"


def reported_text(reported: Reported | None) -> str:
    """ "69.48 ± 0.80" with the mark of how it is known, "" for None."""
    return "" if reported is None else _with_spread(reported.mean, reported.spread) + MARKS[reported.known]


def percent(fraction: float) -> str:
    """Two decimals, as the papers print.

    >>> percent(0.6948)
    '69.48'
    """
    text = f"{100 * fraction:.2f}"
    return "0.00" if text == "-0.00" else text


def duration(seconds: float) -> str:
    """A time that people can read at a glance.

    >>> duration(3725)
    '1 h 02 min'
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def _result_cell(state: CellState) -> ResultCell:
    return ResultCell(
        scenario=state.cell.scenario.label,
        measured=measured_text(state),
        reported=reported_text(state.cell.reported),
        done=len(state.records),
        failed=len(state.failed_seeds),
        planned=len(state.planned_seeds),
    )


def _details(state: CellState) -> Details:
    records = state.records
    inferred = [average_accuracy(record.task_inference) for record in records if record.task_inference]
    return Details(
        label=state.cell.label,
        scenario=state.cell.scenario.label,
        seeds=format_seeds(tuple(record.spec["seed"] for record in records)),
        during=_mean_percent(during_accuracy(record.score) for record in records),
        final=_mean_percent(average_accuracy(record.score) for record in records),
        forgetting=_mean_percent(forgetting(record.score) for record in records),
        task_inference=_mean_percent(inferred),
        trained_parameters=f"{records[0].parameters['trained']:,}",
        compression_ratio=f"{records[0].parameters['compression_ratio']:.3f}",
        seconds=f"{_mean([record.seconds['total'] for record in records]):.1f}",
        diagnostics=_diagnostics(records),
    )


def _diagnostics(records: Sequence[Record]) -> str:
    names = sorted({name for record in records for name in record.diagnostics})
    means = {name: _mean([record.diagnostics.get(name, 0) for record in records]) for name in names}
    return ", ".join(f"{name} {mean:g}" for name, mean in means.items())


def _mean_percent(fractions: Iterable[float]) -> str:
    values = list(fractions)
    return percent(_mean(values)) if values else ""


def _mean(values: Sequence[float]) -> float:
    summary = summarise(values)
    return summary.mean if summary else 0.0


def _with_spread(mean: float, spread: float | None) -> str:
    return percent(mean) if spread is None else f"{percent(mean)} ± {percent(spread)}"


def _spread_meaning(reported: Reported) -> str:
    kind = {"sem": "mean ± SEM", "sd": "mean ± SD", None: "mean"}[reported.spread_kind]
    return kind if reported.n is None else f"{kind} over {reported.n} seeds"
