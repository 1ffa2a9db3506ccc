"""All files of a report, in memory: nothing here touches the disk, so the same code writes reports and checks them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from hnet_bench.reporting import data_files, html, latex, markdown
from hnet_bench.reporting.figure import svg
from hnet_bench.reporting.model import Report


def render(report: Report) -> dict[str, bytes]:
    """File names and contents of a report. The same records, papers and versions give the same bytes."""
    picture = svg(report.states)
    name = f"{report.name}.svg" if picture else None
    texts = {
        f"{report.name}.md": markdown.page(report, picture=name),
        f"{report.name}.html": html.page(report, picture=name),
        f"{report.name}.tex": latex.document(report),
        f"{report.name}.csv": data_files.as_csv(report),
        f"{report.name}.json": data_files.as_json(report),
    }
    if picture:
        texts[f"{report.name}.svg"] = picture
    return {file: text.encode() for file, text in texts.items()}


def stale(
    expected: Mapping[str, bytes], folder: Path, *, ours: Iterable[str] | None, others: Iterable[str]
) -> list[str]:
    """What keeps a folder from holding exactly the expected files: one line for each file.

    Superfluous is every file but those of the tables `others` and hidden ones; if `ours` is given, only files of these
    tables count at all.
    """
    problems = []
    for name, content in sorted(expected.items()):
        path = folder / name
        if not path.is_file():
            problems.append(f"{path} is missing")
        elif (found := path.read_bytes()) != content:
            problems.append(f"{path} differs from line {_first_difference(found, content)} on")
    present = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    for path in present:
        mine = ours is None or any(_belongs(path, table) for table in ours)
        if path.relative_to(folder).as_posix() not in expected and mine and not any(_belongs(path, t) for t in others):
            problems.append(f"{path} is superfluous")
    return problems


def _belongs(path: Path, table: str) -> bool:
    return path.name.partition(".")[0] == table


def _first_difference(found: bytes, expected: bytes) -> int:
    pairs = zip(found.split(b"\n"), expected.split(b"\n"), strict=False)
    same = [one == other for one, other in pairs]
    return same.index(False) + 1 if False in same else len(same)
