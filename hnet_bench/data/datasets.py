"""What is known beforehand about each data set, and the check of its content that every source ends in."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hnet_bench.interfaces import UserError

Bytes = npt.NDArray[np.uint8]


class DataError(UserError):
    """A data set is missing, cannot be fetched or stored, or is not what it should be; the message says what to do."""


class SourceUnavailable(Exception):
    """One source cannot deliver here (no network, package not installed); the message says why, the next may do."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """A data set in memory, as four uint8 arrays in the order of the original files.

    Images are (N, height, width) or (N, height, width, 3) in RGB, with pixels 0-255; labels are (N,), counted from 0.
    """

    name: str
    x_train: Bytes
    y_train: Bytes
    x_test: Bytes
    y_test: Bytes

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256, in hex, over the raw bytes of x_train, y_train, x_test and y_test, each in C order."""
        digest = hashlib.sha256()
        for array in (self.x_train, self.y_train, self.x_test, self.y_test):
            digest.update(np.ascontiguousarray(array).reshape(-1).data)
        return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts that a data set is checked against."""

    name: str
    sha256: str  # the `Arrays.fingerprint` of the true content
    train: int  # number of training images
    test: int  # number of test images
    image: tuple[int, ...]  # shape of one image: (height, width) or (height, width, 3)
    classes: int  # labels are 0 ... classes - 1
    torchvision: str  # class in `torchvision.datasets`, of which the first `classes` classes are taken

    @property
    def file(self) -> str:
        """Name of the archive in the data folder."""
        return f"{self.name}.npz"

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array in the archive, in the order in which the content sum runs over them."""
        return {
            "x_train": (self.train, *self.image),
            "y_train": (self.train,),
            "x_test": (self.test, *self.image),
            "y_test": (self.test,),
        }

    def verified(self, found: Mapping[str, object], where: str) -> Arrays:
        """Make `Arrays` of the four arrays in `found`, or raise a `DataError` that says how they differ from the facts.

        `where` names their file or source in the error.
        """
        arrays = {}
        for key, shape in self.shapes.items():
            array = found.get(key)
            if not isinstance(array, np.ndarray):
                listed = f"only {', '.join(sorted(found))}" if found else "no arrays at all"
                raise DataError(f"{where} is not {self.name}: expected an array {key}, found {listed}.")
            if array.dtype != np.uint8 or array.shape != shape:
                raise DataError(
                    f"{where} is not {self.name}: expected {key} to be uint8 of shape {shape}, "
                    f"found {array.dtype} of shape {array.shape}."
                )
            arrays[key] = np.ascontiguousarray(array)
        result = Arrays(self.name, **arrays)
        if result.fingerprint != self.sha256:
            raise DataError(
                f"{where} does not hold the content of {self.name}: expected the SHA-256 sum {self.sha256} "
                f"over its arrays, found {result.fingerprint}."
            )
        return result


DATASETS: dict[str, Facts] = {
    facts.name: facts
    for facts in (
        Facts(
            name="mnist",
            sha256="06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16",
            train=60_000,
            test=10_000,
            image=(28, 28),
            classes=10,
            torchvision="MNIST",
        ),
        Facts(
            name="cifar10",
            sha256="80387ddb9a0edf3fc4a964ee3770296169bb26a651050df20035579673099660",
            train=50_000,
            test=10_000,
            image=(32, 32, 3),
            classes=10,
            torchvision="CIFAR10",
        ),
        # CIFAR-100 with fine classes 0-49 only: Split CIFAR uses no others.
        Facts(
            name="cifar100-first50",
            sha256="f0f9fa18366b00b4405b9fdce038f28c840f1db2424cdea4d475c9acd3259db1",
            train=25_000,
            test=5_000,
            image=(32, 32, 3),
            classes=50,
            torchvision="CIFAR100",
        ),
    )
}
