"""Two stores become one: in any order, again and again, with the same files at the end.

For each run the files of both stores are pooled, and what the pool says decides, never where a file came from:

* Records with the same scores are one: that of the newest code (`runs.revisions`), then that of a clean checkout before
  that of a changed one, then one with arrays beside it, then that whose file has the least SHA-256. Times and hardware
  are all that is given up with the others.
* Records with different scores are all kept. The same rule says which of them counts; the others stand beside it as
  `.conflict-<8 hex>.json`.
* A record that one store has superseded does not come back from the other: a file of the same content is left out.
* A failure is kept while there is no record. Damaged files are kept as `.damaged-<8 hex>` and never count.
* What is no file, such as a pipe, or is far too large for one of ours stays where it is and is named.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from hnet_bench.interfaces import UserError
from hnet_bench.runs.canonical import checksum
from hnet_bench.runs.files import alone, check_regular, move_aside, read_regular, short_hash, write_atomically
from hnet_bench.runs.migration import Newer
from hnet_bench.runs.record import NO_ARRAYS, Record
from hnet_bench.runs.store import MOST_BYTES, MOST_BYTES_OF_ARRAYS, RUN_ID, Store, record_in

_DEPTH = 3  # of the folders that hold records: benchmark, scenario, strategy
_KEPT_ASIDE = (".conflict-", ".superseded-", ".damaged-")


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


def merge(other: Path, into: Path) -> Merged:
    """Adds the records below `other` to the store below `into`; nothing below `other` changes.

    An interrupted merge loses nothing and is completed by the next. Raises UserError if `other` is no store or `into`
    cannot be written to.
    """
    theirs, ours = _files_by_run(other), _files_by_run(into)
    if not os.path.isdir(other) or not theirs:
        raise UserError(
            f"{other} is no results folder: expected files as <benchmark>/<scenario>/<strategy>/seed*.json."
        )
    if other.resolve() == into.resolve():
        raise UserError(f"{other} and {into} are the same folder: there is nothing to merge.")
    Store(into).check_writable()
    added = restored = records = 0
    conflicts: list[Conflict] = []
    damaged: list[tuple[Path, str]] = []
    unreadable: list[tuple[Path, str]] = []
    for key in sorted(theirs.keys() | ours.keys()):
        folder, run_id = (into / key).parent, (into / key).name
        try:
            with alone(folder):
                # Another process may have written since they were listed.
                before = _read([path for path in sorted(folder.glob(f"{run_id}.*")) if belongs(path)], unreadable)
                pool = _pooled(run_id, before, _read(theirs.get(key, []), unreadable))
                chosen = _chosen(pool)
                names = [run_id, *(f"{run_id}.conflict-{short_hash(one.content)}" for one in chosen[1:])]
                _write(folder, before, _outcome(pool, dict(zip(names, chosen, strict=False))))
        except OSError as error:
            raise UserError(f"Run {run_id} cannot be merged into {folder}: {error.strerror}.") from error
        stood = before.get(folder / f"{run_id}.json")
        records += bool(chosen)
        added += bool(chosen) and stood is None
        restored += bool(chosen) and stood is not None and stood not in pool.candidates
        if len(chosen) > 1:
            paths = tuple(folder / f"{name}.json" for name in names)
            conflicts.append(Conflict(paths=paths, records=tuple(one.record for one in chosen)))
        damaged += [(folder / name, problem) for name, problem in sorted(pool.problems.items())]
    return Merged(
        added=added,
        restored=restored,
        records=records,
        conflicts=tuple(conflicts),
        damaged=tuple(damaged),
        unreadable=tuple(unreadable),
    )


@dataclass(frozen=True)
class _Candidate:
    content: bytes
    record: Record
    arrays: bytes | None = None  # the archive beside it


@dataclass
class _Pool:
    """The files of one run, from both stores."""

    run_id: str
    candidates: dict[bytes, _Candidate] = field(default_factory=dict)  # by content
    superseded: set[bytes] = field(default_factory=set)  # contents
    failures: list[bytes] = field(default_factory=list)
    aside: dict[str, bytes] = field(default_factory=dict)  # by file name: what is kept and never counts
    problems: dict[str, str] = field(default_factory=dict)  # by file name: what is wrong with a damaged file


def _pooled(run_id: str, *stores: Mapping[Path, bytes]) -> _Pool:
    pool = _Pool(run_id)
    for files in stores:
        for path, content in files.items():
            name = path.name
            if name.endswith(".failed"):
                pool.failures.append(content)
            elif name == f"{run_id}.json" or (".conflict-" in name and path.suffix == ".json"):
                _add_record(pool, path, content, files.get(path.with_suffix(".npz")))
            elif name != f"{run_id}.npz" and ".conflict-" not in name:
                _keep_aside(pool, name, content)
                if ".superseded-" in name and path.suffix == ".json":
                    pool.superseded.add(content)
    return pool


def _add_record(pool: _Pool, path: Path, content: bytes, arrays: bytes | None) -> None:
    try:
        record = record_in(content, path)
    except Newer:  # sound, as far as anybody can tell who does not know its schema
        raise
    except UserError as error:
        name = f"{pool.run_id}.json.damaged-{short_hash(content)}"
        pool.aside[name], pool.problems[name] = content, str(error)
        if arrays is not None:
            _keep_aside(pool, f"{pool.run_id}.npz.damaged-{short_hash(content)}", arrays)
        return
    known = pool.candidates.setdefault(content, _Candidate(content, record))
    if arrays is None:
        return
    if record.arrays not in (None, NO_ARRAYS, hashlib.sha256(arrays).hexdigest()):
        pool.aside[f"{pool.run_id}.npz.damaged-{short_hash(arrays)}"] = arrays
    else:
        pool.candidates[content] = replace(known, arrays=min(arrays, known.arrays or arrays))


def _keep_aside(pool: _Pool, name: str, content: bytes) -> None:
    # Arrays are named after their record; if two differ, which one stays must not depend on the order.
    pool.aside[name] = min(content, pool.aside.get(name, content))


def _chosen(pool: _Pool) -> list[_Candidate]:
    """One record for each set of scores, the one that counts first."""

    def order(one: _Candidate) -> tuple[int, bool, bool, str]:
        changed = one.record.provenance.get("dirty") is not False
        return -_raised(one.record), changed, one.arrays is None, hashlib.sha256(one.content).hexdigest()

    # Renewing a record ends with the new one in the place of the old; if it was cut off, the old one still counts.
    everything = pool.candidates.values()
    found = [one for one in everything if one.content not in pool.superseded] or everything
    best: dict[str, _Candidate] = {}
    for candidate in sorted(found, key=order):
        best.setdefault(checksum(candidate.record.scores), candidate)
    return list(best.values())


def _raised(record: Record) -> int:
    """How often a revision had been raised by the time of a record. Those of users' files are no numbers."""
    return sum(revision for revision in record.revisions.values() if isinstance(revision, int))


