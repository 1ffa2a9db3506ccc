"""The files of a folder of reports: their contents, which table each is of, and which are not as they should be.

Files are named after their table, and two tables may have the same name: a hidden file of the folder notes where the
table of each report is, from that folder, "" for one that ships with the package. It stays right if the folder moves
together with the tables. Contents are made in memory, so the same code writes reports and checks them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import is_shipped, table_names
from hnet_bench.reporting import data_files, latex, markdown
from hnet_bench.reporting.appendix import sections
from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.figures.kinds import KINDS, file_name
from hnet_bench.reporting.html_page import page
from hnet_bench.reporting.inline_svg import inline

INDEX, APPENDIX, OWNERS = "index.html", "appendix.md", ".tables.json"
_PICTURES = ("svg", "pdf", "png")

Figures = Mapping[str, Mapping[str, bytes]]  # SVG, by the names of tables, by their kind


def render(
    reports: Sequence[Report], figures: Figures, *, listed: Sequence[Report] | None = None, pages: bool = False
) -> dict[str, bytes]:
    """File names and contents of reports. The same records, papers and versions give the same bytes.

    With `listed`, all tables that the overview is to show, there are a page and an appendix of all; with `pages` a page
    for each of the reports.
    """
    inlined = {
        name: {(title := KINDS[kind].title): inline(svg, title, f"{name}.{kind}") for kind, svg in by_kind.items()}
        for name, by_kind in (figures.items() if pages or listed is not None else ())
    }
    files: dict[str, bytes] = {}
    for report in reports:
        names = {kind: file_name(report.name, kind, "svg") for kind in figures.get(report.name, {})}
        cells = [data_files.cell_json(cell) for cell in report.cells]
        texts = {
            "md": markdown.page(report, figures={KINDS[kind].title: name for kind, name in names.items()}),
            "tex": latex.document(report),
            "csv": data_files.as_csv(cells),
            "json": data_files.as_json(report, cells),
        }
        if pages:
            texts["html"] = page([report], inlined, sections([report]))
        files |= {f"{report.name}.{suffix}": _encoded(text) for suffix, text in texts.items()}
        files |= {name: figures[report.name][kind] for kind, name in names.items()}
    if listed is not None:
        appendix = sections(reports)
        files |= {
            INDEX: _encoded(page(listed, inlined, appendix)),
            APPENDIX: _encoded(markdown.appendix_page(appendix)),
        }
    return files


def _encoded(text: str) -> bytes:
    # The command of a record may name a file whose name is no UTF-8.
    return text.encode(errors="backslashreplace")


def stale(
    expected: Mapping[str, bytes],
    folder: Path,
    *,
    ours: Iterable[str] | None,
    others: Iterable[str],
    ignored: Iterable[str] = (),
) -> list[str]:
    """What keeps a folder from holding exactly the expected files: one line for each file.

    Superfluous is every file but those of the tables `others`, hidden ones and those in `ignored`; if `ours` is given,
    only files of these tables count at all.
    """
    compared = (differing(folder / name, content) for name, content in sorted(expected.items()))
    problems = [problem for problem in compared if problem]
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        place = path.relative_to(folder)
        known = place.as_posix() in {*expected, *ignored} or any(part.startswith(".") for part in place.parts)
        mine = ours is None or any(belongs(path.name, table) for table in ours)
        if mine and not known and not any(belongs(path.name, table) for table in others):
            problems.append(f"{path} is superfluous")
    return problems


def outdated(expected: Mapping[str, bytes], folder: Path, tables: Iterable[str]) -> list[Path]:
    """Figures of these tables that an earlier report wrote and that there are no records for any more."""
    names = dict.fromkeys(file_name(table, kind, "svg") for table in tables for kind in KINDS)
    return [folder / name for name in names if name not in expected and (folder / name).is_file()]


def differing(path: Path, expected: bytes) -> str | None:
    """What keeps a file from having the expected content."""
    if not path.is_file():
        return f"{path} is missing"
    found = path.read_bytes()
    if found == expected:
        return None
    if path.suffix == ".svg":
        return f"{path} shows other data than the records give"
    same = [one == other for one, other in zip(found.split(b"\n"), expected.split(b"\n"), strict=False)]
    return f"{path} differs from line {same.index(False) + 1 if False in same else len(same)} on"


def belongs(name: str, table: str) -> bool:
    """Whether a file of reports is this table's, whatever dots its name has: a page, data or a figure."""
    stem, _, suffix = name.rpartition(".")
    return name in {file_name(table, kind, suffix) for kind in KINDS} if suffix in _PICTURES else stem == table


def owners(folder: Path, tables: Mapping[str, str]) -> bytes:
    """The content of the hidden file, once tables, by what the command line calls them their names, have written there.

    Raises UserError if that would overwrite what another table wrote, or if two of them have the same name.
    """
    noted = _noted(folder)
    claimed: dict[str, str] = {}
    for table, name in tables.items():
        place = "" if is_shipped(table) else os.path.relpath(Path(table).resolve(), folder.resolve())
        if name in (Path(INDEX).stem, Path(APPENDIX).stem) or name.startswith("."):
            raise UserError(f"A table cannot have reports named '{name}', which other files are: rename {table}.")
        for other in (claimed.get(name), noted.get(name)):
            # The folder need not be there yet.
            file = os.path.normpath(folder.resolve() / other) if other else ""
            if other is not None and other != place and (not file or os.path.isfile(file)):
                called = os.path.relpath(file) if file else "the table that ships with hnet_bench"
                raise UserError(
                    f"Reports are named after their table, and '{name}' in {folder} is of {called}, not of {table}: "
                    "rename one of them, or choose another folder with --reports."
                )
        claimed[name] = place
    return (json.dumps({**noted, **claimed}, indent=1, sort_keys=True) + "\n").encode()


def _noted(folder: Path) -> dict[str, str]:
    """Who wrote what, as far as is known: shipped tables have reports that no note was made of."""
    # Unlike Path.exists, os.path.exists is False as well where nothing may be looked at.
    shipped = {name: "" for name in table_names() if os.path.exists(folder / f"{name}.md")}
    try:
        noted = json.loads((folder / OWNERS).read_bytes())
        return {**shipped, **{str(name): str(place) for name, place in noted.items()}}
    except (OSError, ValueError, AttributeError, RecursionError):
        return shipped
