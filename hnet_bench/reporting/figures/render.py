"""All figures of a table: what each of them shows, and the files.

    files = render_all(Subject(table=table, states=states, store=store, command="quick"), formats=("svg",))
    # {"quick.svg": ..., "quick.learning-curves.svg": ..., ...}

A kind is drawn where the records have what it shows. The averages are always among the files, and so is what the table
asks for by `figures = ["regression"]`; where they have no record yet, they say what to run.
"""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy

from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import Table
from hnet_bench.reporting import frames
from hnet_bench.reporting.figures.kinds import KINDS, MAIN, check_kinds, file_name, kind_of
from hnet_bench.reporting.figures.page import FORMATS, Page, encode
from hnet_bench.reporting.figures.panels import Array, Kept
from hnet_bench.runs.files import check_regular, read_regular
from hnet_bench.runs.plan import CellState
from hnet_bench.runs.store import MOST_BYTES_OF_ARRAYS, Store

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A table with its states, in the table's order; `command` is how the command line calls the table."""

    table: Table
    states: Sequence[CellState]
    store: Store
    command: str
    rows: Sequence[str] | None = None  # only these: colours are those of the whole table

    @cached_property
    def scores(self) -> DataFrame:
        """The scores of the cells."""
        return self._chosen(frames.scores(self.states))

    @cached_property
    def cells(self) -> DataFrame:
        """All cells, also those that have no record."""
        return self._chosen(frames.cells(self.states))

    @cached_property
    def kept(self) -> list[Kept]:
        """The arrays of the lowest seed of each cell that keeps some beside its record.

        Raises UserError that names a file which is no NumPy archive.
        """
        found = []
        for state in self.states:
            if self.rows is not None and state.cell.row not in self.rows:
                continue
            seeds = [record.spec["seed"] for record in state.records]
            paths = {
                seed: self.store.path(state.spec.with_seed(seed)).with_suffix(".npz") for seed in seeds if state.spec
            }
            first = next((seed for seed, path in paths.items() if _is_readable(path)), None)
            if first is not None:
                found.append(Kept(state, first, _load(paths[first])))
        return found

    def _chosen(self, frame: DataFrame) -> DataFrame:
        return frame if self.rows is None else frame[frame["row"].isin(self.rows)]


def pages(subject: Subject, kinds: Sequence[str] = tuple(KINDS)) -> dict[str, Page]:
    """What each of these kinds shows of a table, of those that it has. Raises UserError for what a table or an archive
    of arrays has wrong."""
    table = subject.table
    check_kinds(table.figures, table.name)
    found = {kind: _page(subject, kind) for kind in kinds}
    return {kind: page for kind, page in found.items() if page is not None}


# Of which panels are made.
_PLACE = ("row", "method", "title", "scenario")


def _page(subject: Subject, name: str) -> Page | None:
    kind, table = kind_of(name), subject.table
    shown: dict[str, Any] = {}
    if kind.kept:
        panels, caption = kind.kept(subject.kept)
        shown = {"arrays": panels, "caption": caption} if panels else {}
    elif len(chosen := kind.chosen(subject.scores)):
        shown = {
            "what": kind.heading(chosen) if kind.heading else KINDS[name],
            "caption": kind.caption(chosen),
            "scores": chosen[[*_PLACE, *(column for column in kind.columns if column not in _PLACE)]],
            "cells": subject.cells[list(_PLACE)],
        }
    if not shown and name not in (MAIN, *table.figures):
        return None
    empty = "" if shown else _missing(subject)
    return Page(
        kind=name,
        heading=table.title,
        reduced=table.reduced,
        empty=empty,
        **{"what": KINDS[name], "caption": "", **shown},
    )


def render_all(subject: Subject, formats: Sequence[str] = ("svg",)) -> dict[str, bytes]:
    """Name and content of every figure file, in the order of `KINDS`. Raises UserError as `pages` does."""
    return {
        file_name(subject.table.name, kind, suffix): encode(page, suffix)
        for kind, page in pages(subject).items()
        for suffix in formats
    }


def known_format(text: str) -> str:
    """One of `FORMATS`. Raises UserError for anything else."""
    return _known(text.lower(), FORMATS, "format")


def known_kind(text: str) -> str:
    """One of `KINDS`. Raises UserError for anything else."""
    return _known(text, tuple(KINDS), "kind of figure")


def _known(text: str, known: Sequence[str], what: str) -> str:
    if text not in known:
        raise UserError(f"Unknown {what} '{text}': expected {', '.join(known)}.")
    return text


def _missing(subject: Subject) -> str:
    """What stands in place of a figure that has nothing to show."""
    run = shlex.join(["hnet-bench", "run", subject.command])
    if any(state.lacking for state in subject.states):
        return f"The arrays that this figure shows are lost. To make them anew, run: {run}"
    known = [state for state in subject.states if state.spec]
    done = [set(state.planned_seeds) <= {record.spec["seed"] for record in state.records} for state in known]
    if done and all(done):
        return (
            "Every run is done, but none keeps what this figure shows. Arrays stand beside their records, as .npz: if "
            f"they were lost, delete these records, and do the runs again: {run}"
        )
    return f"No record for this figure yet. Run: {run}"


def _is_readable(path: Path) -> bool:
    # What is there and is no file of arrays is named where records are read.
    try:
        check_regular(path, MOST_BYTES_OF_ARRAYS)
    except OSError:
        return False
    return True


def _load(path: Path) -> dict[str, Array]:
    try:
        file = io.BytesIO(read_regular(path, MOST_BYTES_OF_ARRAYS))
        with numpy.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise UserError(
            f"The arrays {path} could not be read ({error}): move the file away to draw the rest."
        ) from error
