"""Figures that a folder of reports has already, and the drawing of those that it lacks.

A hidden file of the folder notes what the figures of each table were made from, its records and the code, and how they
stand in the page. Where that has not changed they are taken as they are, without a look at any score. Where it has,
`report --check` compares the data that figures show, so that other code or another version of matplotlib is no
difference.
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
from typing import Any, NamedTuple

import hnet_bench
from hnet_bench.reporting.figures.kinds import KINDS, file_name
from hnet_bench.reporting.figures.page import Page, Subject, data_sum_of, pages
from hnet_bench.reporting.inline_svg import InlineSvg, inline

NOTES = ".drawn.json"
_WORTH_A_PROCESS = 4  # figures: a process takes seconds to load what draws


class Figure(NamedTuple):
    """A figure as a file, and as a part of the page."""

    svg: bytes
    inline: InlineSvg


def figures_of(
    subjects: Iterable[Subject], folder: Path | None = None, *, check: bool = False
) -> tuple[dict[str, dict[str, Figure]], bytes]:
    """The figures of tables, by table and kind, and the content of the hidden file.

    Those in `folder` that were made from the same are taken, or with `check` those that show the same; the others are
    drawn. Raises UserError as `pages` does.
    """
    notes = _read_notes(folder) if folder else {}
    found: dict[tuple[str, str], bytes] = {}  # empty as long as it is not drawn
    missing: dict[tuple[str, str], Page] = {}
    for subject in subjects:
        table, made_from = subject.table.name, _made_from(subject)
        same = notes.get(table, {}).get("made from") == made_from
        if not same:
            shown = {kind: page.data_sum() for kind, page in pages(subject).items()}
            notes[table] = {"made from": made_from, "shown": shown, "inline": {}}
        for kind in (kind for kind in KINDS if kind in notes[table]["shown"]):
            kept = _content(folder, table, kind, notes[table]["shown"][kind]) if folder and (check or same) else b""
            # One that somebody drew in another size shows the same, and is not the report's.
            if not check and sha256(kept).hexdigest() != notes[table]["inline"].get(kind, {}).get("of"):
                kept = b""
            found[table, kind] = kept
            if not kept:
                missing[table, kind] = pages(subject, [kind])[kind]
    found |= zip(missing, encode_all(list(missing.values())), strict=True)
    figures: dict[str, dict[str, Figure]] = {subject.table.name: {} for subject in subjects}
    for (table, kind), svg in found.items():
        svg_sum, noted = sha256(svg).hexdigest(), notes[table]["inline"]
        if noted.get(kind, {}).get("of") != svg_sum:
            noted[kind] = {"of": svg_sum, **inline(svg, KINDS[kind].title, f"{table}.{kind}")._asdict()}
        figures[table][kind] = Figure(svg, InlineSvg(noted[kind]["markup"], noted[kind]["rules"]))
    return figures, (json.dumps(notes, indent=1) + "\n").encode()


def _made_from(subject: Subject) -> str:
    archives = [sha256(content).hexdigest() for *_, content in subject.archives]
    parts = (_code_sum(), subject.table, subject.states, archives, subject.command)
    return sha256(repr(parts).encode()).hexdigest()


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


def _read_notes(folder: Path) -> dict[str, dict[str, Any]]:
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
