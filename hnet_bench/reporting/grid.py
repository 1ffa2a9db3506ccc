"""A grid of text: what every format lays out in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from hnet_bench.reporting.model import ReportCell
from hnet_bench.reporting.verdicts import Outcome


@dataclass(frozen=True)
class Entry:
    """One field of a grid."""

    text: str
    best: bool = False  # to be set in bold
    outcome: Outcome | None = None  # of the verdict that it shows
    cell: str = ""  # the cell whose records stand behind it, as `ReportCell.key`


@dataclass(frozen=True)
class Column:
    """One column: what stands above it, also above it and its neighbours with the same group."""

    heading: str
    group: str = ""
    align: Literal["left", "right", "center"] = "right"


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A table of text with its legend."""

    name: str  # short, fit for a label
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Entry, ...], ...]
    sections: tuple[int, ...] = ()  # indices of rows before which a new section begins
    notes: tuple[str, ...] = ()

    @property
    def bodies(self) -> list[tuple[tuple[Entry, ...], ...]]:
        """The rows of each section."""
        ends = (*self.sections, len(self.rows))
        return [self.rows[first:last] for first, last in zip((0, *self.sections), ends, strict=True)]


def sections_of(cells: Sequence[ReportCell]) -> tuple[int, ...]:
    """Where the benchmark changes from one row to the next."""
    changes = enumerate(pairwise(cells), start=1)
    return tuple(index for index, (one, other) in changes if one.benchmark != other.benchmark)
