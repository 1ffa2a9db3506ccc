"""Figures that a folder of reports has already, and the drawing of those that it lacks.

A figure names the data that it shows, and a hidden file of the folder notes which figures this code drew. What shows
the same and was drawn by it is taken as it is; for `report --check` it is enough to show the same, so that other code
or another version of matplotlib is no difference.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import hnet_bench
from hnet_bench.reporting.figures.kinds import file_name
from hnet_bench.reporting.figures.page import Page, Subject, data_sum_of, pages

NOTES = ".drawn.json"
_WORTH_A_PROCESS = 4  # figures: a process takes seconds to load what draws


def figures_of(
    subjects: Iterable[Subject], folder: Path | None = None, *, check: bool = False
) -> tuple[dict[str, dict[str, bytes]], bytes]:
    """The figures of tables as SVG, by table and kind, and the content of the hidden file.

    Those in `folder` that show what they would now are taken, unless other code drew them; with `check` whoever drew
    them. The others are drawn. Raises UserError as `pages` does.
    """
    notes = _read_notes(folder) if folder else {}
    found: dict[str, dict[str, bytes]] = {}
    missing: dict[tuple[str, str], Page] = {}
    for subject in subjects:
        table = subject.table.name
        found[table] = {}
        for kind, page in pages(subject).items():
            svg = _content(folder, table, kind, page.data_sum()) if folder else b""
            # One that somebody drew in another size shows the same, and is not the report's.
            found[table][kind] = svg if check or notes.get(file_name(table, kind, "svg")) == _drawn(svg) else b""
            if not found[table][kind]:
                missing[table, kind] = page
    for (table, kind), svg in zip(missing, encode_all(list(missing.values())), strict=True):
        found[table][kind] = svg
    notes |= {file_name(table, kind, "svg"): _drawn(svg) for table, made in found.items() for kind, svg in made.items()}
    return found, (json.dumps(notes, indent=1) + "\n").encode()


def _drawn(svg: bytes) -> str:
    """What is noted of a figure: this file, drawn by this code."""
    return sha256(_code_sum().encode() + svg).hexdigest()


def _content(folder: Path, table: str, kind: str, data_sum: str) -> bytes:
    """The figure in the folder; empty if it shows other data, or is not whole."""
    try:
        content = (folder / file_name(table, kind, "svg")).read_bytes()
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


def _read_notes(folder: Path) -> dict[str, Any]:
    """What an earlier report noted of the figures that are still there; what cannot be read is as if it were not."""
    try:
        notes: Any = json.loads((folder / NOTES).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {name: note for name, note in notes.items() if (folder / name).is_file()} if isinstance(notes, dict) else {}


@cache
def _code_sum() -> str:
    """SHA-256 of all our code, whatever part of it makes frames or draws them."""
    folder = Path(hnet_bench.__file__).parent
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".mplstyle"))
    return sha256(b"\0".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)).hexdigest()
