"""Workers on this machine: threads, each of which waits for the process of one run after another.

All they do is to begin a process, hear what it says and find out how it ended, so no worker dies with a run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster

from hnet_bench.runs.apart import start_server


@contextmanager
def local_workers(number: int) -> Iterator[Client]:
    """A client of so many workers, which end with the block, and their runs with them, also if it is interrupted."""
    start_server()
    # What these threads do is to wait, which needs no profile.
    with (
        dask.config.set({"distributed.worker.profile.enabled": False}),
        _started(number) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _started(workers: int) -> LocalCluster:
    """A cluster of so many workers, which has begun; if this is interrupted, none is left."""
    # Dask cannot close a cluster that has half begun. In a thread of its own it is not interrupted.
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(
            LocalCluster,
            n_workers=workers,
            threads_per_worker=1,
            processes=False,
            memory_limit=None,
            dashboard_address="127.0.0.1:0",
            worker_dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,  # what befalls a run, the engine tells
        )
        try:
            return future.result()
        except KeyboardInterrupt:
            future.result().close()
            raise
