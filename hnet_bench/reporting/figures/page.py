"""Pages: what the figures of a table show, before anything is drawn, and the hash of it that their files name.

    for kind, page in pages(Subject(table=table, states=states, command="quick")).items():
        file_name(table.name, kind, "svg"), encode(page)

A kind has a page where the records have what it shows. The averages always have one, and so has what the table asks for
by `figures = ["regression"]`; where they have no record yet, they say what to run.
"""

from __future__ import annotations

import hashlib
import io
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy

from hnet_bench.interfaces import UserError
from hnet_bench.papers.cell import Cell
from hnet_bench.papers.table import Table
from hnet_bench.reporting import frames
from hnet_bench.reporting.figures.kinds import KINDS, MAIN, check_kinds
from hnet_bench.reporting.figures.panels import Array, Kept, Panel
from hnet_bench.runs.files import read_regular
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.record import NO_ARRAYS
from hnet_bench.runs.store import MOST_BYTES_OF_ARRAYS

if TYPE_CHECKING:
    from pandas import DataFrame

_SUM = re.compile(rb"hnet_bench data sha256:([0-9a-f]{64})")
_PLACE = ("row", "method", "title", "scenario")  # of which panels are made
# Of numbers in the hash: coarser than the last bits of a sum, finer than what is drawn, small errors included.
_DECIMALS = 12
# Of those with quantiles of t, which SciPy has up to 5e-9 of their value off in 1.11.1, 3e-11 in 1.16.3 and 4e-15 in
# 1.17.1.
_DECIMALS_OF_INTERVALS = 6
_INTERVALS = ("difference_low", "difference_high")
_MOST_NAMED = 6  # of cells without a record, in a caption


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A table with its states, in the table's order; `command` is how the command line calls the table."""

    table: Table
    states: Sequence[CellState]
    command: str
    # Only these, scenarios by their labels: colours are those of the whole table.
    rows: Sequence[str] | None = None
    scenarios: Sequence[str] | None = None

    @cached_property
    def scores(self) -> DataFrame:
        """The scores of the cells."""
        return self._chosen(frames.scores(self.states))

    @cached_property
    def cells(self) -> DataFrame:
        """All cells, also those that have no record."""
        return self._chosen(frames.cells(self.states))

    @cached_property
    def trials(self) -> DataFrame:
        """What the searches of the cells tried."""
        return self._chosen(frames.trials(self.states))

    @cached_property
    def kept(self) -> list[Kept]:
        """The arrays of the lowest seed of each cell that has some beside its record. Raises UserError that names a
        file which is no NumPy archive."""
        found = []
        for state in self.states:
            if not state.spec or not self.shows(state.cell):
                continue
            lost = {one.path for one in state.lacking}
            for record in state.records:
                seed = record.spec["seed"]
                path = state.files[seed].with_suffix(".npz")
                if record.arrays == NO_ARRAYS or path in lost:  # what stands there is not of this record
                    continue
                try:
                    content = read_regular(path, MOST_BYTES_OF_ARRAYS)
                except OSError:  # named where records are read
                    continue
                try:
                    with numpy.load(io.BytesIO(content), allow_pickle=False) as archive:
                        found.append(Kept(state, seed, dict(archive)))
                except (OSError, ValueError, EOFError, BadZipFile) as error:
                    raise UserError(
                        f"The arrays {path} could not be read ({error}): move the file away to draw the rest."
                    ) from error
                break
        return found

    def shows(self, cell: Cell) -> bool:
        """Whether figures have this cell."""
        return (self.rows is None or cell.row in self.rows) and (
            self.scenarios is None or cell.scenario.label in self.scenarios
        )

    def _chosen(self, frame: DataFrame) -> DataFrame:
        for column, only in (("row", self.rows), ("scenario", self.scenarios)):
            frame = frame if only is None else frame[frame[column].isin(only)]
        return frame


