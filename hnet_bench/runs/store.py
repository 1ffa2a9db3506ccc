"""The store: one JSON file per run below a results folder, written once.

    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.json      a record: the run is done
    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.npz       small arrays beside it, where there are any
    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.failed    what went wrong, until a later try succeeds
    ... .checkpoint, .log                                                of a run that is under way, or was
    results/.trainings/<digest>/<experience>.outcome                     what runs of a sweep share, until all have it

What is no sound record does not count, but is kept, under a name that ends in 8 hex digits of its content:

    seed<k>-<digest>.superseded-<8 hex>.json   the record before the one that `run --rerun-stale` made
    seed<k>-<digest>.conflict-<8 hex>.json     a record of the same run with other scores, from `merge`
    seed<k>-<digest>.json.damaged-<8 hex>      what stood in the place of the record when a new one was written

(8 random digits for what has no content that could be read: a folder, a pipe, a file of more than `MOST_BYTES`.)

A file is written under a temporary name, flushed and renamed, so a reader never sees half a record. No time stamp
decides anything.

Behind the folder may stand records that were shipped (`shipped.py`), of which nothing is ever written: what the folder
has of a run comes before them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.canonical import folder_of
from hnet_bench.runs.files import (
    alone,
    check_regular,
    file_sum,
    move_aside,
    read_regular,
    short_hash,
    write_atomically,
)
from hnet_bench.runs.migration import Newer
from hnet_bench.runs.record import NO_ARRAYS, Record
from hnet_bench.runs.spec import RunSpec

RUN_ID = re.compile(r"seed(\d+)-([0-9a-f]{12})")
# A record of 1,000 experiences has 40 MiB. Larger files are not read: one with holes can have any size on any disk.
MOST_BYTES = 2**27
MOST_BYTES_OF_ARRAYS = 2**30
_TRAININGS = ".trainings"
_SECONDS_UNTIL_ABANDONED = 30 * 86_400.0
_PROBE_BYTES = 2**16  # on a full disk an empty file can still be made


@dataclass(frozen=True)
class Damaged:
    """A file in the place of a record that is none, or a folder that cannot be read, and what is wrong with it."""

    path: Path
    problem: str  # a sentence that names it
    newer: bool = False  # than this package: it may be sound


@dataclass(frozen=True, kw_only=True)
class CellFiles:
    """What the store holds of the seeds of one cell, by seed, ascending."""

    records: tuple[Record, ...] = ()
    files: Mapping[int, Path] = field(default_factory=dict, repr=False)  # where the record of each seed stands
    failed_seeds: tuple[int, ...] = ()  # those whose last try failed
    damaged: tuple[Damaged, ...] = ()  # files in the place of records that are none; they do not count
    lacking: tuple[Damaged, ...] = ()  # archives of arrays that records have lost; the records count
    conflicts: tuple[Path, ...] = ()  # records with other scores than the one that counts


@dataclass(frozen=True)
class Shipped:
    """Records below a folder that nothing is written to. Those count whose files are as they were shipped."""

    root: Path
    sums: Mapping[str, str]  # SHA-256 of each file, by its path below the folder


@dataclass(frozen=True)
class Store:
    """The records below one folder, and behind them those that were `shipped`. Those whose files have a SHA-256 in
    `renew` do not count as done."""

    root: Path
    renew: frozenset[str] = field(default=frozenset(), kw_only=True)
    shipped: Shipped | None = field(default=None, kw_only=True)

    def path(self, spec: RunSpec) -> Path:
        """Where the record of a run will be written."""
        return self.root / f"{spec.key}.json"

    def failure_path(self, spec: RunSpec) -> Path:
        """Where it is noted that the last try of a run failed, and why."""
        return self.path(spec).with_suffix(".failed")

    def checkpoint_path(self, spec: RunSpec) -> Path:
        """Where the checkpoint of a run stands while it is under way."""
        return self.path(spec).with_suffix(".checkpoint")

    def log_path(self, spec: RunSpec) -> Path:
        """Where a run writes what happens to it."""
        return self.path(spec).with_suffix(".log")

    def training_path(self, digest: str) -> Path:
        """The folder of what a training leaves for other runs, see `runs.sharing`."""
        return self.root / _TRAININGS / digest

    def trainings(self, experiences: int = 1) -> set[str]:
        """Digests of the trainings that are kept, as far as runs of so many experiences need them: there is nothing to
        replay before the first, and nothing that learns it after the last."""
        folders = (self.root / _TRAININGS).glob("*")
        return {folder.name for folder in folders if len(list(folder.glob("*.outcome"))) >= experiences - 1}

    def is_abandoned(self, digest: str) -> bool:
        """Whether no run has added to a training that is kept for a month."""
        try:
            return self.training_path(digest).stat().st_mtime < time.time() - _SECONDS_UNTIL_ABANDONED
        except OSError:  # another sweep has removed it meanwhile
            return False

    def forget_training(self, digest: str) -> None:
        """Removes what is kept of a training, and the folder of all with the last."""
        shutil.rmtree(self.training_path(digest), ignore_errors=True)
        with suppress(OSError):
            (self.root / _TRAININGS).rmdir()

    def has(self, spec: RunSpec) -> bool:
        """Whether the run is done: it has a sound record and the arrays that belong to it, and need not be renewed."""
        # Unless it is there the records of other seeds, which may show that it is damaged, need not be read.
        if not any((root / f"{spec.key}.json").exists() for root in self._roots()):
            return False
        found = self.examine(spec)
        path = found.files.get(spec.seed)
        if path is None or path.with_suffix(".npz") in [one.path for one in found.lacking]:
            return False
        return not self.renew or file_sum(path) not in self.renew

    def record_files(self) -> list[Path]:
        """The files of all records, of each run one, sorted by where they stand below their folder."""
        found = {
            path.relative_to(root).as_posix(): path
            for root in self._roots()
            for path in root.glob("*/*/*/seed*.json")
            if RUN_ID.fullmatch(path.stem)
        }
        return [found[key] for key in sorted(found)]

    def _roots(self) -> list[Path]:
        """The folders of records, the one that counts before the others last."""
        return [self.shipped.root, self.root] if self.shipped else [self.root]

    def done_seeds(self, spec: RunSpec) -> tuple[int, ...]:
        """Seeds of this spec's cell that have a sound record, ascending."""
        return _seeds(self.records(spec))

    def records(self, spec: RunSpec) -> list[Record]:
        """Sound records of all seeds of this spec's cell, by seed; see `examine` for the others."""
        return list(self.examine(spec).records)

    def examine(self, spec: RunSpec) -> CellFiles:
        """Everything that stands for records of this spec's cell."""
        own = _examine(self.root, spec)
        return _united(own, _examine(self.shipped.root, spec, self.shipped.sums)) if self.shipped else own

    def check_not_newer(self, spec: RunSpec) -> None:
        """Raises UserError if a record of a newer package stands in the place of this run's."""
        for one in self.examine(spec).damaged:
            if one.newer and one.path.stem == spec.run_id:
                raise UserError(
                    f"Run {spec.run_id} is done, and its record {one.path} is of a newer hnet_bench: update "
                    "hnet_bench, or give another folder of results."
                )

    def write(self, spec: RunSpec, record: Record, artefacts: bytes | None = None) -> Path:
        """Adds the record of a run and forgets its earlier failures; a sound record that is there already is kept.

        What it takes the place of, a damaged file or a record that was to be renewed, is kept aside. `artefacts` is the
        content of a NumPy archive that is kept beside the record, written before it. Raises UserError if the disk does
        not take them, and as `check_not_newer` does; then no part of them is left.
        """
        path, own = self.path(spec), replace(self, shipped=None)
        content = to_bytes(record)
        for name, size, most in (
            ("record", len(content), MOST_BYTES),
            ("array archive", len(artefacts or b""), MOST_BYTES_OF_ARRAYS),
        ):
            if size > most:
                raise UserError(f"The {name} of {path} has {size:,} bytes: expected at most {most:,}.")
        try:
            with alone(path.parent):
                if not own.has(spec):
                    own.check_not_newer(spec)
                    _keep_aside(path, sound=spec.seed in own.done_seeds(spec))
                    if artefacts:
                        write_atomically(path.with_suffix(".npz"), artefacts)
                    else:
                        path.with_suffix(".npz").unlink(missing_ok=True)
                    write_atomically(path, content)
                with suppress(FileNotFoundError, IsADirectoryError):
                    self.failure_path(spec).unlink()
        except OSError as error:
            raise UserError(f"The record {path} cannot be written: {error.strerror}.") from error
        return path

    def failure(self, spec: RunSpec) -> str | None:
        """What went wrong in the last try of a run, in a sentence; None if it did not fail."""
        try:
            return str(json.loads(self.failure_path(spec).read_text(encoding="utf-8"))["problem"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def write_failure(self, spec: RunSpec, failure: Settings) -> Path | None:
        """Notes why a try failed, in place of what an earlier try left; None if the disk does not take the note."""
        path = self.failure_path(spec)
        try:
            write_atomically(path, (json.dumps({"spec": spec.to_json(), **failure}, indent=1) + "\n").encode())
        except OSError:
            return None  # whoever reports the failure says what it was; a second error would hide it
        return path

    def check_writable(self) -> None:
        """Raises UserError unless files can be written to the folder; creates it if needed."""
        probe = self.root / f".probe-{os.getpid()}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            try:
                probe.write_bytes(bytes(_PROBE_BYTES))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"The results folder {self.root} cannot be written to: {error.strerror}.") from error


def _listed(spec: RunSpec, root: Path) -> tuple[list[str], list[Damaged]]:
    """Names of the files of this spec's cell, by seed; and its folder, if it is there and cannot be read."""
    folder = root / spec.folder
    try:
        matches = [match for name in os.listdir(folder) if (match := RUN_ID.match(name)) and match[2] == spec.digest]
    except OSError as error:
        # If there is no store at all, whoever needs one says so.
        if isinstance(error, FileNotFoundError) or not root.is_dir():
            return [], []
        return [], [Damaged(folder, f"The folder {folder} could not be read ({error.strerror}).")]
    return [match.string for match in sorted(matches, key=lambda match: (int(match[1]), match.string))], []


def _examine(root: Path, spec: RunSpec, sums: Mapping[str, str] | None = None) -> CellFiles:
    """What stands below one folder; with `sums` no file counts that has another."""
    found: dict[Path, Record] = {}
    conflicts, failed = [], []
    names, damaged = _listed(spec, root)
    for name in names:
        path, (stem, _, suffix) = root / spec.folder / name, name.rpartition(".")
        if suffix == "json" and ".conflict-" in stem:
            conflicts.append(path)
        elif not (match := RUN_ID.fullmatch(stem)):
            continue
        elif suffix == "json":
            try:
                found[path] = read_record(path, None if sums is None else sums.get(f"{spec.folder}/{name}", "none"))
            except UserError as error:
                damaged.append(Damaged(path, str(error), newer=isinstance(error, Newer)))
        elif suffix == "npz":
            damaged += _damaged_arrays(path)
        elif suffix == "failed":
            failed.append(int(match[1]))
    expected = _experiences(spec, found.values())
    for path, record in list(found.items()):
        if problem := _misfit(record, spec, expected):
            del found[path]
            damaged.append(Damaged(path, f"The record {path} has {problem}."))
    records = tuple(found.values())
    return CellFiles(
        records=records,
        files={record.spec["seed"]: path for path, record in found.items()},
        failed_seeds=tuple(seed for seed in failed if seed not in _seeds(records)),
        damaged=tuple(damaged),
        conflicts=tuple(conflicts),
        lacking=tuple(one for path, record in found.items() for one in lost_arrays(path, record)),
    )


def _united(own: CellFiles, shipped: CellFiles) -> CellFiles:
    """What is there of a cell: of each seed the own record, or else the one that was shipped."""
    ours, theirs = ({one.spec["seed"]: one for one in found.records} for found in (own, shipped))
    files = {**shipped.files, **own.files}
    others = [
        shipped.files[seed]
        for seed in ours.keys() & theirs.keys()
        # If code has changed in between they may well differ.
        if ours[seed].revisions == theirs[seed].revisions and ours[seed].scores != theirs[seed].scores
    ]
    return CellFiles(
        records=tuple(record for _, record in sorted({**theirs, **ours}.items())),
        files=files,
        failed_seeds=tuple(seed for seed in own.failed_seeds if seed not in files),
        damaged=own.damaged + shipped.damaged,
        conflicts=(*own.conflicts, *sorted(others)),
        lacking=own.lacking + tuple(one for one in shipped.lacking if one.path.with_suffix(".json") in files.values()),
    )


def read_record(path: Path, sha256: str | None = None) -> Record:
    """The record in a file of a store. Raises UserError that names the file if it is damaged or misplaced, or has
    another SHA-256 than the one that is given."""
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"The record {path} could not be read ({error}).") from error
    if sha256 and (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise UserError(f"The record {path} is not as it was shipped: expected SHA-256 {sha256}, found {found}.")
    return record_in(content, path)


def record_in(content: bytes, path: Path) -> Record:
    """The record that a file of a store holds. Raises UserError as `read_record` does."""
    record = Record.from_bytes(content, where=f"The record {path}")
    # A record that is kept aside has its run's name and then its own.
    found = path.name.split(".")[0]
    if record.run_id != found:
        raise UserError(f"The record {path} holds another run: expected {found}, found {record.run_id}.")
    folder = folder_of(record.spec)
    if not os.path.dirname(os.path.abspath(path)).replace(os.sep, "/").endswith(f"/{folder}"):
        raise UserError(f"The record {path} stands in the wrong folder: it belongs in {folder}.")
    return record


def lost_arrays(path: Path, record: Record) -> list[Damaged]:
    """The archive that belongs beside a record, if it is not there as it was written."""
    if record.arrays in (None, NO_ARRAYS):
        return []
    archive = path.with_suffix(".npz")
    try:
        content = read_regular(archive, MOST_BYTES_OF_ARRAYS)
    except FileNotFoundError:
        return [Damaged(archive, f"The arrays {archive}, which belong to the record beside them, are not there.")]
    except OSError:
        content = b""  # a pipe, or far too large
    if hashlib.sha256(content).hexdigest() != record.arrays:
        return [Damaged(archive, f"The arrays {archive} are not those that were written with the record beside them.")]
    return []


def to_bytes(record: Record) -> bytes:
    """Content of a record's file. Raises ValueError for NaN and infinities."""
    return (json.dumps(record.to_json(), indent=1, allow_nan=False) + "\n").encode()


def _seeds(records: Iterable[Record]) -> tuple[int, ...]:
    return tuple(record.spec["seed"] for record in records)


def _experiences(spec: RunSpec, records: Iterable[Record]) -> int:
    """How many experiences the records of a cell have; where they disagree, as many as the benchmark has."""
    found = {len(record.score) for record in records}
    return found.pop() if len(found) == 1 else spec.build_benchmark().facts.experiences if found else 0


def _misfit(record: Record, spec: RunSpec, experiences: int) -> str | None:
    """What of a record, sound by itself, cannot be of this cell, None if nothing."""
    if len(record.score) != experiences:
        here = f"scores of {len(record.score)} experiences, other than its neighbours"
        return f"{here}: {spec.benchmark} has {experiences}"
    rows = [*record.score, *(record.task_inference or ()), record.untrained or ()]
    scores = [score for row in rows for score in row if score is not None]
    # An accuracy is a share, and a squared error is not negative.
    if min(scores) >= 0 and max(scores) <= 1:
        return None
    if spec.build_benchmark().facts.problem_type != "regression":
        return "a score that none can be: expected accuracies from 0 to 1"
    return "a score that none can be: expected none below 0" if min(scores) < 0 else None


def _damaged_arrays(path: Path) -> list[Damaged]:
    """What is wrong with the place of the arrays beside a record, as far as it shows without reading them."""
    try:
        check_regular(path, MOST_BYTES_OF_ARRAYS)
    except OSError as error:
        return [Damaged(path, f"The arrays {path} cannot be read ({error.strerror}): move them away.")]
    return []


def _keep_aside(path: Path, *, sound: bool) -> None:
    """Keeps a record's file, and the arrays beside it, where they stay when others take their place."""
    archive = path.with_suffix(".npz")
    content, arrays = _content(path, MOST_BYTES), _content(archive, MOST_BYTES_OF_ARRAYS)
    if content is None:
        return
    name = short_hash(content)
    for file, kept in ((path, content), (archive, arrays)):
        if kept is not None:
            aside = f"{file.stem}.superseded-{name}{file.suffix}" if sound else f"{file.name}.damaged-{name}"
            write_atomically(file.with_name(aside), kept)


def _content(path: Path, most: int) -> bytes | None:
    """Content of a file, None if there is none; what cannot be read is moved aside as it is."""
    try:
        return read_regular(path, most)
    except OSError:
        if os.path.lexists(path):
            move_aside(path)
        return None
