"""The one model of a report: every number of a table, measured, reported and judged, before anything is rounded.

All formats are rendered from it, so they cannot disagree. Scores are in the unit of records: fractions, never percent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hnet_bench.interfaces import Settings
from hnet_bench.metrics import ScoreMatrix, Summary, average_accuracy, during_accuracy, forgetting, summarise
from hnet_bench.papers.table import Better, Reported, Table, Unit
from hnet_bench.reporting.ranking import Competitor, Rank, ranks, step_of
from hnet_bench.reporting.verdicts import Outcome, Verdict, judge, verdict
from hnet_bench.runs.canonical import canonical_json
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the records of one cell say; summaries are over seeds."""

    final: Summary  # mean score over experiences after the last one
    during: Summary  # of each experience right after training on it
    # Best earlier score less the final one; positive is worse, whichever direction is better. None if not all scores
    # that it needs were measured.
    forgetting: Summary | None
    task_inference: Summary | None  # how often the task was inferred right after the last experience
    scores: Mapping[int, float]  # seed -> final
    trained_parameters: int
    compression_ratio: float
    seconds: Summary
    peak_memory_bytes: Summary | None  # of those runs that know it
    diagnostics: Mapping[str, float]  # means over seeds
    stale_seeds: tuple[int, ...]  # of records made by code that computed something else
    unknown_seeds: tuple[int, ...]  # of those of which that cannot be told
    departed_seeds: tuple[int, ...]  # of those whose runs were outside the protocol, see `runs.departures`
    records: tuple[str, ...]  # paths below the results folder, in the order of `scores`


@dataclass(frozen=True, kw_only=True)
class ReportCell:
    """One row in one scenario."""

    row: str
    label: str
    scenario: str
    benchmark: str
    comparable: str  # cells with the same text here are compared with each other: benchmark and sizes
    planned: int
    failed: int
    measured: Measured | None
    reported: Reported | None
    verdict: Verdict | None  # None if nothing is reported, or no margin declared
    rank: Rank = ""

    @property
    def key(self) -> str:
        """Names the cell within its table."""
        return f"{self.row}/{self.scenario}"

    @property
    def stale_seeds(self) -> tuple[int, ...]:
        """Those of records made by code that computed something else."""
        return self.measured.stale_seeds if self.measured else ()

    @property
    def unknown_seeds(self) -> tuple[int, ...]:
        """Those of records of which that cannot be told."""
        return self.measured.unknown_seeds if self.measured else ()

    @property
    def departed_seeds(self) -> tuple[int, ...]:
        """Those of records whose runs were outside the protocol."""
        return self.measured.departed_seeds if self.measured else ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """A table with all that is known of it."""

    table: Table
    command: str  # how the command line calls the table
    cells: tuple[ReportCell, ...]
    states: tuple[CellState, ...]  # what the cells were made from, in the same order

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def title(self) -> str:
        """The table's title."""
        return f"{self.table.title} (reduced)" if self.table.reduced else self.table.title

    @property
    def source(self) -> str:
        """Where its reported numbers stand."""
        return self.table.source

    @property
    def note(self) -> str:
        """What is said about it, on one line."""
        reduced = [f"Reduced: {self.table.reduced}."] if self.table.reduced else []
        return " ".join([*reduced, *self.table.note.split()])

    @property
    def unit(self) -> Unit:
        """How its scores are written."""
        return self.table.unit

    @property
    def better(self) -> Better:
        """Which direction is the better one."""
        return self.table.better

    @property
    def measured(self) -> bool:
        """Whether any cell has a record."""
        return any(cell.measured for cell in self.cells)

    @property
    def rows(self) -> dict[str, list[ReportCell]]:
        """Cells by the name of their row, in the table's order."""
        found: dict[str, list[ReportCell]] = {}
        for cell in self.cells:
            found.setdefault(cell.row, []).append(cell)
        return found

    @property
    def scenarios(self) -> list[str]:
        """Labels of the scenarios that occur, in order."""
        return sorted({cell.scenario for cell in self.cells})

    @property
    def outcomes(self) -> Counter[Outcome]:
        """How many cells have each verdict."""
        return Counter(cell.verdict.outcome for cell in self.cells if cell.verdict)


def build_report(table: Table, states: Sequence[CellState], *, command: str) -> Report:
    """The report of a table from the states of its cells; `command` is how the command line calls it."""
    cells = [_cell(state) for state in states]
    ranked = _ranks(states, cells)
    return Report(
        table=table,
        command=command,
        cells=tuple(_with_rank(cell, rank) for cell, rank in zip(cells, ranked, strict=True)),
        states=tuple(states),
    )


