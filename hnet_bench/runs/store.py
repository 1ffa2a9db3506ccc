"""The store: one JSON file per run below a results folder, written once.

    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.json      a record: the run is done
    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.npz       small arrays beside it, where there are any
    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.failed    what went wrong, until a later try succeeds
    ... .checkpoint, .log                                                of a run that is under way, or was

What is no sound record does not count, but is kept, under a name that ends in 8 hex digits of its content:

    seed<k>-<digest>.superseded-<8 hex>.json   the record before the one that `run --rerun-stale` made
    seed<k>-<digest>.conflict-<8 hex>.json     a record of the same run with other scores, from `merge`
    seed<k>-<digest>.json.damaged-<8 hex>      what stood in the place of the record when a new one was written

(8 random digits for what has no content that could be read: a folder, a pipe, a file of more than `MOST_BYTES`.)

A file is written under a temporary name, flushed and renamed, so a reader never sees half a record. No time stamp
decides anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from json import JSONDecoder
from pathlib import Path
from typing import NoReturn

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
from hnet_bench.runs.record import NO_ARRAYS, Record
from hnet_bench.runs.spec import RunSpec

RUN_ID = re.compile(r"seed(\d+)-([0-9a-f]{12})")
# A record of 1,000 experiences has 40 MiB. Larger files are not read: one with holes can have any size on any disk.
MOST_BYTES = 2**27
MOST_BYTES_OF_ARRAYS = 2**30
_PROBE_BYTES = 2**16  # on a full disk an empty file can still be made


@dataclass(frozen=True)
class Damaged:
    """A file in the place of a record that is none, or a folder that cannot be read, and what is wrong with it."""

    path: Path
    problem: str  # a sentence that names it


@dataclass(frozen=True, kw_only=True)
class CellFiles:
    """What the store holds of the seeds of one cell, by seed, ascending."""

    records: tuple[Record, ...]
    failed_seeds: tuple[int, ...]  # those whose last try failed
    damaged: tuple[Damaged, ...]
    lacking: tuple[Damaged, ...]  # archives of arrays that records have lost; the records count
    conflicts: tuple[Path, ...]  # records with other scores than the one that counts


@dataclass(frozen=True)
class Store:
    """The records below one folder. Those whose files have a SHA-256 in `renew` do not count as done."""

    root: Path
    renew: frozenset[str] = field(default=frozenset(), kw_only=True)

    def path(self, spec: RunSpec) -> Path:
        """Where the record of a run is or will be."""
        return self.root / spec.folder / f"{spec.run_id}.json"

    def has(self, spec: RunSpec) -> bool:
        """Whether the run is done: it has a sound record and the arrays that belong to it, and need not be renewed."""
        path = self.path(spec)
        if not self._is_sound(spec) or lost_arrays(path, self.read(path)):
            return False
        return not self.renew or file_sum(path) not in self.renew

    def done_seeds(self, spec: RunSpec) -> tuple[int, ...]:
        """Seeds of this spec's cell that have a sound record, ascending."""
        return tuple(record.spec["seed"] for record in self.records(spec))

    def failed_seeds(self, spec: RunSpec) -> tuple[int, ...]:
        """Seeds of this spec's cell whose last try failed, ascending."""
        return self.examine(spec).failed_seeds

    def records(self, spec: RunSpec) -> list[Record]:
        """Sound records of all seeds of this spec's cell, by seed; see `examine` for the others."""
        return list(self.examine(spec).records)

    def examine(self, spec: RunSpec, listing: Listing | None = None) -> CellFiles:
        """Everything that stands for records of this spec's cell; for many cells, give them one listing."""
        folder = self.root / spec.folder
        records, conflicts, failed, lacking = [], [], [], []
        listing = listing or Listing(self.root)
        names = listing.names(spec)
        damaged = listing.unreadable(spec)
        for name in names:
            stem, _, suffix = name.rpartition(".")
            if suffix == "json" and ".conflict-" in stem:
                conflicts.append(folder / name)
            elif suffix == "json" and RUN_ID.fullmatch(stem):
                try:
                    record = self.read(folder / name)
                except UserError as error:
                    damaged.append(Damaged(folder / name, str(error)))
                    continue
                records.append(record)
                lacking += lost_arrays(folder / name, record)
            elif suffix == "npz" and RUN_ID.fullmatch(stem):
                damaged += _damaged_arrays(folder / name)
            elif suffix == "failed" and (match := RUN_ID.fullmatch(stem)):
                failed.append(int(match[1]))
        expected = _experiences(spec, records)
        for record in [one for one in records if len(one.score) != expected]:
            records.remove(record)
            path = folder / f"{record.run_id}.json"
            has = f"has scores of {len(record.score)} experiences, other than its neighbours"
            damaged.append(Damaged(path, f"The record {path} {has}: {spec.benchmark} has {expected}."))
        for record in [one for one in records if not _is_possible(one, spec)]:
            records.remove(record)
            path = folder / f"{record.run_id}.json"
            damaged.append(Damaged(path, f"The record {path} has a score that none can be: {_possible(spec)}."))
        done = {record.spec["seed"] for record in records}
        return CellFiles(
            records=tuple(records),
            failed_seeds=tuple(seed for seed in failed if seed not in done),
            damaged=tuple(damaged),
            conflicts=tuple(conflicts),
            lacking=tuple(lacking),
        )

    def read(self, path: Path) -> Record:
        """The record in a file. Raises UserError that names the file if it is damaged or misplaced."""
        return read_record(path)

    def problem(self, path: Path) -> str | None:
        """What is wrong with a record's file, None if it is sound."""
        try:
            self.read(path)
        except UserError as error:
            return str(error)
        return None

    def write(self, spec: RunSpec, record: Record, artefacts: bytes | None = None) -> Path:
        """Adds the record of a run and forgets its earlier failures; a sound record that is there already is kept.

        What it takes the place of, a damaged file or a record that was to be renewed, is kept aside. `artefacts` is the
        content of a NumPy archive that is kept beside the record, written before it. Raises UserError if the disk does
        not take them; then no part of them is left.
        """
        path = self.path(spec)
        content = to_bytes(record)
        for name, size, most in (
            ("record", len(content), MOST_BYTES),
            ("array archive", len(artefacts or b""), MOST_BYTES_OF_ARRAYS),
        ):
            if size > most:
                raise UserError(f"The {name} of {path} has {size:,} bytes: expected at most {most:,}.")
        try:
            with alone(path.parent):
                if not self.has(spec):
                    _keep_aside(path, "superseded" if self._is_sound(spec) else "json.damaged")
                    _replace_artefacts(path.with_suffix(".npz"), artefacts)
                    write_atomically(path, content)
                with suppress(FileNotFoundError, IsADirectoryError):
                    self.failure_path(spec).unlink()
        except OSError as error:
            raise UserError(f"The record {path} cannot be written: {error.strerror}.") from error
        return path

    def write_failure(self, spec: RunSpec, failure: Settings) -> Path | None:
        """Notes why a try failed, in place of what an earlier try left; None if the disk does not take the note."""
        path = self.failure_path(spec)
        try:
            write_atomically(path, (json.dumps({"spec": spec.to_json(), **failure}, indent=1) + "\n").encode())
        except OSError:
            return None  # whoever reports the failure says what it was; a second error would hide it
        return path

    def _is_sound(self, spec: RunSpec) -> bool:
        """Whether the record of a run is there and sound, also beside those of other seeds."""
        # Asked of the file itself first, which is quick, since the others are read only where it is there and sound.
        path = self.path(spec)
        if not path.exists() or self.problem(path):
            return False
        return any(record.spec["seed"] == spec.seed for record in self.examine(spec).records)

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

    def failure_path(self, spec: RunSpec) -> Path:
        """Where it is noted that the last try of a run failed, and why."""
        return self.path(spec).with_suffix(".failed")

    def checkpoint_path(self, spec: RunSpec) -> Path:
        """Where the checkpoint of a run stands while it is under way."""
        return self.path(spec).with_suffix(".checkpoint")

    def log_path(self, spec: RunSpec) -> Path:
        """Where a run writes what happens to it."""
        return self.path(spec).with_suffix(".log")


