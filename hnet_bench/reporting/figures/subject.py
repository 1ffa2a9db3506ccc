"""What a figure is about: a table, what the store holds of it, and what all of its figures say of it.

Loads neither numpy nor matplotlib until something is drawn: a report whose figures are kept needs none.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

from hnet_bench.interfaces import UserError
from hnet_bench.papers.seeds import format_seeds
from hnet_bench.papers.table import Table
from hnet_bench.runs.files import check_regular, read_regular
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.store import MOST_BYTES_OF_ARRAYS, Store

if TYPE_CHECKING:
    from hnet_bench.reporting.figures.estimates import Array
    from hnet_bench.reporting.figures.style import Look

SCENARIO_NAMES = {"CL1": "CL1: task given", "CL2": "CL2: domain", "CL3": "CL3: class"}

# From this number of experiences on they are too many for a marker and a tick label each.
MANY = 20


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """What the scores of a table are."""

    name: str
    unit: str  # "" for a plain number
    factor: float  # from records to the axis
    ceiling: float | None  # the best possible value on the axis, where there is one

    @property
    def label(self) -> str:
        """The text of an axis."""
        return f"{self.name}, {self.unit}" if self.unit else self.name


ACCURACY = Quantity(name="accuracy", unit="%", factor=100.0, ceiling=100.0)
FRACTION = Quantity(name="accuracy", unit="as a fraction", factor=1.0, ceiling=1.0)
SQUARED_ERROR = Quantity(name="mean squared error", unit="", factor=1.0, ceiling=None)
_UNITS = {"percent": ACCURACY, "fraction": FRACTION, "mse": SQUARED_ERROR}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A table with its states, in the table's order; `command` is how the command line calls the table."""

    table: Table
    states: Sequence[CellState]
    store: Store
    command: str

    @property
    def reduced(self) -> str:
        """What was reduced, "" at full budget."""
        return self.table.reduced

    @property
    def declared(self) -> tuple[str, ...]:
        """Kinds of figures that the table asks for."""
        return self.table.figures

    @property
    def quantity(self) -> Quantity:
        """What the scores are."""
        return _UNITS[self.table.unit]

    @property
    def measured(self) -> list[CellState]:
        """The cells that have a record."""
        return [state for state in self.states if state.records]

    @property
    def coverage(self) -> str:
        """Says how many cells have no record; "" if all have one."""
        absent = len(self.states) - len(self.measured)
        return f"{absent} of {len(self.states)} cells have no record yet." if absent else ""

    def look(self, state: CellState) -> Look:
        """What a row is drawn with in all figures of the table."""
        from hnet_bench.reporting.figures.style import look

        return look(self.table.rows.index(state.cell.row))

    def arrays(self, state: CellState) -> tuple[int, dict[str, Array]] | None:
        """The lowest seed of a cell that keeps arrays beside its record, and these; None if there is none.

        Raises UserError that names a file which is no NumPy archive.
        """
        found = self._archive(state)
        return found and (found[0], _load(found[1]))

    def archive(self, state: CellState) -> Path | None:
        """The file that `arrays` reads, None if there is none."""
        found = self._archive(state)
        return found and found[1]

    def _archive(self, state: CellState) -> tuple[int, Path] | None:
        # Every kind of figure asks for it.
        if id(state) not in self._archives:
            self._archives[id(state)] = self._find_archive(state)
        return self._archives[id(state)]

    @cached_property
    def _archives(self) -> dict[int, tuple[int, Path] | None]:
        return {}

    def _find_archive(self, state: CellState) -> tuple[int, Path] | None:
        if state.spec is None:
            return None
        seeds = (record.spec["seed"] for record in state.records)
        paths = ((seed, self.store.path(state.spec.with_seed(seed)).with_suffix(".npz")) for seed in seeds)
        return next(((seed, path) for seed, path in paths if _is_readable(path)), None)


def seeds_text(states: Sequence[CellState]) -> str:
    """ "Seeds 1-5." or, where cells have different ones, "Seeds 1-9 (1 to 9 in a cell)." """
    seeds = [tuple(record.spec["seed"] for record in state.records) for state in states]
    every = sorted({seed for cell in seeds for seed in cell})
    noun = "Seed" if len(every) == 1 else "Seeds"
    least, most = min(map(len, seeds)), max(map(len, seeds))
    if len(set(seeds)) == 1:
        return f"{noun} {format_seeds(tuple(every))}."
    number = str(least) if least == most else f"{least} to {most}"
    return f"{noun} {format_seeds(tuple(every))} ({number} in a cell)."


def groups(states: Sequence[CellState]) -> dict[tuple[str, int, str], list[CellState]]:
    """Cells that can share axes: by the benchmark's name, its number of experiences and the scenario's label."""
    found: dict[tuple[str, int, str], list[CellState]] = {}
    for state in states:
        key = (state.cell.benchmark["name"], len(state.records[0].score), state.cell.scenario.label)
        found.setdefault(key, []).append(state)
    # Benchmarks in the table's order, scenarios in theirs.
    order = list(dict.fromkeys(key[:2] for key in found))
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0][:2]), item[0][2])))


def group_titles(keys: Sequence[tuple[str, int, str]]) -> dict[tuple[str, int, str], str]:
    """What stands above the axes of each group: the scenario, below the benchmark where there are several."""
    several = len({key[:2] for key in keys}) > 1
    return {key: (f"{key[0]}, {key[1]} experiences\n" if several else "") + SCENARIO_NAMES[key[2]] for key in keys}


def head_of(titles: Iterable[str]) -> float:
    """Inches that the highest of these titles takes above its axes."""
    return 0.1 + 0.16 * max(title.count("\n") + 1 for title in titles)


def _is_readable(path: Path) -> bool:
    # What is there and is no file of arrays is named where records are read.
    try:
        check_regular(path, MOST_BYTES_OF_ARRAYS)
    except OSError:
        return False
    return True


def _load(path: Path) -> dict[str, Array]:
    import numpy

    try:
        file = io.BytesIO(read_regular(path, MOST_BYTES_OF_ARRAYS))
        with numpy.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(
            f"The arrays {path} could not be read ({error}): move the file away to draw the rest."
        ) from error