def status_of(state: CellState) -> Settings:
    """What `status --json` prints of a cell; `verdict` is null where nothing is judged."""
    values = [average_accuracy(record.score) for record in state.records]
    found = judge(values, state.cell.reported) if state.cell.reported else None
    return {**state.to_json(), "verdict": found.outcome if found else None}


def _cell(state: CellState) -> ReportCell:
    cell = state.cell
    scores = {record.spec["seed"]: average_accuracy(record.score) for record in state.records}
    return ReportCell(
        row=cell.row,
        label=cell.label,
        scenario=cell.scenario.label,
        benchmark=str(cell.benchmark.get("name", "")),
        comparable=_comparable(state),
        planned=len(state.planned_seeds),
        failed=len(state.failed_seeds),
        measured=_measured(state, scores) if scores else None,
        reported=cell.reported,
        verdict=verdict(list(scores.values()), cell.reported) if cell.reported else None,
    )


def _measured(state: CellState, scores: Mapping[int, float]) -> Measured:
    records = state.records
    sign = 1 if state.cell.better == "higher" else -1
    forgotten = [forgetting(_times(sign, record.score)) for record in records]
    inferred = [average_accuracy(record.task_inference) for record in records if record.task_inference]
    memory = [record.peak_memory_bytes for record in records if record.peak_memory_bytes]
    return Measured(
        final=_summary(list(scores.values())),
        during=_summary([during_accuracy(record.score) for record in records]),
        forgetting=None if None in forgotten else summarise([value for value in forgotten if value is not None]),
        task_inference=summarise(inferred),
        scores=scores,
        trained_parameters=records[0].parameters["trained"],
        compression_ratio=records[0].parameters["compression_ratio"],
        seconds=_summary([record.seconds["total"] for record in records]),
        peak_memory_bytes=summarise(memory),
        diagnostics=_diagnostics(records),
        stale_seeds=state.stale_seeds,
        unknown_seeds=state.unknown_seeds,
        departed_seeds=state.departed_seeds,
        records=tuple(_path(state.spec, seed) for seed in scores),
    )


def _ranks(states: Sequence[CellState], cells: Sequence[ReportCell]) -> list[Rank]:
    """Ranks of all cells: within each scenario among those that learn the same benchmark, bounds aside."""
    found: list[Rank] = [""] * len(cells)
    groups: dict[tuple[str, str], list[int]] = {}
    for index, (state, cell) in enumerate(zip(states, cells, strict=True)):
        if cell.measured and not state.cell.reference:
            groups.setdefault((cell.scenario, cell.comparable), []).append(index)
    for indices in groups.values():
        competitors = [_competitor(states[index], cells[index]) for index in indices]
        step = step_of(score for index in indices for record in states[index].records for score in _final(record))
        found_here = ranks(competitors, states[indices[0]].cell.better, step=step)
        for index, rank in zip(indices, found_here, strict=True):
            found[index] = rank
    return found


def _competitor(state: CellState, cell: ReportCell) -> Competitor:
    assert state.spec is not None
    assert cell.measured is not None
    data = canonical_json([cell.scenario, state.spec.benchmark, state.spec.benchmark_settings])
    return Competitor(runs=state.spec.digest, data=data, scores=cell.measured.scores)


def _final(record: Record) -> list[float]:
    return [score for score in record.score[-1] if score is not None]


def _comparable(state: CellState) -> str:
    """Benchmark and sizes, but not how the stream is drawn: the papers compare fixed streams with drawn ones."""
    spec = state.spec
    return "" if spec is None else f"{spec.benchmark} {spec.build_benchmark().facts}"


def _with_rank(cell: ReportCell, rank: Rank) -> ReportCell:
    return ReportCell(**{**cell.__dict__, "rank": rank})


def _summary(values: Sequence[float]) -> Summary:
    summary = summarise(values)
    assert summary is not None
    return summary


def _times(sign: int, score: ScoreMatrix) -> list[list[float | None]]:
    return [[None if value is None else sign * value for value in row] for row in score]


def _diagnostics(records: Sequence[Record]) -> dict[str, float]:
    names = sorted({name for record in records for name in record.diagnostics})
    return {name: _summary([record.diagnostics.get(name, 0) for record in records]).mean for name in names}


def _path(spec: Any, seed: int) -> str:
    assert isinstance(spec, RunSpec)
    return f"{spec.with_seed(seed).key}.json"
