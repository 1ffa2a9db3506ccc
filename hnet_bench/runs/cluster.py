"""Where runs are done: on this machine, on a Dask cluster that is there, or on one that Slurm starts.

Whatever it is, each worker has one run done after another, each by a process of its own. When this process ends,
however it ends, so do the runs and the workers that it started.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from numbers import Integral
from pathlib import Path
from urllib.parse import urlsplit

import dask
import psutil
from distributed import Client
from distributed.client import ClosedClientError
from distributed.comm import CommClosedError

from hnet_bench.config import read_toml
from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.apart import ENVIRONMENT
from hnet_bench.runs.local import local_workers

GPU = "GPU"  # Dask's worker resource: one for each run that may share a GPU
_SETTINGS = {
    # A run lasts minutes to hours and is held up by nothing that a restart would mend.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.scheduler.worker-saturation": 1.0,
    # The engine itself decides how often a run whose worker died is tried again: it knows whether the run advanced.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.comm.timeouts.connect": "120s",
}
_SECONDS_TO_CONNECT = 20
_SECONDS_FOR_DASHBOARD = 2


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
        for name, number in (("jobs", self.jobs), ("gpu_slots", self.gpu_slots)):
            if number is not None:
                _check_number(number, f"'{name}'", "runs")

    @property
    def is_local(self) -> bool:
        """Whether the workers are started here."""
        return not (self.scheduler or self.slurm)


def workers_wanted(cluster: Cluster, runs: int, gpus: int) -> int:
    """Number of processes on this machine for so many runs; `gpus` is 0 unless the runs are to use them."""
    slots = gpus * (cluster.gpu_slots or 1)
    return max(1, min(cluster.jobs or slots or physical_cores(), runs))


def runs_at_a_time(cluster: Cluster, runs: int, device: str) -> int:
    """How many of so many runs go on at once, as far as can be told before they begin; at least 1.

    `device` is "auto", "cpu" or "cuda". Asks the scheduler, if there is one. Raises UserError if it does not answer or
    has no worker yet, and for a profile of Slurm that cannot be read.
    """
    if cluster.is_local:
        return workers_wanted(cluster, runs, gpus_wanted(cluster, device))
    if cluster.slurm:
        settings = slurm_settings(read_toml(cluster.slurm), str(cluster.slurm))
        wanted = (cluster.jobs or int(settings.get("jobs", 1))) * int(settings["processes"])
    else:
        wanted = cluster.jobs or _slots(cluster, device)
    return max(1, min(wanted, runs))


def gpus_wanted(cluster: Cluster, device: str) -> int:
    """Number of GPUs of this machine that runs on such a device share; 0 if they are to use none."""
    return gpu_count() if cluster.is_local and device != "cpu" else 0


def _slots(cluster: Cluster, device: str) -> int:
    """Runs that the workers of a scheduler take at a time."""
    assert cluster.scheduler is not None
    with _quiet(), _existing(cluster.scheduler) as client:
        threads: int = sum(client.nthreads().values())
        # Runs ask for a slot of a GPU only where there is one, as with --device auto on a cluster without any.
        workers = client.scheduler_info()["workers"].values() if cluster.gpu_slots and device != "cpu" else ()
    shared: int = sum(min(worker["nthreads"], int(worker["resources"].get(GPU, 0))) for worker in workers)
    if not threads:
        raise UserError(
            f"The Dask scheduler at {cluster.scheduler} has no worker yet, so nobody knows how many runs go on at a "
            "time: say it with -j."
        )
    return shared or threads


def physical_cores() -> int:
    """Number of physical cores among those that this process may use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, psutil.cpu_count(logical=False) or usable)


def gpu_count() -> int:
    """Number of CUDA devices on this machine; asks torch, in a process of its own, only where there is a driver."""
    if not Path("/proc/driver/nvidia").exists() and shutil.which("nvidia-smi") is None:
        return 0
    ask = "import torch; print(torch.cuda.device_count())"
    found = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    return int(found.stdout) if found.returncode == 0 else 0