def _outcome(pool: _Pool, chosen: dict[str, _Candidate]) -> dict[str, bytes]:
    """What the merged store holds of a run: name and content, the record that counts last."""
    files = dict(pool.aside)
    if pool.failures and not chosen:
        files[f"{pool.run_id}.failed"] = min(pool.failures)
    for name, candidate in reversed(chosen.items()):
        if candidate.arrays is not None:
            files[f"{name}.npz"] = candidate.arrays
        files[f"{name}.json"] = candidate.content
    return files


def _write(folder: Path, before: Mapping[Path, bytes], files: Mapping[str, bytes]) -> None:
    # Nothing is removed before all that stays is written, so whatever moment this ends at, no content is lost.
    for name, content in files.items():
        path = folder / name
        if path not in before and os.path.lexists(path):  # no file that could be read
            move_aside(path)
        if before.get(path) != content:
            write_atomically(path, content)
    for path in before:
        if path.name not in files:
            path.unlink()


def _files_by_run(root: Path) -> dict[str, list[Path]]:
    """The files of each run below a results folder, by its key. Raises UserError for a folder that is there and cannot
    be read."""
    found: dict[str, list[Path]] = {}
    for place, folders, names in os.walk(root, onerror=_refuse, followlinks=True):
        folder = Path(place).relative_to(root)
        if len(folder.parts) < _DEPTH:
            continue
        folders.clear()
        for path in (Path(place, name) for name in sorted(names)):
            if (match := RUN_ID.match(path.name)) and belongs(path):
                found.setdefault(f"{folder.as_posix()}/{match[0]}", []).append(path)
    return found


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise UserError(f"The folder {error.filename} cannot be read: {error.strerror}.") from error


def belongs(path: Path) -> bool:
    """Whether a file whose name begins with a run's id is one that merging takes: logs and checkpoints stay out."""
    return path.suffix in (".json", ".npz", ".failed") or any(mark in path.name for mark in _KEPT_ASIDE)


def _read(paths: list[Path], unreadable: list[tuple[Path, str]]) -> dict[Path, bytes]:
    """The contents of these files; what is no file, or far too large, is added to `unreadable`."""
    contents = {}
    for path in paths:
        most = MOST_BYTES_OF_ARRAYS if ".npz" in path.name else MOST_BYTES
        try:
            check_regular(path, most)
        except OSError as error:
            unreadable.append((path, str(error.strerror)))
        else:
            contents[path] = read_regular(path, most)
    return contents
