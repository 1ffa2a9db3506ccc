"""Figures that a folder of reports has already, and the drawing of those that it lacks.

A hidden file of the folder notes what the figures of each table were made from: its records, and the code. Where that
has not changed they are taken as they are, without a look at any score. `report --check` compares the data that figures
show instead, so that other code or another version of matplotlib is no difference.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import hnet_bench
from hnet_bench.reporting.figures.kinds import KINDS, file_name
from hnet_bench.reporting.figures.page import Page, Subject, data_sum_of, pages

NOTES = ".drawn.json"
_WORTH_A_PROCESS = 4  # figures: a process takes seconds to load what draws


class KeptFigures:
    """The figures of tables: those in `folder` that were made from the same are taken, or with `check` those that show
    the same; the others are drawn."""

    def __init__(self, folder: Path | None, *, check: bool = False) -> None:
        self._folder, self._check = folder, check
        self._notes = _read_notes(folder) if folder else {}
        self._found: dict[str, dict[str, bytes]] = {}  # by table and kind, empty as long as it is not drawn
        self._missing: dict[tuple[str, str], Page] = {}

    def add(self, subject: Subject) -> None:
        """Takes the figures of a table that are there. Raises UserError as `pages` does."""
        table = subject.table.name
        archives = [sha256(content).hexdigest() for *_, content in subject.archives]
        parts = (_code_sum(), subject.table, subject.states, archives, subject.command)
        made_from = sha256(repr(parts).encode()).hexdigest()
        noted = self._notes.get(table, {})
        same = noted.get("made from") == made_from
        if self._check or not same:
            noted = {"made from": made_from, **{kind: page.data_sum() for kind, page in pages(subject).items()}}
        self._notes[table], self._found[table] = noted, {}
        for kind in (kind for kind in KINDS if kind in noted):
            content = self._content(table, kind, noted[kind]) if self._check or same else b""
            self._found[table][kind] = content
            if not content:
                self._missing[table, kind] = pages(subject, [kind])[kind]

    def by_table(self) -> dict[str, dict[str, bytes]]:
        """The SVG of each kind that a table has, for each table that was added, by its name."""
        for (table, kind), content in zip(self._missing, encode_all(list(self._missing.values())), strict=True):
            self._found[table][kind] = content
        self._missing.clear()
        return self._found

    def note(self) -> bytes:
        """The content of the hidden file: by table what its figures were made from, and the sum of each."""
        return (json.dumps(self._notes, indent=1, sort_keys=True) + "\n").encode()

    def _content(self, table: str, kind: str, data_sum: str) -> bytes:
        """The figure in the folder; empty if it shows other data, or is not whole."""
        try:
            content = (self._folder / file_name(table, kind, "svg")).read_bytes() if self._folder else b""
        except OSError:
            return b""
        return content if data_sum_of(content) == data_sum and content.endswith(b"</svg>\n") else b""


def encode_all(shown: Sequence[Page]) -> list[bytes]:
    """The SVG of each page, drawn by several processes where they are many; the same bytes for any number of them."""
    if not shown:
        return []
    from hnet_bench.reporting.figures.layout import encode

    workers = min(len(os.sched_getaffinity(0)), len(shown) // _WORTH_A_PROCESS) if sys.platform == "linux" else 1
    if workers > 1:
        try:
            with ProcessPoolExecutor(
                workers, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
            ) as pool:
                return list(pool.map(encode, shown))
        except BrokenProcessPool:  # one was killed, for memory perhaps
            pass
    return [encode(page) for page in shown]


def _read_notes(folder: Path) -> dict[str, dict[str, str]]:
    """What an earlier report noted; what cannot be read is as if it were not there."""
    try:
        notes: Any = json.loads((folder / NOTES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return (
        {table: noted for table, noted in notes.items() if isinstance(noted, dict)} if isinstance(notes, dict) else {}
    )


@cache
def _code_sum() -> str:
    """SHA-256 of all our code, whatever part of it makes frames or draws them."""
    folder = Path(hnet_bench.__file__).parent
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".mplstyle"))
    return sha256(b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)).hexdigest()