@contextmanager
def connected(cluster: Cluster, workers: int) -> Iterator[Client]:
    """A client of the cluster; what was started for it ends with it.

    Raises UserError if it cannot be had, and if the block ends because the scheduler is gone.
    """
    with _quiet() as told, dask.config.set({**_SETTINGS, "distributed.nanny.pre-spawn-environ": ENVIRONMENT}):
        if cluster.scheduler:
            opened = _existing(cluster.scheduler)
        elif cluster.slurm:
            opened = _slurm(cluster.slurm, cluster.jobs)
        else:
            opened = local_workers(workers)
        try:
            with opened as client:
                try:
                    yield client
                except BaseException:
                    told.level = logging.CRITICAL  # whatever is under way when the client closes now would be told
                    raise
        except (SchedulerGone, ClosedClientError, CommClosedError, CancelledError) as error:
            place = f"at {cluster.scheduler} " if cluster.scheduler else ""
            raise UserError(f"The Dask scheduler {place}no longer answers; the same command goes on.") from error


def has_dashboard(client: Client) -> bool:
    """Whether the scheduler shows a dashboard, and to this machine. Without one it has a web server all the same, with
    an address that Dask tells, and where bokeh is missing a page that says so."""
    told = client.scheduler_info(n_workers=0)
    host = urlsplit(told["address"]).hostname
    if not host or "dashboard" not in told["services"]:
        return False
    server = HTTPConnection(host, told["services"]["dashboard"], timeout=_SECONDS_FOR_DASHBOARD)
    try:
        server.request("HEAD", "/workers")  # one of its pages but the first
        return server.getresponse().status != HTTPStatus.NOT_FOUND
    except (OSError, HTTPException):
        return False
    finally:
        server.close()


class _Least(logging.Filter):
    """Lets pass what is at least this serious."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self.level = level

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self.level


@contextmanager
def _quiet() -> Iterator[_Least]:
    """Dask tells at length of every connection that closes; whoever watches a sweep has no use for it."""
    least = _Least(logging.ERROR)
    # Its modules have loggers with levels of their own, but these handlers alone.
    handlers = [*logging.getLogger("distributed").handlers, *logging.getLogger("tornado.application").handlers]
    for handler in handlers:
        handler.addFilter(least)
    try:
        yield least
    finally:
        for handler in handlers:
            handler.removeFilter(least)


@contextmanager
def _existing(address: str) -> Iterator[Client]:
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT)
    except (OSError, ValueError, TimeoutError) as error:
        raise UserError(
            f"No Dask scheduler answers at '{address}' ({error}): start one with `dask scheduler`, and workers with "
            "`dask worker ADDRESS --nthreads 1`."
        ) from error
    with client:
        yield client


@contextmanager
def _slurm(profile: Path, jobs: int | None) -> Iterator[Client]:
    try:
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError as error:
        raise UserError("--slurm needs dask-jobqueue: pip install hnet_bench[slurm].") from error
    settings = slurm_settings(read_toml(profile), str(profile))
    wanted = jobs or settings.pop("jobs", 1)
    settings.pop("jobs", None)
    try:
        cluster = SLURMCluster(**settings)
    except (TypeError, ValueError) as error:
        raise UserError(f"dask-jobqueue does not accept the profile {profile}: {error}.") from error
    with cluster, Client(cluster) as client:
        # Adapting to a fixed number replaces jobs that end, where scaling would not.
        cluster.adapt(minimum_jobs=wanted, maximum_jobs=wanted)
        yield client


def slurm_settings(content: Settings, where: str) -> Settings:
    """Settings of SLURMCluster from a profile, with what every worker of ours needs.

    A job has `processes` workers (default 1), each with one core. Raises UserError for a profile without memory,
    and for one whose jobs or processes are no number.
    """
    settings = {"processes": 1, **content}
    if "memory" not in settings:
        raise UserError(f'The Slurm profile {where} must say how much memory a job needs, such as memory = "4GB".')
    for name in ("jobs", "processes"):
        _check_number(settings.get(name, 1), f"'{name}' in the Slurm profile {where}", name)
    settings.setdefault("cores", settings["processes"])
    exports = [f"export {name}={value}" for name, value in ENVIRONMENT.items()]
    settings["job_script_prologue"] = [*exports, *settings.get("job_script_prologue", [])]
    return settings


def _check_number(number: object, what: str, of: str) -> None:
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 1:
        raise UserError(f"{what} must be a number of {of}, at least 1, found {number!r}.")
