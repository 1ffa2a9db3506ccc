"""A plan: which runs of a table are done, which failed, which are to do; read from the store, without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.metrics import METRICS, Better, Summary, summarise
from hnet_bench.papers.cell import Cell
from hnet_bench.papers.reported import STATUS_KEYS
from hnet_bench.papers.search import ON_TEST_DATA
from hnet_bench.papers.table import Table
from hnet_bench.runs.account import ACCOUNT, account
from hnet_bench.runs.departures import departures_of
from hnet_bench.runs.files import file_sum
from hnet_bench.runs.record import Record
from hnet_bench.runs.revisions import changed_since, revisions_of
from hnet_bench.runs.spec import RunSpec, cell_spec, check_benchmark
from hnet_bench.runs.store import CellFiles, Store

# Added to the seed of a draw it is that of the run which repeats the draw: another initialisation, the same data.
REPEATS_FROM = 1000


@dataclass(frozen=True, kw_only=True)
class CellState(CellFiles):
    """A cell of a table beside what the store holds of it; `spec` is None while nothing is chosen for it."""

    cell: Cell
    spec: RunSpec | None
    planned_seeds: tuple[int, ...]
    changed: tuple[tuple[str, ...], ...] = ()  # since each record was made; a record with anything is stale
    repeats: tuple[CellState, ...] = ()  # where the table asks for them: a draw each, with a seed that is no draw

    @cached_property
    def summary(self) -> Summary | None:
        """Average accuracy over seeds (fractions), None if nothing is measured."""
        return self.over_seeds(METRICS["average_accuracy"])

    def over_seeds(self, metric: Callable[[Record, Better], float | None]) -> Summary | None:
        """The mean of a number of each record, over those that have it; None if none has."""
        return summarise([value for one in self.records if (value := metric(one, self.cell.better)) is not None])

    @cached_property
    def accounts(self) -> list[Mapping[str, float | None]]:
        """That of each record."""
        return [account(record) for record in self.records]

    @cached_property
    def account(self) -> dict[str, float | None]:
        """Means over seeds of each number of `ACCOUNT`, None where no record has it."""
        found = {
            name: summarise([value for one in self.accounts if (value := one[name]) is not None]) for name in ACCOUNT
        }
        return {name: summary.mean if summary else None for name, summary in found.items()}

    @cached_property
    def stale_seeds(self) -> tuple[int, ...]:
        """Seeds whose record was made by code that computed something else."""
        pairs = zip(self.records, self.changed, strict=False)
        return tuple(record.spec["seed"] for record, changed in pairs if changed)

    @cached_property
    def departed_seeds(self) -> tuple[int, ...]:
        """Seeds whose run left the protocol, or did something else than its strategy says."""
        return tuple(record.spec["seed"] for record in self.records if departures_of(record))

    @property
    def seeds_tuned_on_test_data(self) -> tuple[int, ...]:
        """Seeds that have a record, if the rule that chose the hyperparameters looked at test data."""
        search = self.cell.search
        return tuple(one.spec["seed"] for one in self.records) if search and search.rule == ON_TEST_DATA else ()

    def to_json(self) -> Settings:
        """What `status --json` prints of a cell, but for its verdict."""
        summary, reported = self.summary, self.cell.reported
        return {
            "table": self.cell.table,
            "row": self.cell.row,
            "scenario": self.cell.scenario.label,
            "done": len(self.records),
            "failed": len(self.failed_seeds),
            "planned": len(self.planned_seeds),
            "stale": len(self.stale_seeds),
            "mean": summary.mean if summary else None,
            "sem": summary.sem if summary else None,
            "reported": reported and {key: getattr(reported, key) for key in STATUS_KEYS},
        }


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The chosen part of a table, and what the store holds of each of its cells."""

    name: str  # how the caller calls the table
    table: Table
    seeds: tuple[int, ...] | None  # None: those of the table, and any that has a record
    store: Store
    states: list[CellState]

    @property
    def runs(self) -> list[RunSpec]:
        """Every different run, whether it is done or not: cells of the same spec share theirs."""
        states = with_repeats(self.states)
        specs = [state.spec.with_seed(seed) for state in states if state.spec for seed in state.planned_seeds]
        return list({spec.key: spec for spec in specs}.values())

    @property
    def planned(self) -> int:
        """Number of different runs."""
        return len(self.runs)

    @property
    def done(self) -> int:
        """Number of these that have a record."""
        return len(records_of(self.states).keys() & {spec.key for spec in self.runs})

    @property
    def shipped(self) -> int:
        """Number of different records that do not stand in the results folder, but were installed."""
        states = with_repeats(self.states)
        files = {state.files[record.spec["seed"]] for state in states for record in state.records}
        return len([path for path in files if not path.is_relative_to(self.store.root)])

    def again(self) -> Selection:
        """The same with what the store holds now."""
        return replace(self, states=table_state(self.table, self.store, self.seeds))


def table_state(table: Table, store: Store, seeds: tuple[int, ...] | None = None) -> list[CellState]:
    """State of every cell, in order. With `seeds` only these count; without, the table's seeds are planned and every
    seed that has a record counts as done. Those of its trials count in neither case: by them it was chosen what to run.
    """
    return _states(table.cells, store, table.seeds, seeds)


