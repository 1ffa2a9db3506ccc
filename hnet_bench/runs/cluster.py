"""Where runs are done: on this machine, on a Dask cluster that is there, or on one that Slurm starts.

Whatever it is, each worker has one run done after another, each by a process of its own. When this process ends,
however it ends, so do the runs and the workers that it started.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import dask
import psutil
from distributed import Client
from distributed.client import ClosedClientError
from distributed.comm import CommClosedError

from hnet_bench.interfaces import UserError
from hnet_bench.runs.slurm_profile import check_number, slurm_workers_wanted
from hnet_bench.runs.workers import SETTINGS, existing_workers, local_workers, scheduler_at

GPU = "GPU"  # Dask's worker resource: one for each run that may share a GPU


class SchedulerGone(Exception):
    """The scheduler no longer answers, so nothing can be said of the runs that were handed to it."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """What a sweep runs on. Of `scheduler` and `slurm` at most one is given; without either, this machine."""

    jobs: int | None = None  # runs at a time; default: physical cores, or GPUs times slots; on Slurm, the profile's
    scheduler: str | None = None  # address of a Dask scheduler whose workers see the same results and data
    slurm: Path | None = None  # TOML with the settings of dask-jobqueue's SLURMCluster
    gpu_slots: int | None = None  # runs that share one GPU; default 1

    def __post_init__(self) -> None:
        if self.scheduler and self.slurm:
            raise UserError("Give --scheduler or --slurm, not both: either a cluster is there or Slurm starts one.")
        if self.slurm and self.gpu_slots:
            raise UserError(
                "--gpu-slots is not for Slurm: there 'processes' in the profile says how many runs share a job's GPU."
            )
        for name, number in (("jobs", self.jobs), ("gpu_slots", self.gpu_slots)):
            if number is not None:
                check_number(number, f"'{name}'", "runs")

    @property
    def is_local(self) -> bool:
        """Whether the workers are started here."""
        return not (self.scheduler or self.slurm)


def runs_at_a_time(cluster: Cluster, runs: int, device: str) -> int:
    """How many of so many runs go on at once, at least 1: the workers that are started for them, here or with Slurm, or
    those that the scheduler has.

    `device` is "auto", "cpu" or "cuda". Raises UserError if the scheduler does not answer or has no worker yet, and for
    a profile of Slurm that cannot be read.
    """
    if cluster.slurm:
        return max(1, slurm_workers_wanted(cluster.slurm, cluster.jobs, runs))
    if cluster.scheduler:
        at_once = cluster.jobs or _slots_of_scheduler(cluster.scheduler, shared=cluster.gpu_slots and device != "cpu")
    else:
        at_once = cluster.jobs or gpus_to_use(cluster, device) * (cluster.gpu_slots or 1) or physical_cores()
    return max(1, min(at_once, runs))


def gpus_to_use(cluster: Cluster, device: str) -> int:
    """Number of GPUs of this machine that runs on such a device share; 0 if they are to use none."""
    return gpu_count() if cluster.is_local and device != "cpu" else 0


def _slots_of_scheduler(address: str, *, shared: object) -> int:
    with _quiet(), scheduler_at(address) as client:
        threads: int = sum(client.nthreads().values())
        # Runs ask for a slot of a GPU only where there is one, as with --device auto on a cluster without any.
        slots = _gpu_slots(client) if shared else 0
    if not threads:
        raise UserError(
            f"The Dask scheduler at {address} has no worker yet, so nobody knows how many runs go on at a "
            "time: say it with -j."
        )
    return slots or threads


def _gpu_slots(client: Client) -> int:
    """Runs that the workers of a cluster take at a time on their GPUs."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    return sum(min(worker["nthreads"], int(worker["resources"].get(GPU, 0))) for worker in workers)


def check_gpu_slots(client: Client) -> None:
    """Raises UserError if no worker has said that runs may share its GPU, since none would ever get a run."""
    if not _gpu_slots(client):
        raise UserError(
            "--gpu-slots needs workers that declare their GPU, as `dask worker ADDRESS --nthreads 1 --resources "
            f'"{GPU}=4"` does: of those that are there none does.'
        )


def physical_cores() -> int:
    """Number of physical cores among those that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, psutil.cpu_count(logical=False) or usable)


@cache
def gpu_count() -> int:
    """Number of CUDA devices on this machine; asks torch, in a process of its own, only where there is a driver."""
    if not Path("/proc/driver/nvidia").exists() and shutil.which("nvidia-smi") is None:
        return 0
    ask = "import torch; print(torch.cuda.device_count())"
    found = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    return int(found.stdout) if found.returncode == 0 else 0


@contextmanager
def connected(
    cluster: Cluster, workers: int, announce: Callable[[str], None] = lambda sentence: None
) -> Iterator[Client]:
    """A client of the cluster, for which so many workers are started unless it is there; they end with the block.

    `announce` is told what it waits for. Raises UserError if it cannot be had, and if the block ends because the
    scheduler is gone or no worker can come any more.
    """
    with _quiet(), dask.config.set(SETTINGS):
        try:
            with _opened(cluster, workers, announce) as client:
                yield client
        except (SchedulerGone, ClosedClientError, CommClosedError, CancelledError) as error:
            place = f"at {cluster.scheduler} " if cluster.scheduler else ""
            raise UserError(f"The Dask scheduler {place}no longer answers; the same command goes on.") from error


def _opened(cluster: Cluster, workers: int, announce: Callable[[str], None]) -> AbstractContextManager[Client]:
    if cluster.scheduler:
        return existing_workers(cluster.scheduler, announce)
    if not cluster.slurm:
        return local_workers(workers)
    before = signal.getsignal(signal.SIGINT)
    try:
        from hnet_bench.runs.slurm import slurm_workers
    except ImportError as error:
        raise UserError("--slurm needs dask-jobqueue: pip install hnet_bench[slurm].") from error
    finally:
        # Imported, dask-jobqueue has Ctrl-C end the process without a word and with exit code 0.
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)
    return slurm_workers(cluster.slurm, workers, announce)


def dashboard(client: Client) -> str | None:
    """Where the scheduler shows its dashboard. Ours needs bokeh for that, and has its web server for this machine."""
    port = client.scheduler_info(n_workers=0)["services"].get("dashboard")
    if not port or (client.cluster and find_spec("bokeh") is None):
        return None
    return f"http://127.0.0.1:{port}/status" if client.cluster else str(client.dashboard_link)


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask tells at length of every connection that closes; whoever watches a sweep has no use for it."""
    # Its modules have loggers with levels of their own, but these handlers alone. They may be somebody else's, too, and
    # another sweep of this process may be doing the same.
    loggers = (logging.getLogger("distributed"), logging.getLogger("tornado.application"))
    handlers = {handler for logger in loggers for handler in logger.handlers}

    def is_told(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.CRITICAL or not record.name.startswith(("distributed", "tornado"))

    for handler in handlers:
        handler.addFilter(is_told)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_told)
