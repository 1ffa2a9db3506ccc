"""Beginning a cluster of Dask's so that Ctrl-C finds it whole."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any


def begun(make: Callable[[], Any]) -> Any:
    """The cluster that `make` makes; if that is interrupted, none is left."""
    # Dask cannot close a cluster that has half begun. In a thread of its own it is not interrupted.
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(make)
        try:
            return future.result()
        except KeyboardInterrupt:
            with suppress(Exception):
                future.result().close()
            raise