@dataclass(frozen=True, kw_only=True, eq=False)
class Page:
    """What a figure of a table shows."""

    kind: str
    heading: str  # of the table
    what: str  # is shown of it
    caption: str = ""
    reduced: str = ""  # what was reduced, "" at full budget
    scores: DataFrame | None = None
    cells: DataFrame | None = None  # all that are planned
    arrays: Sequence[Panel] = ()
    empty: str = ""  # what to say where there is nothing to show

    @property
    def panels(self) -> Sequence[Panel]:
        """What is drawn."""
        return self.arrays if self.scores is None else KINDS[self.kind].panels(self.scores, self.cells)

    def data_sum(self) -> str:
        """SHA-256 of everything that is shown, whatever draws or computes it: texts, and numbers to 6 decimals."""
        digest = hashlib.sha256()
        for part in self._parts():
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()

    def _parts(self) -> Iterator[bytes]:
        yield repr((self.kind, self.heading, self.what, self.caption, self.reduced, self.empty)).encode()
        frames: dict[str, Any] = {"shown": self.scores, "planned": self.cells}
        for name, frame in frames.items():
            for column in () if frame is None else frame.columns:
                yield f"{name} {column}".encode()
                if frame[column].dtype.kind in "fiub":
                    decimals = _DECIMALS_OF_INTERVALS if column in _INTERVALS else _DECIMALS
                    yield _bytes(frame[column].to_numpy(), decimals)
                else:
                    codes, values = frame[column].factorize()
                    yield from (_bytes(codes), repr([str(value) for value in values]).encode())
        for panel in self.arrays:
            options = {name: value for name, value in panel.options.items() if name != "limits"}
            yield repr((panel.title, panel.row, panel.column, options)).encode()
            for name, array in sorted(panel.data.items()):
                yield name.encode() + _bytes(array)


def _bytes(values: Array, decimals: int = _DECIMALS) -> bytes:
    if values.dtype.kind != "f":
        return values.astype("<i8").tobytes()
    rounded = numpy.round(values.astype("<f8"), decimals) + 0.0  # no negative zero
    return numpy.where(numpy.isnan(rounded), numpy.nan, rounded).tobytes()


def data_sum_of(content: bytes) -> str | None:
    """The sum that a file names, an SVG, a PDF or a PNG; None if it is no figure of ours."""
    found = _SUM.search(content)
    return found[1].decode() if found else None


def pages(subject: Subject, kinds: Iterable[str] = tuple(KINDS)) -> dict[str, Page]:
    """What each of these kinds shows of a table, of those that it has. Raises UserError for what a table or an archive
    of arrays has wrong."""
    check_kinds(subject.table.figures, subject.table.name)
    found = {kind: _page(subject, kind) for kind in kinds}
    return {kind: page for kind, page in found.items() if page is not None}


def _page(subject: Subject, name: str) -> Page | None:
    kind, table = KINDS[name], subject.table
    of_table: dict[str, Any] = {"kind": name, "heading": table.title, "reduced": table.reduced}
    if kind.kept:
        panels, caption = kind.kept(subject.kept)
        if panels:
            return Page(**of_table, what=kind.title, caption=caption, arrays=panels)
    elif len(chosen := kind.chosen(subject.trials if kind.trials else subject.scores)):
        return Page(
            **of_table,
            what=kind.heading(chosen) if kind.heading else kind.title,
            caption=kind.caption(chosen) + _not_run(kind.waits_for(subject.cells)),
            scores=chosen[list(dict.fromkeys((*_PLACE, *kind.columns)))],
            cells=subject.cells[list(_PLACE)],
        )
    if name in (MAIN, *table.figures):
        return Page(**of_table, what=kind.title, empty=_missing(subject))
    return None


def _not_run(cells: DataFrame) -> str:
    """The end of a caption that names the cells, or where they are many how many, of which there is no record yet."""
    missing = cells[cells["n"] == 0]
    if missing.empty:
        return ""
    if len(missing) > _MOST_NAMED:
        return f" Without a record yet: {len(missing)} of {len(cells)} cells."
    scenarios = missing.groupby(["row", "label"], sort=False)["scenario"].agg(", ".join)
    return f" Without a record yet: {'; '.join(f'{label} ({mine})' for (_, label), mine in scenarios.items())}."


def _missing(subject: Subject) -> str:
    """What stands in place of a figure that has nothing to show."""
    run = shlex.join(["hnet-bench", "run", subject.command])
    if any(state.lacking for state in subject.states):
        return f"The arrays that this figure shows are lost. To make them anew, run: {run}"
    if not any(state.records for state in subject.states):
        return f"No record yet. Run: {run}"
    known = [state for state in subject.states if state.spec]
    if all(set(state.planned_seeds) <= {record.spec["seed"] for record in state.records} for state in known):
        return (
            "Every run is done, but none keeps what this figure shows. Arrays stand beside their records, as .npz: if "
            f"they were lost, delete these records, and do the runs again: {run}"
        )
    return f"Too few of the runs are done for this figure. To do the others, run: {run}"