def with_repeats(states: Sequence[CellState]) -> list[CellState]:
    """The same with the runs that repeat draws, after all others."""
    return [*states, *(one for state in states for one in state.repeats)]


def records_of(states: Sequence[CellState]) -> dict[str, Record]:
    """The records of cells by the keys of their runs, each once, those that repeat draws included."""
    return {record.key: record for state in with_repeats(states) for record in state.records}


def repeats_together(state: CellState) -> CellState:
    """The repeats of all draws of a cell, of which there are some, as one state."""
    first = state.repeats[0]
    return replace(
        first,
        cell=replace(first.cell, row=f"{state.cell.row}, repeats of draws"),
        planned_seeds=tuple(seed for one in state.repeats for seed in one.planned_seeds),
        records=tuple(record for one in state.repeats for record in one.records),
        failed_seeds=tuple(seed for one in state.repeats for seed in one.failed_seeds),
    )


def _states(
    cells: Sequence[Cell], store: Store, planned: tuple[int, ...], seeds: tuple[int, ...] | None
) -> list[CellState]:
    states = []
    for cell in cells:
        spec = cell_spec(cell)
        found = store.examine(spec) if spec else CellFiles()

        def counts(seed: int, cell: Cell = cell) -> bool:
            return seed not in cell.barred_seeds and (seeds is None or seed in seeds)

        records = tuple(one for one in found.records if counts(one.spec["seed"]))
        present = revisions_of(spec) if spec and records else {}
        state = CellState(
            cell=cell,
            spec=spec,
            planned_seeds=tuple(seed for seed in (seeds or planned) if seed not in cell.barred_seeds),
            failed_seeds=tuple(filter(counts, found.failed_seeds)),
            records=records,
            files=found.files,
            damaged=found.damaged,
            conflicts=found.conflicts,
            lacking=found.lacking,
            changed=tuple(changed_since(record.revisions, present) for record in records),
            repeats=_repeats(cell, store, planned, seeds) if spec else (),
        )
        states.append(state)
    return states


def _repeats(
    cell: Cell, store: Store, planned: tuple[int, ...], seeds: tuple[int, ...] | None
) -> tuple[CellState, ...]:
    """The runs with another initialisation on the first draws that the table has in common with the paper; of those
    the ones of these seeds."""
    reported = cell.reported
    if reported is None or not reported.repeats:
        return ()
    _check_draws(cell)
    able = set(reported.draws).difference(cell.barred_seeds)
    draws = [seed for seed in planned if seed in able][: reported.repeats]
    return tuple(
        state
        for draw in draws
        if seeds is None or draw in seeds
        for state in _states([_on_draw(cell, draw)], store, (), (REPEATS_FROM + draw,))
    )


def _check_draws(cell: Cell) -> None:
    """Raises UserError if the seed of a run is not that of a draw, which could be repeated with another."""
    if "draw_seed" in cell.benchmark:
        raise UserError(f"The {cell.where} has 'repeats' of its draws, and one draw for all its seeds, 'draw_seed'.")
    try:
        cell_spec(_on_draw(cell, 0))
    except UserError as error:
        raise UserError(f"The {cell.where} has 'repeats' of draws, which its benchmark cannot do: {error}") from error


def _on_draw(cell: Cell, draw: int) -> Cell:
    """The cell on one draw for all seeds: none of these is one of the table's, nor of its trials."""
    row, benchmark = f"{cell.row}, draw {draw}", {**cell.benchmark, "draw_seed": draw}
    return replace(cell, row=row, benchmark=benchmark, reported=None, trial_seeds=(), tuned_on=())


def stale_files(states: list[CellState]) -> frozenset[str]:
    """SHA-256 of the file of every stale record of a planned seed: what `Store.renew` takes."""
    return frozenset(
        file_sum(state.files[seed])
        for state in with_repeats(states)
        for seed in state.stale_seeds
        if seed in state.planned_seeds
    )


def runs_to_do(states: list[CellState], store: Store) -> list[RunSpec]:
    """Runs without a sound record or without its arrays, or whose record is to be renewed: first one seed of every
    cell, then the next; those that repeat draws at the end.

    Cells with the same spec share their runs. Raises UserError for a seed that their benchmark cannot be drawn with,
    and for a run whose record is of a newer package.
    """
    todo: dict[str, RunSpec] = {}
    for part in (states, with_repeats(states)[len(states) :]):
        rounds = max((len(state.planned_seeds) for state in part), default=0)
        for index in range(rounds):
            for state in part:
                if state.spec is None or index >= len(state.planned_seeds):
                    continue
                spec = state.spec.with_seed(state.planned_seeds[index])
                done = any(record.spec["seed"] == spec.seed for record in state.records)
                done = done and all(one.path.stem != spec.run_id for one in state.lacking)
                if not done or (store.renew and not store.has(spec)):
                    if any(one.newer for one in state.damaged):
                        store.check_not_newer(spec)
                    check_benchmark(spec.build_benchmark(), spec.scenario, spec.seed, state.cell.where)
                    todo[spec.key] = spec
    return list(todo.values())
