"""Arrays that figures read from beside a record: are they all there, and have they the shapes that were agreed?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures.estimates import Array

Shapes: TypeAlias = "Mapping[str, tuple[str | int, ...]]"


def require(arrays: Mapping[str, Array], shapes: Shapes, *, where: str) -> dict[str, Array]:
    """The arrays of `shapes`; a letter there stands for one size, the same wherever it occurs.

    Raises UserError that names `where` and the array which is missing or has another shape.
    """
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        expected = f"({', '.join(str(size) for size in shape)})"
        if name not in arrays:
            raise UserError(f"The arrays of {where} have no '{name}': expected one of shape {expected}.")
        found = arrays[name].shape
        fits = len(found) == len(shape) and all(
            actual == (sizes.setdefault(size, actual) if isinstance(size, str) else size)
            for actual, size in zip(found, shape, strict=True)
        )
        if not fits:
            known = "".join(f", {letter} = {size}" for letter, size in sizes.items())
            raise UserError(f"'{name}' of {where} must have the shape {expected}{known}, found {found}.")
    return {name: arrays[name] for name in shapes}
