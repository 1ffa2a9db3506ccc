"""Workers on this machine: threads, each of which waits for the process of one run after another.

All they do is to begin a process, hear what it says and find out how it ended, so no worker dies with a run.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster

from hnet_bench.interfaces import UserError
from hnet_bench.runs.apart import start_server
from hnet_bench.runs.begun import begun


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
    """A cluster of so many workers. Raises UserError if they end while they start."""
    try:
        return begun(
            lambda: LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=False,
                protocol="inproc://",  # nobody else can speak to them, whatever Dask's settings say
                memory_limit=None,
                dashboard_address="127.0.0.1:0",  # Dask would have it listen to other machines
                worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,  # what befalls a run, the engine tells
            )
        )
    except RuntimeError as error:
        raise UserError(f"The workers do not start on this machine: {str(error).rstrip('.')}.") from error
