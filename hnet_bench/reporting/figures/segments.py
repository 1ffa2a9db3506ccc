"""Many straight lines as one artist and one element of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from matplotlib.collections import LineCollection

from hnet_bench.reporting.figures.estimates import Array


def segments(lines: Sequence[Any] | Array, **look: Any) -> LineCollection:
    """Lines through points, each (points, 2), all looking alike: drawn as one line with gaps, which takes a third of
    the time that matplotlib takes for one after the other."""
    gap = numpy.full((1, 2), numpy.nan)
    parts = [part for line in lines for part in (gap, numpy.asarray(line, dtype=numpy.float64))]
    return LineCollection([numpy.concatenate(parts[1:])] if parts else [], **look)


def straight(x: Array, y: Array, to_x: Array, to_y: Array, **look: Any) -> LineCollection:
    """Lines from points to points, four arrays (n)."""
    return segments(numpy.stack([numpy.stack([x, y], axis=1), numpy.stack([to_x, to_y], axis=1)], axis=1), **look)
