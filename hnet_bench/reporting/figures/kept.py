"""Figures that an earlier report drew and that need not be drawn again.

Drawing is what a report spends its time on, and a sweep changes one table at a time. So a report notes, in a hidden
file of its folder, what each table's figures were drawn from, as one hash over everything that they can depend on, and
the hash of each picture. A picture is taken from the folder only if both are still the same; `report --check` takes
none.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from hnet_bench.interfaces import Settings
from hnet_bench.reporting.figures.kinds import KINDS, file_name
from hnet_bench.reporting.figures.subject import Subject
from hnet_bench.runs.files import read_regular
from hnet_bench.runs.store import MOST_BYTES_OF_ARRAYS

if TYPE_CHECKING:
    from hnet_bench.reporting.figures.parallel import Drawing

NOTES = ".drawn.json"
_LIBRARIES = ("matplotlib", "numpy", "scipy")


class KeptFigures:
    """The figures in a folder of reports: those that are as they would be drawn are taken, the others drawn. Without a
    folder all are drawn."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._notes = _read(folder / NOTES) if folder else {}
        self._found: dict[str, dict[str, bytes]] = {}  # by table
        self._begun: dict[str, tuple[Subject, str]] = {}  # what is being drawn, and what it is drawn from

    def start(self, subject: Subject) -> None:
        """Takes the figures of a table, or begins to draw them."""
        table = subject.table.name
        origin = _origin(subject) if self._folder else ""
        kept = self._kept(table, origin)
        if kept is None:
            self._begun[table] = subject, origin
            self._drawing.start(subject)
        else:
            self._found[table] = kept

    def by_table(self) -> dict[str, dict[str, bytes]]:
        """The SVG of each kind that a table has, for each table that was started, by its name."""
        if self._begun:
            every = self._drawing.of([subject for subject, _ in self._begun.values()])
            for (table, (_, origin)), drawn in zip(self._begun.items(), every, strict=True):
                self._found[table] = drawn
                pictures = {kind: _sum(content) for kind, content in drawn.items()}
                self._notes[table] = {"from": origin, "pictures": pictures}
            self._begun.clear()
        return self._found

    @cached_property
    def _drawing(self) -> Drawing:
        from hnet_bench.reporting.figures.parallel import Drawing

        return Drawing()

    def note(self) -> bytes:
        """The content of the hidden file, for the figures that were asked for and what it said of other tables."""
        return (json.dumps(self._notes, indent=1, sort_keys=True) + "\n").encode()

    def _kept(self, table: str, origin: str) -> dict[str, bytes] | None:
        """The figures of a table, None if any of them must be drawn."""
        note = self._notes.get(table)
        if self._folder is None or note is None or note["from"] != origin:
            return None
        try:
            found = {
                kind: (self._folder / file_name(table, kind, "svg")).read_bytes()
                for kind in KINDS
                if kind in note["pictures"]
            }
        except OSError:
            return None
        return found if {kind: _sum(content) for kind, content in found.items()} == note["pictures"] else None


def _read(path: Path) -> dict[str, Settings]:
    """What an earlier report noted, by table; what cannot be read is as if it were not there."""
    try:
        notes = json.loads(path.read_bytes())
        return {name: note for name, note in notes.items() if {"from", "pictures"} <= note.keys()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _origin(subject: Subject) -> str:
    """SHA-256 over everything that a table's figures can depend on."""
    digest = hashlib.sha256()
    for part in _parts(subject):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def _parts(subject: Subject) -> Iterator[bytes]:
    yield _drawn_by()
    yield repr((subject.table, subject.command)).encode()
    for state in subject.states:
        yield repr([getattr(state, part.name) for part in fields(state) if part.name != "records"]).encode()
        for record in state.records:
            # What JSON can say, marshal says in a fifth of the time; figures show nothing of where a record was made.
            yield marshal.dumps({name: value for name, value in vars(record).items() if name != "provenance"}, 2)
        if path := subject.archive(state):
            yield read_regular(path, MOST_BYTES_OF_ARRAYS)


@cache
def _drawn_by() -> bytes:
    """What draws: our code, Python and the libraries."""
    return " ".join([_sum_of_code(), sys.version, *(version(name) for name in _LIBRARIES)]).encode()


def _sum_of_code() -> str:
    """Of all that reports are made with, which is what decides about a picture of the same records."""
    folder = Path(__file__).parent.parent
    return _sum(b"".join(path.read_bytes() for path in sorted(folder.rglob("*.py"))))


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
