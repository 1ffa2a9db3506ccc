"""Python without its search for circles of references, where much is made that lasts to the end anyway."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """While it lasts, nothing looks for objects that only each other refer to: among a thousand records or in the
    artists of a figure that takes a tenth to a third of the time, and finds nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
