"""Files that are whole or not there: atomic writes, a lock on a folder, names for what is kept aside; and reading them
where something else may stand in their place."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
        with suppress(OSError):
            partial.unlink()


def read_regular(path: Path, most: int) -> bytes:
    """Content of a regular file of at most so many bytes. Raises OSError for anything else, without waiting for it.

    Whoever opens a pipe waits for its other end, a device may have no end, and a file with holes takes more memory than
    disk.
    """
    with open(path, "rb", opener=_without_waiting) as file:
        found = os.fstat(file.fileno())
        _check(path, found, most)
        return file.read(found.st_size)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_regular(path: Path, most: int | None = None) -> None:
    """Raises OSError if a path leads to no regular file, or to one of more bytes."""
    _check(path, path.stat(), most)


def _check(path: Path, found: os.stat_result, most: int | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if most is not None and found.st_size > most:
        raise OSError(errno.EFBIG, f"larger than {most // 2**20} MiB", str(path))


def move_aside(path: Path) -> Path:
    """Renames what cannot be read as the file that it is named like; where it is then."""
    return path.rename(path.with_name(f"{path.name}.damaged-{uuid.uuid4().hex[:8]}"))


def remove_partials(path: Path) -> None:
    """Removes what processes that were killed while they wrote left behind, of all files of the run at `path`.

    Only for whoever knows that no process is writing them now.
    """
    for partial in path.parent.glob(f".{path.stem}.*.partial"):
        partial.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else is in this block for the same folder meanwhile; creates the folder.

    The lock leaves no file and ends with the process that holds it. Where a system has no such locks there is none:
    files are whole all the same, but of two writers the later one counts.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def short_hash(content: bytes) -> str:
    """8 hex digits that name a file's content."""
    return hashlib.sha256(content).hexdigest()[:8]


def file_sum(path: Path) -> str:
    """SHA-256 of a file's content, 64 hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
