"""The cells of a table as reports show them: planned, recorded, reported and judged, before anything is rounded.

All formats are rendered from these, so they cannot disagree. Scores are in the unit of records: fractions, never
percent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import takewhile

from hnet_bench.interfaces import Settings
from hnet_bench.metrics import average_accuracy
from hnet_bench.papers.reported import LEAST_REPEATS, Reported
from hnet_bench.papers.table import Table
from hnet_bench.reporting.statistics import Competitor, Rank, SharedDraws, ranks, step_of
from hnet_bench.reporting.text import SCALES, Scale
from hnet_bench.reporting.verdicts import Verdict, beside_authors_code, verdict_of
from hnet_bench.runs.canonical import canonical_json
from hnet_bench.runs.plan import CellState, records_of, with_repeats
from hnet_bench.runs.record import Record


@dataclass(frozen=True, kw_only=True)
class ReportCell(CellState):
    """A cell beside its records, with its verdict and its rank."""

    verdict: Verdict | None = None  # None if nothing is reported, or no margin declared
    beside_code: Verdict | None = None  # the same of the authors' code, None for fewer than three of its seeds
    rank: Rank = ""

    @property
    def row(self) -> str:
        """The row's name."""
        return self.cell.row

    @property
    def label(self) -> str:
        """The row as tables print it."""
        return self.cell.label

    @property
    def scenario(self) -> str:
        """The scenario as tables print it."""
        return self.cell.scenario.label

    @property
    def reported(self) -> Reported | None:
        """What the paper has."""
        return self.cell.reported

    @property
    def scale(self) -> Scale:
        """How its scores are written."""
        return SCALES[self.cell.unit]

    @property
    def key(self) -> str:
        """Names the cell within its table."""
        return f"{self.row}/{self.scenario}"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those that have a record, in its order."""
        return tuple(record.spec["seed"] for record in self.records)

    @property
    def seeds_with_account(self) -> tuple[int, ...]:
        """Those whose records say what the method keeps and computes."""
        pairs = zip(self.seeds, self.accounts, strict=True)
        return tuple(seed for seed, account in pairs if account["operations"] is not None)

    @property
    def paths(self) -> list[str]:
        """Files of the records, below the results folder."""
        return [f"{record.key}.json" for record in self.records]


@dataclass(frozen=True, kw_only=True, eq=False)
class Report:
    """A table with all that is known of it; runs that several of its cells share count once."""

    table: Table
    command: str  # how the command line calls the table
    cells: tuple[ReportCell, ...]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    @property
    def title(self) -> str:
        """The table's title."""
        return f"{self.table.title} (reduced)" if self.table.reduced else self.table.title

    @property
    def note(self) -> str:
        """What is said about it, on one line."""
        reduced = [f"Reduced: {self.table.reduced}."] if self.table.reduced else []
        return " ".join([*reduced, *self.table.note.split()])

    @property
    def scale(self) -> Scale:
        """How its scores are written."""
        return SCALES[self.table.unit]

    @property
    def measured(self) -> bool:
        """Whether any cell has a record."""
        return any(cell.records for cell in self.cells)

    @property
    def rows(self) -> list[dict[str, ReportCell]]:
        """The cells of each row by their scenario, in the table's order."""
        found: dict[str, dict[str, ReportCell]] = {}
        for cell in self.cells:
            found.setdefault(cell.row, {})[cell.scenario] = cell
        return list(found.values())

    @property
    def scenarios(self) -> list[str]:
        """Labels of the scenarios that occur, in order."""
        return sorted({cell.scenario for cell in self.cells})

    @property
    def outcomes(self) -> Counter[str]:
        """How many cells have each verdict."""
        return Counter(cell.verdict.outcome for cell in self.cells if cell.verdict)

    @cached_property
    def runs(self) -> dict[str, Record]:
        """All records by the keys of their runs."""
        return records_of(self.cells)

    @cached_property
    def planned(self) -> frozenset[str]:
        """The runs that the table plans."""
        return self._keys(lambda cell: cell.planned_seeds)

    @cached_property
    def done(self) -> int:
        """How many of these have a record."""
        return len(self.planned & self.runs.keys())

    @cached_property
    def failed(self) -> int:
        """Runs whose last try failed."""
        return len(self._keys(lambda cell: cell.failed_seeds))

    @cached_property
    def stale(self) -> int:
        """Planned runs that are done, made by code that computed something else."""
        return len(self.planned & self._keys(lambda cell: cell.stale_seeds))

    @property
    def beyond(self) -> int:
        """Runs with seeds that the table does not plan."""
        return len(self.runs.keys() - self.planned)

    @property
    def seconds(self) -> float:
        """What all runs took."""
        return float(sum(record.seconds["total"] for record in self.runs.values()))

    def _keys(self, seeds: Callable[[CellState], Iterable[int]]) -> frozenset[str]:
        cells = with_repeats(self.cells)
        return frozenset(cell.spec.with_seed(seed).key for cell in cells if cell.spec for seed in seeds(cell))


def build_report(table: Table, states: Sequence[CellState], *, command: str) -> Report:
    """The report of a table from the states of its cells; `command` is how the command line calls it."""
    ranked = _ranks(states)
    cells = (
        ReportCell(
            **{one.name: getattr(state, one.name) for one in fields(state)},
            verdict=verdict_on(state),
            beside_code=_beside_code(state),
            rank=rank,
        )
        for state, rank in zip(states, ranked, strict=True)
    )
    return Report(table=table, command=command, cells=tuple(cells))


