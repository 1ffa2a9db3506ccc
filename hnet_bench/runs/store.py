"""The store: one JSON file per run below a results folder, written once.

    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.json      a record: the run is done
    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.npz       small arrays beside it, where there are any
    results/<benchmark>/<scenario>/<strategy>/seed<k>-<digest>.failed    what went wrong, until a later try succeeds
    ... .checkpoint, .lock, .log                                         of a run that is under way, or was

A file is written under a temporary name, flushed and renamed, so a reader never sees half a record and parallel
workers never share a file. Stores merge by copying.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec

_NAME = re.compile(r"seed(\d+)-[0-9a-f]{12}")


@dataclass(frozen=True)
class Store:
    """The records below one folder."""

    root: Path

    def path(self, spec: RunSpec) -> Path:
        """Where the record of a run is or will be."""
        return self.root / spec.folder / f"{spec.run_id}.json"

    def has(self, spec: RunSpec) -> bool:
        """Whether the run is done."""
        return self.path(spec).exists()

    def done_seeds(self, spec: RunSpec) -> tuple[int, ...]:
        """Seeds of this spec's cell that have a record, ascending."""
        return self._seeds(spec, "json")

    def failed_seeds(self, spec: RunSpec) -> tuple[int, ...]:
        """Seeds of this spec's cell whose last try failed."""
        done = set(self.done_seeds(spec))
        return tuple(seed for seed in self._seeds(spec, "failed") if seed not in done)

    def records(self, spec: RunSpec) -> list[Record]:
        """Records of all seeds of this spec's cell. Raises UserError that names a file which is no sound record."""
        return [self.read(self.path(spec.with_seed(seed))) for seed in self.done_seeds(spec)]

    def read(self, path: Path) -> Record:
        """The record in a file. Raises UserError that names the file if it is damaged or misplaced."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"The record {path} could not be read ({error}): move it away to run it again.") from error
        record = Record.from_json(content, where=str(path))
        if record.run_id != path.stem:
            raise UserError(f"The record {path} holds another run: expected {path.stem}, found {record.run_id}.")
        return record

    def write(self, spec: RunSpec, record: Record, artefacts: bytes | None = None) -> Path:
        """Adds the record of a run and forgets its earlier failures; a record that is there already is kept.

        `artefacts` is the content of a NumPy archive that is kept beside the record, written before it.
        """
        path = self.path(spec)
        if not path.exists():
            if artefacts:
                write_atomically(path.with_suffix(".npz"), artefacts)
            write_atomically(path, (json.dumps(record.to_json(), indent=1, allow_nan=False) + "\n").encode())
        with suppress(FileNotFoundError):
            self.failure_path(spec).unlink()
        return path

    def write_failure(self, spec: RunSpec, failure: Settings) -> Path:
        """Notes why a try failed, in place of what an earlier try left."""
        path = self.failure_path(spec)
        write_atomically(path, (json.dumps({"spec": spec.to_json(), **failure}, indent=1) + "\n").encode())
        return path

    def check_writable(self) -> None:
        """Raises UserError unless files can be written to the folder; creates it if needed."""
        probe = self.root / f".probe-{os.getpid()}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.write_text("")
            probe.unlink()
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

    def lock_path(self, spec: RunSpec) -> Path:
        """The file that the process which does a run holds locked."""
        return self.path(spec).with_suffix(".lock")

    def _seeds(self, spec: RunSpec, suffix: str) -> tuple[int, ...]:
        found = (self.root / spec.folder).glob(f"seed*-{spec.digest}.{suffix}")
        matches = (_NAME.fullmatch(path.stem) for path in found)
        return tuple(sorted(int(match[1]) for match in matches if match))


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a file, and the folders above it, such that a reader meets the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Unique also among the machines that share a file system.
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def remove_partials(path: Path) -> None:
    """Removes what processes that were killed while they wrote left behind, of all files of the run at `path`.

    Only for whoever knows that no process is writing them now.
    """
    for partial in path.parent.glob(f".{path.stem}.*.partial"):
        partial.unlink(missing_ok=True)
