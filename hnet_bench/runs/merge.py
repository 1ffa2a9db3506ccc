"""Two stores become one: in any order, again and again, with the same files at the end.

For each run the files of both stores are pooled, and what the pool says decides, never where a file came from:

* Records with the same scores are one: that of a clean checkout before that of a changed one, then one with arrays
  beside it, then that whose file has the least SHA-256. Times and hardware are all that is given up with the others.
* Records with different scores are all kept. The same rule says which of them counts; the others stand beside it as
  `.conflict-<8 hex>.json`.
* A record that one store has superseded does not come back from the other: a file of the same content is left out.
* A failure is kept while there is no record. Damaged files are kept as `.damaged-<8 hex>` and never count.
* What is no file, such as a pipe, or is far too large for one of ours stays where it is and is named.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from hnet_bench.interfaces import UserError
from hnet_bench.runs.canonical import checksum
from hnet_bench.runs.files import alone, check_regular, move_aside, read_regular, short_hash, write_atomically
from hnet_bench.runs.record import Record
from hnet_bench.runs.store import MOST_BYTES, MOST_BYTES_OF_ARRAYS, RUN_ID, lost_arrays, read_record

_DEPTH = 3  # of the folders that hold records: benchmark, scenario, strategy


@dataclass(frozen=True, kw_only=True)
class Conflict:
    """A run whose records have different scores: the file that counts, then the others."""

    paths: tuple[Path, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True, kw_only=True)
class Merged:
    """How a merge ended."""

    added: int  # runs that had no record before
    restored: int  # runs whose record was damaged before, and is sound now
    records: int  # runs that have one now
    conflicts: tuple[Conflict, ...]
    damaged: tuple[tuple[Path, str], ...]  # where a damaged file stands now, and what is wrong with it
    unreadable: tuple[tuple[Path, str], ...]  # what is no file, or far too large, and stays out: path and problem


@dataclass(frozen=True)
class _Candidate:
    content: bytes
    record: Record

    @property
    def scores(self) -> str:
        return checksum([self.record.score, self.record.task_inference])


@dataclass
class _Pool:
    """The files of one run, from both stores."""

    run_id: str
    candidates: dict[bytes, _Candidate] = field(default_factory=dict)
    archives: dict[bytes, bytes] = field(default_factory=dict)  # a record's content -> the arrays beside it
    superseded: set[bytes] = field(default_factory=set)  # contents
    failures: list[bytes] = field(default_factory=list)
    aside: dict[str, bytes] = field(default_factory=dict)  # by file name: what is kept and never counts
    problems: dict[str, str] = field(default_factory=dict)  # by file name: what is wrong with a damaged file

    def add(self, path: Path) -> None:
        name, content = path.name, read_regular(path, _most(path))
        if name.endswith(".failed"):
            self.failures.append(content)
        elif name == f"{self.run_id}.json" or ".conflict-" in name:
            if path.suffix == ".json":
                self._add_record(path, content)
        elif name != f"{self.run_id}.npz":
            # Arrays are named after their record; if two differ, which one stays must not depend on the order.
            self.aside[name] = min(content, self.aside.get(name, content))
            if ".superseded-" in name and path.suffix == ".json":
                self.superseded.add(content)

    def _add_record(self, path: Path, content: bytes) -> None:
        archive = path.with_suffix(".npz")
        arrays = read_regular(archive, _most(archive)) if _problem(archive) is None else None
        try:
            self.candidates[content] = _Candidate(content, read_record(path))
        except UserError as error:
            name = f"{self.run_id}.json.damaged-{short_hash(content)}"
            self.aside[name], self.problems[name] = content, str(error)
            if arrays is not None:
                archive_name = f"{self.run_id}.npz.damaged-{short_hash(content)}"
                self.aside[archive_name] = min(arrays, self.aside.get(archive_name, arrays))
            return
        if arrays is not None and lost_arrays(path, self.candidates[content].record):
            self.aside[f"{self.run_id}.npz.damaged-{short_hash(arrays)}"] = arrays
        elif arrays is not None:
            self.archives[content] = min(arrays, self.archives.get(content, arrays))

    def chosen(self) -> list[_Candidate]:
        """One record for each set of scores, the one that counts first."""
        # Renewing a record ends with the new one in the place of the old; if it was cut off, the old one still counts.
        everything = self.candidates.values()
        found = [one for one in everything if one.content not in self.superseded] or everything
        best: dict[str, _Candidate] = {}
        for candidate in sorted(found, key=self._order):
            best.setdefault(candidate.scores, candidate)
        return list(best.values())

    def _order(self, one: _Candidate) -> tuple[bool, bool, str]:
        changed = one.record.provenance.get("dirty") is not False
        return changed, one.content not in self.archives, hashlib.sha256(one.content).hexdigest()

    def files(self) -> dict[str, bytes]:
        """What the merged store holds of this run: name and content, that which counts last."""
        files = dict(self.aside)
        chosen = self.chosen()
        if self.failures and not chosen:
            files[f"{self.run_id}.failed"] = min(self.failures)
        for candidate in reversed(chosen):
            stem = _stem(self.run_id, candidate, chosen)
            if candidate.content in self.archives:
                files[f"{stem}.npz"] = self.archives[candidate.content]
            files[f"{stem}.json"] = candidate.content
        return files


def merge(other: Path, into: Path) -> Merged:
    """Adds the records below `other` to the store below `into`; nothing below `other` changes.

    An interrupted merge loses nothing and is completed by the next. Raises UserError if `other` is no store or `into`
    cannot be written to.
    """
    theirs, ours = _runs(other), _runs(into)
    if not other.is_dir() or not theirs:
        raise UserError(
            f"{other} is no results folder: expected files as <benchmark>/<scenario>/<strategy>/seed*.json."
        )
    if other.resolve() == into.resolve():
        raise UserError(f"{other} and {into} are the same folder: there is nothing to merge.")
    added = restored = records = 0
    conflicts, damaged, unreadable = [], [], []
    for folder, run_id in sorted(theirs.keys() | ours.keys()):
        place = into / folder
        try:
            with alone(place):
                before, strange = _told_apart(_of_run(place, run_id))
                others, more = _told_apart(theirs.get((folder, run_id), []))
                unreadable += [*strange, *more]
                pool = _pool(run_id, [*before, *others])
                stood = [read_regular(path, MOST_BYTES) for path in before if path.name == f"{run_id}.json"]
                _write(place, before, pool.files())
        except OSError as error:
            raise UserError(f"Run {run_id} cannot be merged into {place}: {error.strerror}.") from error
        chosen = pool.chosen()
        records += bool(chosen)
        added += bool(chosen) and not stood
        restored += bool(chosen) and not all(content in pool.candidates for content in stood)
        if len(chosen) > 1:
            paths = tuple(place / f"{_stem(run_id, one, chosen)}.json" for one in chosen)
            conflicts.append(Conflict(paths=paths, records=tuple(one.record for one in chosen)))
        damaged += [(place / name, problem) for name, problem in sorted(pool.problems.items())]
    return Merged(
        added=added,
        restored=restored,
        records=records,
        conflicts=tuple(conflicts),
        damaged=tuple(damaged),
        unreadable=tuple(unreadable),
    )


def _runs(root: Path) -> dict[tuple[PurePosixPath, str], list[Path]]:
    """The files of each run below a results folder. Raises UserError for a folder that is there and cannot be read."""
    found: dict[tuple[PurePosixPath, str], list[Path]] = {}
    for place, folders, names in os.walk(root, onerror=_refuse, followlinks=True):
        folder = PurePosixPath(Path(place).relative_to(root))
        if len(folder.parts) < _DEPTH:
            continue
        folders.clear()
        for path in (Path(place, name) for name in sorted(names)):
            if (match := RUN_ID.match(path.name)) and _belongs(path):
                found.setdefault((folder, match[0]), []).append(path)
    return found


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise UserError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error


def _of_run(folder: Path, run_id: str) -> list[Path]:
    return [path for path in sorted(folder.glob(f"{run_id}.*")) if _belongs(path)]


def _belongs(path: Path) -> bool:
    kept_aside = (".conflict-", ".superseded-", ".damaged-")
    return path.suffix in (".json", ".npz", ".failed") or any(mark in path.name for mark in kept_aside)


def _told_apart(paths: list[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Those that can be read as files, and the others with what they are instead."""
    problems = {path: _problem(path) for path in paths}
    return [path for path in paths if problems[path] is None], [(path, text) for path, text in problems.items() if text]


def _problem(path: Path) -> str | None:
    try:
        check_regular(path, _most(path))
    except OSError as error:
        return error.strerror
    return None


def _most(path: Path) -> int:
    return MOST_BYTES_OF_ARRAYS if ".npz" in path.name else MOST_BYTES


def _pool(run_id: str, paths: list[Path]) -> _Pool:
    pool = _Pool(run_id)
    for path in paths:
        pool.add(path)
    return pool


def _write(folder: Path, before: list[Path], files: dict[str, bytes]) -> None:
    # Nothing is removed before all that stays is written, so whatever moment this ends at, no content is lost.
    for name, content in files.items():
        path = folder / name
        if _problem(path) is not None and os.path.lexists(path):
            move_aside(path)
        if not path.exists() or read_regular(path, _most(path)) != content:
            write_atomically(path, content)
    for path in before:
        if path.name not in files:
            path.unlink()


def _stem(run_id: str, candidate: _Candidate, chosen: list[_Candidate]) -> str:
    return run_id if candidate is chosen[0] else f"{run_id}.conflict-{short_hash(candidate.content)}"
