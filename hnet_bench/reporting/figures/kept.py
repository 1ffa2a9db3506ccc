"""Figures that a folder of reports has already, and the drawing of those that it lacks.

A figure names the data that it shows. One that shows what it would show now need not be drawn again, unless the code
that draws has changed; which code drew it stands in a hidden file of the folder. `report --check` looks at the data
alone, so that another version of matplotlib is no difference.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path
from typing import Any

from hnet_bench.reporting.figures.kinds import file_name
from hnet_bench.reporting.figures.page import Page, data_sum_of, encode
from hnet_bench.reporting.figures.render import Subject, pages

NOTES = ".drawn.json"
_WORTH_A_PROCESS = 4  # figures: a process takes seconds to load what draws


class KeptFigures:
    """The figures of tables: those in `folder` that show the present data are taken, the others drawn. With `check`
    code does not matter, without a folder all are drawn."""

    def __init__(self, folder: Path | None, *, check: bool = False) -> None:
        self._folder, self._check = folder, check
        self._notes: dict[str, Any] = _read(folder / NOTES) if folder else {}
        self._found: dict[str, dict[str, bytes | None]] = {}  # by table and kind, None as long as it is not drawn
        self._missing: dict[tuple[str, str], Page] = {}

    def add(self, subject: Subject) -> None:
        """Takes the figures of a table that are there. Raises UserError as `pages` does."""
        table = subject.table.name
        self._found[table] = {}
        for kind, page in pages(subject).items():
            self._found[table][kind] = self._kept(file_name(table, kind, "svg"), page)
            if self._found[table][kind] is None:
                self._missing[table, kind] = page

    def by_table(self) -> dict[str, dict[str, bytes]]:
        """The SVG of each kind that a table has, for each table that was added, by its name."""
        for (table, kind), content in zip(self._missing, encode_all(list(self._missing.values())), strict=True):
            self._found[table][kind] = content
            self._notes[file_name(table, kind, "svg")] = _code_sum()
        self._missing.clear()
        return {table: {kind: svg for kind, svg in of.items() if svg is not None} for table, of in self._found.items()}

    def note(self) -> bytes:
        """The content of the hidden file: by which code each figure was drawn."""
        return (json.dumps(self._notes, indent=1, sort_keys=True) + "\n").encode()

    def _kept(self, name: str, page: Page) -> bytes | None:
        if self._folder is None or not (self._check or self._notes.get(name) == _code_sum()):
            return None
        try:
            content = (self._folder / name).read_bytes()
        except OSError:
            return None
        return content if data_sum_of(content) == page.data_sum() and content.endswith(b"</svg>\n") else None


def encode_all(shown: Sequence[Page]) -> list[bytes]:
    """The SVG of each page, drawn by several processes where they are many; the same bytes for any number of them."""
    workers = min(len(os.sched_getaffinity(0)), len(shown) // _WORTH_A_PROCESS) if sys.platform == "linux" else 1
    if workers > 1:
        large_first = sorted(range(len(shown)), key=lambda index: -len(shown[index].panels))
        try:
            with ProcessPoolExecutor(
                workers, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN)
            ) as pool:
                drawn = dict(zip(large_first, pool.map(encode, [shown[index] for index in large_first]), strict=True))
            return [drawn[index] for index in range(len(shown))]
        except BrokenProcessPool:  # one was killed, for memory perhaps
            pass
    return [encode(page) for page in shown]


def _read(path: Path) -> dict[str, Any]:
    """What an earlier report noted; what cannot be read is as if it were not there."""
    try:
        notes = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}


@cache
def _code_sum() -> str:
    """SHA-256 of the code that draws, and of its style sheet."""
    files = sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in (".py", ".mplstyle"))
    return hashlib.sha256(b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)).hexdigest()
