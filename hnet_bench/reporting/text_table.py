"""Tables of text that every format renders: a column is declared once, with its heading and what it says of an item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from hnet_bench.reporting.cells import ReportCell

Item = TypeVar("Item")
Align: TypeAlias = Literal["left", "right", "center"]


@dataclass(frozen=True)
class Entry:
    """One entry of a table."""

    text: str
    best: bool = False  # to be set in bold
    outcome: str = ""  # of the verdict that it shows
    cell: str = ""  # the cell whose records stand behind it, as `ReportCell.key`


@dataclass(frozen=True)
class Column(Generic[Item]):
    """One column: what stands above it, also above it and its neighbours of the same group, and what it says of an
    item, such as a cell or a record."""

    heading: str
    of: Callable[[Item], str]
    align: Align = "right"
    group: str = ""
    scenario: str = ""  # where items are rows: the scenario of the cell that it is about
    shows: Literal["", "rank", "verdict"] = ""  # the best rank in bold, the verdict in colour
    # In a terminal that is too narrow for all columns the one with the highest number is left out first; one with 0,
    # such as a name that is to be typed, never.
    spare: int = 0
    prose: bool = False  # a narrow terminal may begin a new line between its words


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of text with its legend."""

    name: str  # short, fit for a label
    title: str
    columns: tuple[Column[Any], ...]
    rows: tuple[tuple[Entry, ...], ...]
    sections: tuple[int, ...] = ()  # indices of rows before which a new section begins
    notes: tuple[str, ...] = ()

    @property
    def bodies(self) -> list[tuple[tuple[Entry, ...], ...]]:
        """The rows of each section."""
        ends = (*self.sections, len(self.rows))
        return [self.rows[first:last] for first, last in zip((0, *self.sections), ends, strict=True)]


def text_table(
    columns: Sequence[Column[Any]],
    items: Iterable[Any],
    *,
    name: str = "",
    title: str = "",
    sections: tuple[int, ...] = (),
    notes: Iterable[str] = (),
    drop_empty: bool = False,
) -> TextTable:
    """A table with a row for each item; with `drop_empty` without columns that say nothing of any."""
    rows = [[_field(column, item) for column in columns] for item in items]
    kept = [index for index in range(len(columns)) if not drop_empty or any(row[index].text for row in rows)]
    return TextTable(
        name=name,
        title=title,
        columns=tuple(columns[index] for index in kept),
        rows=tuple(tuple(row[index] for index in kept) for row in rows),
        sections=sections,
        notes=tuple(notes),
    )


def _field(column: Column[Any], item: Any) -> Entry:
    if column.scenario:
        item = item.get(column.scenario)
        if item is None:
            return Entry("")
    if not isinstance(item, ReportCell):
        return Entry(column.of(item))
    outcome = item.verdict.outcome if item.verdict and column.shows == "verdict" else ""
    return Entry(column.of(item), best=column.shows == "rank" and item.rank == "best", outcome=outcome, cell=item.key)


def sections_of(cells: Sequence[ReportCell]) -> tuple[int, ...]:
    """Where the benchmark changes from one row to the next."""
    names = [str(cell.cell.benchmark.get("name", "")) for cell in cells]
    return tuple(index for index, (one, other) in enumerate(pairwise(names), start=1) if one != other)


# Columns that several tables have

LABEL: Column[ReportCell] = Column("", lambda cell: cell.label, "left")
SCENARIO: Column[ReportCell] = Column("Scenario", lambda cell: cell.scenario, "left")
