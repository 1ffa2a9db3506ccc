"""All files of reports, in memory: nothing here touches the disk, so the same code writes reports and checks them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hnet_bench.reporting import data_files, latex, markdown
from hnet_bench.reporting.appendix import sections
from hnet_bench.reporting.figures.kinds import KINDS, file_name
from hnet_bench.reporting.model import Report
from hnet_bench.reporting.page.render import page
from hnet_bench.runs.store import Store

if TYPE_CHECKING:
    from hnet_bench.reporting.figures.render import Subject

INDEX, APPENDIX = "index.html", "appendix.md"
_PICTURES = ("svg", "pdf", "png")


def render(
    reports: Sequence[Report],
    store: Store,
    *,
    listed: Sequence[Report] | None,
    pages: bool = False,
    figures: Callable[[], Mapping[str, Mapping[str, bytes]]] | None = None,
) -> dict[str, bytes]:
    """File names and contents of reports. The same records, papers and versions give the same bytes.

    With `listed`, all tables that the overview is to show, there are a page and an appendix of all; with `pages` a page
    for each of the reports. `figures`, asked when all is done that goes without them, gives by the name of a report its
    SVGs by their kind; without it they are drawn here.
    """
    texts = [_texts(report) for report in reports]
    appendix = sections(reports) if listed is not None else []
    by_name = figures() if figures else _figures(reports, store)
    found = [by_name.get(report.name, {}) for report in reports]
    titled = [_titled(drawn) for drawn in found]
    files: dict[str, bytes] = {}
    for report, text, drawn, pictures in zip(reports, texts, found, titled, strict=True):
        files |= _files(report, text, drawn)
        if pages:
            files[f"{report.name}.html"] = _encoded(page([report], [pictures], sections([report])))
    if listed is not None:
        pictures_of = {report.name: pictures for report, pictures in zip(reports, titled, strict=True)}
        shown = page(listed, [pictures_of.get(report.name, {}) for report in listed], appendix)
        files |= {INDEX: _encoded(shown), APPENDIX: _encoded(markdown.appendix_page(appendix))}
    return files


def _texts(report: Report) -> dict[str, str]:
    """Files that say nothing of figures, by the ends of their names."""
    return {"tex": latex.document(report), "csv": data_files.as_csv(report), "json": data_files.as_json(report)}


def _files(report: Report, texts: Mapping[str, str], figures: Mapping[str, bytes]) -> dict[str, bytes]:
    names = _names(report, figures)
    every = {"md": markdown.page(report, figures=names), **texts}
    encoded = {f"{report.name}.{suffix}": _encoded(text) for suffix, text in every.items()}
    return encoded | dict(zip(names.values(), figures.values(), strict=True))


def _encoded(text: str) -> bytes:
    # The command of a record may name a file whose name is no UTF-8.
    return text.encode(errors="backslashreplace")


def subject_of(report: Report, store: Store) -> Subject:
    """What the figures of a report are about."""
    from hnet_bench.reporting.figures.render import Subject

    return Subject(table=report.table, states=report.states, store=Store(store.root), command=report.command)


def _figures(reports: Sequence[Report], store: Store) -> dict[str, dict[str, bytes]]:
    """The SVGs of each report that has a record, by their kind; nobody waits for matplotlib where there is none."""
    drawn = [report for report in reports if report.measured]
    if not drawn:
        return {}
    from hnet_bench.reporting.figures.kept import KeptFigures

    figures = KeptFigures(None)
    for report in drawn:
        figures.add(subject_of(report, store))
    return figures.by_table()


def _titled(figures: Mapping[str, bytes]) -> dict[str, bytes]:
    return {KINDS[kind]: content for kind, content in figures.items()}


def _names(report: Report, figures: Mapping[str, bytes]) -> dict[str, str]:
    """File names of the figures by their titles."""
    return {KINDS[kind]: file_name(report.name, kind, "svg") for kind in figures}


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
    present = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    for path in present:
        mine = ours is None or any(belongs(path.name, table) for table in ours)
        name = path.relative_to(folder).as_posix()
        if (
            name not in expected
            and name not in ignored
            and mine
            and not any(belongs(path.name, table) for table in others)
        ):
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
    if path.suffix == ".svg":
        return None if found == expected else f"{path} shows other data than the records give"
    return None if found == expected else f"{path} differs from line {_first_difference(found, expected)} on"


def belongs(name: str, table: str) -> bool:
    """Whether a file of reports is this table's, whatever dots its name has: a page, data or a figure."""
    stem, _, suffix = name.rpartition(".")
    if suffix not in _PICTURES:
        return stem == table
    return name in {file_name(table, kind, suffix) for kind in KINDS}


def _first_difference(found: bytes, expected: bytes) -> int:
    pairs = zip(found.split(b"\n"), expected.split(b"\n"), strict=False)
    same = [one == other for one, other in pairs]
    return same.index(False) + 1 if False in same else len(same)