class Listing:
    """What a store's folders held when they were first looked at: each is read once, however many cells it has."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._by_digest: dict[str, dict[str, list[tuple[int, str]]]] = {}
        self._unreadable: dict[str, Damaged] = {}

    def names(self, spec: RunSpec) -> list[str]:
        """Names of the files of this spec's cell, by seed."""
        if spec.folder not in self._by_digest:
            self._by_digest[spec.folder] = self._read(spec.folder)
        return [name for _, name in sorted(self._by_digest[spec.folder].get(spec.digest, ()))]

    def unreadable(self, spec: RunSpec) -> list[Damaged]:
        """The folder of this spec's cell, if it is there and could not be read when it was looked at."""
        return [self._unreadable[spec.folder]] if spec.folder in self._unreadable else []

    def _read(self, folder: str) -> dict[str, list[tuple[int, str]]]:
        path = self._root / folder
        try:
            names = os.listdir(path)
        except FileNotFoundError:
            return {}
        except OSError as error:
            if isinstance(error, NotADirectoryError) and not os.path.isdir(self._root):
                return {}  # there is no store, as whoever needs one says
            self._unreadable[folder] = Damaged(path, f"The folder {path} could not be read ({error.strerror}).")
            return {}
        found: dict[str, list[tuple[int, str]]] = {}
        for name in names:
            if match := RUN_ID.match(name):
                found.setdefault(match[2], []).append((int(match[1]), name))
        return found


