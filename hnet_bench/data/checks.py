"""The check that every source of data ends in, and the errors of this package."""

from collections.abc import Mapping

import numpy as np

from hnet_bench.data.arrays import Arrays
from hnet_bench.data.facts import Facts
from hnet_bench.interfaces import UserError


class DataError(UserError):
    """A data set is missing, cannot be fetched or stored, or is not what it should be; the message says what to do."""


class SourceUnavailable(Exception):
    """One source cannot deliver here (no network, package not installed); the message says why, the next may do."""


def verified(found: Mapping[str, object], facts: Facts, where: str) -> Arrays:
    """Make `Arrays` of the four arrays in `found`, or raise a `DataError` that says how they differ from `facts`.

    `where` names their file or source in the error.
    """
    arrays = {}
    for key, shape in facts.shapes.items():
        array = found.get(key)
        if not isinstance(array, np.ndarray):
            raise DataError(f"{where} is not {facts.name}: expected an array {key}, found {_listed(found)}.")
        if array.dtype != np.uint8 or array.shape != shape:
            raise DataError(
                f"{where} is not {facts.name}: expected {key} to be uint8 of shape {shape}, "
                f"found {array.dtype} of shape {array.shape}."
            )
        arrays[key] = np.ascontiguousarray(array)
    result = Arrays(facts.name, **arrays)
    if result.fingerprint != facts.sha256:
        raise DataError(
            f"{where} does not hold the content of {facts.name}: expected the SHA-256 sum {facts.sha256} "
            f"over its arrays, found {result.fingerprint}."
        )
    return result


def _listed(found: Mapping[str, object]) -> str:
    return "only " + ", ".join(sorted(found)) if found else "no arrays at all"
