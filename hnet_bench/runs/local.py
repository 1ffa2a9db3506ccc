"""Workers on this machine: forked from a process that has loaded what they need, and deaf to Ctrl-C.

Ctrl-C reaches every process of a terminal's group. Only the one that the user started answers it, by ending the others.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import psutil
from distributed import Client, LocalCluster
from distributed.utils import get_mp_context

from hnet_bench.interfaces import UserError
from hnet_bench.runs.begun import begun

_PRELOADED = ["distributed", "hnet_bench.runs.preload"]


@contextmanager
def local_workers(number: int) -> Iterator[Client]:
    """A client of so many worker processes, which end with the block, also if it is interrupted."""
    with _without_main(), _forked(), _started(number) as cluster, Client(cluster) as client:
        yield client


def _started(workers: int) -> LocalCluster:
    """A cluster of so many workers. Raises UserError if they end while they start."""
    try:
        return begun(
            lambda: LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address="127.0.0.1:0",  # Dask would have it listen to other machines
                silence_logs=logging.CRITICAL,  # what befalls a run, the engine tells
            )
        )
    except RuntimeError as error:
        raise UserError(
            f"The workers do not start on this machine ({str(error).rstrip('.')}): each needs a process, about 2 GB of "
            "memory and room for temporary files."
        ) from error


@contextmanager
def _without_main() -> Iterator[None]:
    """Workers do not load the main module, of which they need nothing: a user's script without the usual guard would
    begin its sweep again in each."""
    main = sys.modules["__main__"].__dict__
    kept: dict[str, Any] = {name: main.pop(name) for name in ("__spec__", "__file__") if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(kept)


@contextmanager
def _forked() -> Iterator[None]:
    """Workers are forked from a process that has loaded what they need, where the system can do that."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        yield
        return
    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        # The first call chooses what is loaded in advance, so ours must follow it.
        get_mp_context().set_forkserver_preload(_PRELOADED)
        _start_forkserver()
        yield


def _start_forkserver() -> None:
    """Starts the process that workers are forked from, unless it is there, and waits until it has loaded all."""
    from multiprocessing import forkserver, resource_tracker

    # As Dask does when it starts a worker; some of these count only if a process begins with them.
    for name, value in dask.config.get("distributed.nanny.pre-spawn-environ").items():
        os.environ.setdefault(name, str(value))
    resource_tracker.ensure_running()  # else it would be started below, and lift the mask
    # Processes begin with the mask of the thread that starts them.
    others, before = _children(), signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    first = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    try:
        first.start()
        first.join()
    except KeyboardInterrupt:
        for started in _children() - others:
            started.kill()  # it would load all the rest
        raise


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children())
