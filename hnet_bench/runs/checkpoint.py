"""The checkpoint of a run that is under way: a file beside its record-to-be, replaced as a whole and then removed.

One line of JSON (which run, made by which code, how far, what was measured so far), then the strategy's state as
`avalanche_adapter.checkpoint` writes it. A checkpoint that does not fit the run or the code is not used: the run begins
anew rather than go on with something else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hnet_bench.interfaces import Settings
from hnet_bench.runs.files import check_regular, write_atomically

_FORMAT = 4
_MOST_BYTES = 2**27  # of the line of JSON
SECONDS_BETWEEN_CHECKPOINTS = 120.0
_log = logging.getLogger("hnet_bench.run")


@dataclass
class RunProgress:
    """What a run knows between two steps, beside the strategy's state. Times are in seconds."""

    steps: int = 0  # optimiser steps done
    elapsed: float = 0.0  # in all, also by earlier processes
    in_experience: float = 0.0  # spent on training the present experience
    untrained: list[float] = field(default_factory=list)  # scores before training, none if these are not evaluated
    score: list[list[float | None]] = field(default_factory=list)  # a row for each experience that is over
    task_inference: list[list[float | None] | None] = field(default_factory=list)
    train: list[float] = field(default_factory=list)  # of each experience that is over
    evaluate: list[float] = field(default_factory=list)
    peak_memory_bytes: int | None = None
    measured: Settings = field(default_factory=dict)  # see `avalanche_adapter.measured`
    machine: Settings = field(default_factory=dict)  # on which this was left
    resumes: list[Settings] = field(default_factory=list)  # where earlier processes left off, and on which machine
    # What the trainings of the run took, by their names; of that what other runs spent.
    training: dict[str, float] = field(default_factory=dict)
    saved: dict[str, float] = field(default_factory=dict)
    part_began: float = 0.0  # seconds into the present experience
    part_state: str = ""  # after the first steps of the part, see `runs.sharing`


@dataclass(frozen=True)
class StateFile:
    """A line of JSON and a state. `identity` says what it must have been made by and for, to be used."""

    path: Path
    identity: Settings
    name: str  # in the log
    otherwise: str = "it is made anew"

    def write(self, progress: Settings, state: bytes) -> bool:
        """Replaces the file; False, with a warning in the log, if the disk does not take it."""
        header: Settings = {"checkpoint": _FORMAT, "identity": self.identity, "progress": progress}
        header["sha256"] = _sum(header, state)
        try:
            write_atomically(self.path, json.dumps(header).encode() + b"\n" + state)
        except OSError as error:
            # The run itself needs none.
            _log.warning("%s could not be written: %s", self.name, error.strerror)
            return False
        return True

    def read(self) -> tuple[Settings, bytes] | None:
        """What was written, None if there is none that fits; the log says why."""
        try:
            check_regular(self.path)
            with self.path.open("rb") as file:
                line = file.readline(_MOST_BYTES)
                # Without an end to its first line it is none of ours, however large it is.
                state = file.read() if line.endswith(b"\n") else b""
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s could not be read: %s", self.name, error.strerror)
            return None
        try:
            return self._progress(line, state), state
        except _NotUsed as problem:
            _log.warning("%s is not used, %s: %s", self.name, self.otherwise, problem)
            return None

    def _progress(self, line: bytes, state: bytes) -> Settings:
        """What the header says, if it is sound and of this run. Raises _NotUsed."""
        try:
            header = json.loads(line)
            if header["checkpoint"] != _FORMAT:
                raise _NotUsed(f"it has format {header['checkpoint']}, expected {_FORMAT}")
            if header.pop("sha256") != _sum(header, state):
                raise _NotUsed("its content is damaged")
            identity = header["identity"]
            differing = [key for key in self.identity if identity.get(key) != self.identity[key]]
            if differing:
                raise _NotUsed(f"it was made with another {' and '.join(differing)}")
            if not isinstance(header["progress"], dict):
                raise _NotUsed("it is damaged")
            return header["progress"]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _NotUsed("it is damaged") from error


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint file of one run. `identity` says what a checkpoint must have been made by and for."""

    path: Path
    identity: Settings
    seconds_between: float = SECONDS_BETWEEN_CHECKPOINTS

    def write(self, progress: RunProgress, state: bytes) -> bool:
        """Replaces the checkpoint; False, with a warning in the log, if the disk does not take it."""
        began = time.perf_counter()
        if not self._file.write(asdict(progress), state):
            return False
        size, seconds = len(state) / 2**20, time.perf_counter() - began
        _log.info("checkpoint after step %d: %.1f MiB in %.2f s", progress.steps, size, seconds)
        return True

    def read(self) -> tuple[RunProgress, bytes] | None:
        """The checkpoint, None if there is none that fits; the log says why."""
        found = self._file.read()
        if found is None:
            return None
        try:
            return RunProgress(**found[0]), found[1]
        except TypeError:
            _log.warning("checkpoint is not used, the run begins anew: it is damaged")
            return None

    def remove(self) -> None:
        """Forgets the checkpoint."""
        self.path.unlink(missing_ok=True)

    @property
    def _file(self) -> StateFile:
        return StateFile(self.path, self.identity, "checkpoint", "the run begins anew")


class _NotUsed(Exception):
    """Why a checkpoint is not used."""


def _sum(header: Settings, state: bytes) -> str:
    """SHA-256 over all that a checkpoint says: its scores become part of a record, and its state decides the rest."""
    # NaN, which canonical JSON refuses, is a score like others here; the record says what is wrong with it.
    digest = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    digest.update(state)
    return digest.hexdigest()


def steps_kept(path: Path) -> int:
    """Optimiser steps that a checkpoint holds; 0 if there is none that can be read."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            return int(json.loads(file.readline(_MOST_BYTES))["progress"]["steps"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return 0
