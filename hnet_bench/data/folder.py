"""The data folder: where it is, how its archives are read and written, what it holds.

An archive `<name>.npz` holds the arrays x_train, y_train, x_test and y_test of one data set (see `Arrays`). It is
checked whenever it is read. It appears under its name only when it is complete, so that readers and any number of
processes that write at once never meet half a file.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np

from hnet_bench.data.arrays import Arrays
from hnet_bench.data.checks import DataError, verified
from hnet_bench.data.facts import DATASETS, Facts


@dataclass(frozen=True)
class Status:
    """What the data folder holds of one data set."""

    name: str
    path: Path
    state: Literal["verified", "missing", "corrupt"]  # corrupt: there, but unreadable or with the wrong content
    size: int | None = None  # of the archive, in bytes; None when it is missing
    problem: str | None = None  # the full sentence about a corrupt archive


def data_folder() -> Path:
    """`$HNET_BENCH_DATA` where it is set, or else the folder hnet_bench in the user's cache folder."""
    chosen = os.environ.get("HNET_BENCH_DATA")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not cache.is_absolute():  # the XDG specification says to ignore an empty or relative path
            cache = Path.home() / ".cache"
    return cache / "hnet_bench"


def read(path: Path, facts: Facts) -> Arrays | None:
    """The verified content of the archive at `path`, None when there is no such file, `DataError` when it is bad."""
    try:
        file = path.open("rb")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be opened: {error.strerror or error}.") from error
    advice = "Delete it to fetch it anew."
    with file:
        try:
            archive = np.load(file, allow_pickle=False)
            found = {key: archive[key] for key in facts.shapes if key in archive}
        except MemoryError:
            raise
        except Exception as error:  # zipfile, zlib and NumPy have a dozen ways to say that a file is damaged
            raise DataError(
                f"{path} is damaged: expected a NumPy archive of uint8 arrays, found {_size(path)} bytes that cannot "
                f"be read as one ({error}). {advice}"
            ) from error
    try:
        return verified(found, facts, str(path))
    except DataError as error:
        raise DataError(f"{error} {advice}") from None


@contextmanager
def workspace(folder: Path, name: str) -> Iterator[Path]:
    """A temporary folder inside `folder`, for this process alone; gone afterwards.

    It is on the same file system as `folder`, so that a file can be moved from one to the other in one step.
    Raises `DataError` when `folder` cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = TemporaryDirectory(prefix=f".{name}-", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError(
            f"{name} is not in the data folder {folder}, and it cannot be stored there either "
            f"({error.strerror or error}): set HNET_BENCH_DATA to a folder that can be written to."
        ) from error
    with temporary as path:
        yield Path(path)


def write(arrays: Arrays, facts: Facts, target: Path, work: Path) -> None:
    """Write `arrays` to `target` in one step; `work` is a `workspace` of the folder of `target`."""
    partial = work / facts.file
    try:
        with partial.open("xb") as file:
            np.savez(file, **{key: getattr(arrays, key) for key in facts.shapes})
            file.flush()
            os.fsync(file.fileno())  # or a crash could leave an empty file under the final name
        os.replace(partial, target)
    except OSError as error:
        if os.name == "nt" and target.is_file():
            return  # another process was first and has the file open; it is checked when it is next read
        raise DataError(f"{facts.name} cannot be stored as {target}: {error.strerror or error}.") from error


def status(folder: Path | None = None) -> list[Status]:
    """What `folder` (default: `data_folder()`) holds of each data set. Reads and checks every archive: about 1 s."""
    folder = data_folder() if folder is None else folder
    return [_status(folder / facts.file, facts) for facts in DATASETS.values()]


def _status(path: Path, facts: Facts) -> Status:
    try:
        arrays = read(path, facts)
    except DataError as error:
        return Status(facts.name, path, "corrupt", _size(path), str(error))
    if arrays is None:
        return Status(facts.name, path, "missing")
    return Status(facts.name, path, "verified", _size(path))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
