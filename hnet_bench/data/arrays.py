"""One data set in memory."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Arrays:
    """A data set as four uint8 arrays, in the order of the original files.

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