def read_record(path: Path) -> Record:
    """The record in a file of a store. Raises UserError that names the file if it is damaged or misplaced."""
    try:
        content = _DECODER.decode(read_regular(path, MOST_BYTES).decode())
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The record {path} could not be read ({error}).") from error
    record = Record.from_json(content, where=f"The record {path}")
    # A record that is kept aside has its run's name and then its own.
    found = path.name.split(".")[0]
    if record.run_id != found:
        raise UserError(f"The record {path} holds another run: expected {found}, found {record.run_id}.")
    spec = record.spec
    folder = folder_of(spec)
    if not os.path.dirname(os.path.abspath(path)).replace(os.sep, "/").endswith(f"/{folder}"):
        raise UserError(f"The record {path} stands in the wrong folder: it belongs in {folder}.")
    return record


def lost_arrays(path: Path, record: Record) -> list[Damaged]:
    """The archive that belongs beside a record, if it is not there as it was written."""
    archive = path.with_suffix(".npz")
    if record.arrays in (None, NO_ARRAYS):
        return []
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


def _experiences(spec: RunSpec, records: list[Record]) -> int:
    """How many experiences the records of a cell have; where they disagree, as many as the benchmark has."""
    found = {len(record.score) for record in records}
    return found.pop() if len(found) == 1 else spec.build_benchmark().facts.experiences if found else 0


def _is_possible(record: Record, spec: RunSpec) -> bool:
    """Whether its scores can be: an accuracy is a share, and a squared error is not negative."""
    rows = [*record.score, *(record.task_inference or ()), record.untrained or ()]
    scores = [score for row in rows for score in row if score is not None]
    if min(scores) >= 0 and max(scores) <= 1:
        return True
    return min(scores) >= 0 and _learns_values(spec)


def _possible(spec: RunSpec) -> str:
    return "expected none below 0" if _learns_values(spec) else "expected accuracies from 0 to 1"


def _learns_values(spec: RunSpec) -> bool:
    return spec.build_benchmark().facts.problem_type == "regression"


def _damaged_arrays(path: Path) -> list[Damaged]:
    """What is wrong with the place of the arrays beside a record, as far as it shows without reading them."""
    try:
        check_regular(path, MOST_BYTES_OF_ARRAYS)
    except OSError as error:
        return [Damaged(path, f"The arrays {path} cannot be read ({error.strerror}): move them away.")]
    return []


def _keep_aside(path: Path, kind: str) -> None:
    """Keeps a record's file, and what is beside it, where they stay when another takes the place."""
    archive = path.with_suffix(".npz")
    content, arrays = _content(path, MOST_BYTES), _content(archive, MOST_BYTES_OF_ARRAYS)
    if content is None:
        return
    name = short_hash(content)
    damaged = kind == "json.damaged"
    write_atomically(path.with_name(f"{path.stem}.{kind}-{name}{'' if damaged else '.json'}"), content)
    if arrays is not None:
        kind = "npz.damaged" if damaged else kind
        target = archive.with_name(f"{archive.stem}.{kind}-{name}{'' if damaged else '.npz'}")
        write_atomically(target, arrays)


def _content(path: Path, most: int) -> bytes | None:
    """Content of a file, None if there is none; what cannot be read is moved aside as it is."""
    try:
        return read_regular(path, most)
    except OSError:
        if os.path.lexists(path):
            move_aside(path)
        return None


def _replace_artefacts(path: Path, artefacts: bytes | None) -> None:
    if artefacts:
        write_atomically(path, artefacts)
    else:
        path.unlink(missing_ok=True)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number in JSON")


_DECODER = JSONDecoder(parse_constant=_refuse)