def runs_of(reports: Iterable[Report]) -> dict[str, Record]:
    """The records of tables, as `records_of` has those of cells."""
    return records_of([cell for report in reports for cell in report.cells])


def status_of(state: CellState) -> Settings:
    """What `status --json` prints of a cell; `verdict` is null where nothing is judged."""
    found = verdict_on(state, plan=False)
    return {**state.to_json(), "verdict": found.outcome if found else None}


def verdict_on(state: CellState, *, plan: bool = True) -> Verdict | None:
    """None if nothing is reported, or no margin declared; `plan` as for `verdict_of`."""
    if state.cell.reported is None:
        return None
    found = evidence(state)
    values, plan = list(found.scores.values()), plan and not repeats_missing(state)
    return verdict_of(values, state.cell.reported, plan=plan, shared=found.shared, look=found.look)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a verdict rests on: average accuracies by seed, the draws that they share with what is reported, if the
    design is matched, and the look after which they were judged, if the table has looks."""

    scores: dict[int, float]
    shared: SharedDraws | None = None
    look: int | None = None


def evidence(state: CellState) -> Evidence:
    """All records of a cell; where its table has looks those of the last look that was reached, in the order in which
    the table has its seeds, so that nobody chooses which and how many are judged, nor by which test."""
    scores = {record.spec["seed"]: average_accuracy(record.score) for record in state.records}
    look = None
    if state.cell.reported and (looks := state.cell.reported.looks):
        in_order = list(takewhile(scores.__contains__, state.cell.judged_seeds))
        reached = [
            look for look in looks if look <= len(in_order) and all(one.records for one in repeats_before(state, look))
        ]
        if look := max(reached, default=None):
            scores = {seed: scores[seed] for seed in in_order[:look]}
    shared = _shared_draws(state, scores)
    if shared and shared.common == shared.draws and not look and state.cell.reported:
        # With all draws of the paper others are left out: about those the verdict is.
        scores = {seed: scores[seed] for seed in scores if seed in state.cell.reported.draws}
    return Evidence(scores=scores, shared=shared, look=look)


def repeats_before(state: CellState, look: int) -> tuple[CellState, ...]:
    """The runs that repeat draws which a look waits for; none if they are too few for its design to be matched."""
    seeds = state.cell.judged_seeds[:look]
    found = tuple(one for one in state.repeats if one.cell.benchmark["draw_seed"] in seeds)
    return found if len(found) >= LEAST_REPEATS else ()


def repeats_missing(state: CellState) -> int:
    """Runs that repeat draws and are not done, where those that are done are too few for a matched design."""
    done = sum(bool(one.records) for one in state.repeats)
    return len(state.repeats) - done if done < LEAST_REPEATS else 0


def _shared_draws(state: CellState, scores: dict[int, float]) -> SharedDraws | None:
    """None unless enough draws were repeated: then it is not known how runs of one draw spread."""
    if state.cell.reported is None:
        return None
    draws, squares = set(state.cell.reported.draws), []
    for one in state.repeats:
        draw = one.cell.benchmark["draw_seed"]
        squares += [(average_accuracy(again.score) - scores[draw]) ** 2 for again in one.records if draw in scores]
    if len(squares) < LEAST_REPEATS:
        return None
    # Half the square of the difference of two runs has the variance of one as its mean.
    within = sum(squares) / len(squares) / 2
    return SharedDraws(draws=len(draws), common=len(draws & scores.keys()), within=within, df=len(squares))


def _beside_code(state: CellState) -> Verdict | None:
    if not state.cell.authors_code:
        return None
    found = evidence(state)
    values = list(found.scores.values())
    return beside_authors_code(values, state.cell.by_authors_code, state.cell.reported, look=found.look)


def _ranks(states: Sequence[CellState]) -> list[Rank]:
    """Ranks of all cells: within each scenario among those that learn the same benchmark, bounds aside."""
    found: list[Rank] = [""] * len(states)
    groups: dict[tuple[str, str], list[int]] = {}
    for index, state in enumerate(states):
        if state.spec and state.records and not state.cell.reference:
            # Benchmark and sizes, but not how the stream is drawn: the papers compare fixed streams with drawn ones.
            facts = f"{state.spec.benchmark} {state.spec.build_benchmark().facts}"
            groups.setdefault((state.cell.scenario.label, facts), []).append(index)
    for indices in groups.values():
        for index, rank in zip(indices, ranked([states[index] for index in indices]), strict=True):
            found[index] = rank
    return found


def ranked(states: Sequence[CellState]) -> list[Rank]:
    """Ranks of cells that have records, all in one scenario and on the same benchmark."""
    finals = [record.score[-1] for one in states for record in one.records]
    # Experiences may differ in size, and an average over them moves by the mean of their steps.
    steps = [step_of(score for score in scores if score is not None) for scores in zip(*finals, strict=True)]
    return ranks(list(map(_competitor, states)), states[0].cell.better, step=sum(steps) / len(steps))


def _competitor(state: CellState) -> Competitor:
    assert state.spec is not None
    return Competitor(
        runs=state.spec.digest,
        data=canonical_json([state.cell.scenario.label, state.spec.benchmark, state.spec.benchmark_settings]),
        scores={record.spec["seed"]: average_accuracy(record.score) for record in state.records},
    )
