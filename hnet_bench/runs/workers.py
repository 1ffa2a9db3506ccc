"""How Dask's workers are started on this machine, and what those of others must be set to. (Slurm's: `slurm.py`.)

Dask reads its settings in the process that they are for, and not in the one that starts the sweep. Workers of this
machine are threads of that one; those of Slurm find them in their environment, and those of a cluster that is there are
told. Whoever is told unpickles what stands here, in processes that load neither torch nor Avalanche.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import dask
from distributed import Client, LocalCluster, NannyPlugin, WorkerPlugin
from distributed import TimeoutError as DaskTimeoutError
from distributed.client import ClosedClientError

from hnet_bench.interfaces import UserError
from hnet_bench.runs.process import ENVIRONMENT, start_server

_SECONDS_TO_CONNECT = 20
SETTINGS: dict[str, Any] = {
    # A run lasts minutes to hours and is held up by nothing that a restart or a pause would mend.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.scheduler.worker-saturation": 1.0,
    # The engine itself decides how often a run whose worker died is tried again: it knows whether the run advanced.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.comm.timeouts.connect": "120s",
    "distributed.worker.profile.enabled": False,  # what their threads do is to wait
}


def environment() -> dict[str, str]:
    """All of it as variables of the environment that a worker begins with, under the names that Dask reads."""
    dasks = {f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": str(one) for name, one in SETTINGS.items()}
    return {**ENVIRONMENT, **dasks}


@contextmanager
def local_workers(number: int) -> Iterator[Client]:
    """A client of so many workers on this machine, which end with the block, and their runs with them.

    Workers are threads that do no more than begin the process of one run after another, hear what it says and find out
    how it ended, so no worker dies with a run. Raises UserError if they end while they start.
    """
    try:
        cluster = uninterrupted(
            meanwhile=start_server,
            make=lambda: LocalCluster(
                n_workers=number,
                threads_per_worker=1,
                processes=False,
                protocol="inproc://",  # nobody else can speak to them, whatever Dask's settings say
                memory_limit=None,
                dashboard_address="127.0.0.1:0",  # Dask would have it listen to other machines
                worker_dashboard_address="127.0.0.1:0",
                silence_logs=logging.CRITICAL,  # what befalls a run, the engine tells
            ),
        )
    except RuntimeError as error:
        raise UserError(f"The workers do not start on this machine: {str(error).rstrip('.')}.") from error
    with cluster, Client(cluster) as client:
        yield client


@contextmanager
def existing_workers(address: str, announce: Callable[[str], None]) -> Iterator[Client]:
    """A client of a scheduler that is there, whose workers are told what runs need of them.

    Raises UserError as `scheduler_at` does, and if they cannot do runs.
    """
    with scheduler_at(address) as client:
        for plugin in (NannySettings(), WorkerSettings()):
            try:
                client.register_plugin(plugin)
            except OSError:
                continue  # a worker went away meanwhile; one that comes is told
            except (ClosedClientError, CancelledError):
                raise
            except Exception as error:  # of the kind that Dask makes of whatever happened in a worker
                raise UserError(
                    f"The workers of the Dask scheduler at {address} cannot do runs ({' '.join(str(error).split())}): "
                    "they need hnet_bench and what it needs, as it is here."
                ) from error
        if not client.nthreads():
            announce(f"No worker yet: `dask worker {address} --nthreads 1` starts one.")
        yield client


def scheduler_at(address: str) -> Client:
    """A client of the scheduler at an address. Raises UserError if none answers there."""
    try:
        return Client(address, timeout=_SECONDS_TO_CONNECT)
    except TypeError as error:
        raise UserError(
            f"'{address}' speaks TLS, and Dask's settings here name no certificates: docs/clusters.md says how."
        ) from error
    except (OSError, ValueError, DaskTimeoutError) as error:
        raise UserError(
            f"No Dask scheduler answers at '{address}' ({error}): start one with `dask scheduler`, and workers with "
            "`dask worker ADDRESS --nthreads 1`."
        ) from error


class WorkerSettings(WorkerPlugin):  # type: ignore[misc]
    """Tells workers that others started, present ones and those that come later."""

    name, idempotent = "hnet_bench: settings of workers", True

    def setup(self, worker: Any) -> None:
        dask.config.set(SETTINGS)
        # Read when the worker began. Above all limits rather than False, so that a worker which pauses now goes on.
        memory = worker.memory_manager
        memory.memory_spill_fraction = memory.memory_pause_fraction = math.inf


class NannySettings(NannyPlugin):  # type: ignore[misc]
    """Tells the processes that restart those workers."""

    name, idempotent = "hnet_bench: settings of nannies", True

    def setup(self, nanny: Any) -> None:
        dask.config.set(SETTINGS)
        nanny.memory_manager.memory_terminate_fraction = math.inf


def uninterrupted(make: Callable[[], Any], meanwhile: Callable[[], None] = lambda: None) -> Any:
    """The cluster that `make` makes while `meanwhile` is called; if either is interrupted, none is left."""
    # Dask cannot close a cluster that has half begun. In a thread of its own it is not interrupted.
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(make)
        try:
            meanwhile()
            return future.result()
        except BaseException:
            with suppress(Exception):
                future.result().close()
            raise
