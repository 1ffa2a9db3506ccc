"""Workers that are jobs of Slurm, started and ended with a sweep by dask-jobqueue.

A job that ends when its workers have come, as at its time limit, is submitted again. What Slurm refuses, and jobs that
end before their workers come, are said in a sentence, and a sweep to which no worker can come ends.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import dask
from distributed import Client, SchedulerPlugin

from hnet_bench.config import read_toml
from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.begun import begun
from hnet_bench.runs.dask_settings import environment

# Web servers listen here alone: whoever reaches them needs no password.
LOOPBACK = "127.0.0.1:0"
_LISTS = ("job_script_prologue", "worker_extra_args", "job_directives_skip", "job_extra_directives")
_SECONDS_BETWEEN_LOOKS = 10.0
_SECONDS_FOR_SQUEUE = 20.0


def slurm_settings(content: Settings, where: str) -> Settings:
    """Settings of SLURMCluster from a profile, with what every worker of ours needs.

    A job has `processes` workers (default 1), each with one core. Raises UserError for a profile without memory,
    for one whose numbers and lists are none, and for one with fewer cores than processes.
    """
    settings = {"processes": 1, **content}
    if "memory" not in settings:
        raise UserError(f'The Slurm profile {where} must say how much memory a job needs, such as memory = "4GB".')
    for name in ("jobs", "processes"):
        check_number(settings.get(name, 1), f"'{name}' in the Slurm profile {where}", name)
    for name in _LISTS:
        given = settings.get(name, [])
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise UserError(f"'{name}' in the Slurm profile {where} must be a list of texts, found {given!r}.")
    settings.setdefault("cores", settings["processes"])
    check_number(settings["cores"], f"'cores' in the Slurm profile {where}", "cores")
    if settings["cores"] < settings["processes"]:
        # dask-jobqueue would start workers with no threads, which take the whole node's.
        raise UserError(
            f"The Slurm profile {where} must have a core for each process of a job, found {settings['cores']} for "
            f"{settings['processes']}."
        )
    settings.setdefault("silence_logs", "critical")  # what befalls a run, the engine tells
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment().items()]
    settings["job_script_prologue"] = [*exports, *settings.get("job_script_prologue", [])]
    settings["worker_extra_args"] = ["--dashboard-address", LOOPBACK, *settings.get("worker_extra_args", [])]
    settings["scheduler_options"] = {"dashboard_address": LOOPBACK, **settings.get("scheduler_options", {})}
    if settings.get("security"):
        # Jobs read their key here; as it is with results, they must see the folder.
        settings.setdefault("shared_temp_directory", os.getcwd())
    return settings


def slurm_workers_wanted(profile: Path, jobs: int | None, runs: int) -> int:
    """Number of workers for so many runs, in `jobs` jobs at most (default: those of the profile, else 1)."""
    settings = slurm_settings(read_toml(profile), str(profile))
    return min((jobs or int(settings.get("jobs", 1))) * int(settings["processes"]), runs)


def check_number(number: object, what: str, of: str) -> None:
    """Raises UserError unless it is an integer of at least 1."""
    if isinstance(number, bool) or not isinstance(number, Integral) or number < 1:
        raise UserError(f"{what} must be a number of {of}, at least 1, found {number!r}.")


@contextmanager
def slurm_workers(profile: Path, workers: int, announce: Callable[[str], None]) -> Iterator[Client]:
    """A client of a scheduler in this process, to which so many workers come when Slurm begins their jobs.

    Raises UserError if none can come, be it at once or while the block lasts.
    """
    content = read_toml(profile)
    if shutil.which("sbatch") is None:
        raise UserError("--slurm needs Slurm's sbatch, which is not here: run this on a machine that submits jobs.")
    slurm_job = _slurm_job()
    # What dask-jobqueue's own files say for all users of a cluster holds where the profile says nothing.
    common = dask.config.get("jobqueue.slurm")
    lists = (*_LISTS, "scheduler_options")
    content = {**{name: value for name in lists if (value := common.get(name.replace("_", "-")))}, **content}
    settings = slurm_settings(content, str(profile))
    settings.pop("jobs", None)

    def submitted() -> Any:
        cluster = slurm_job.SLURMCluster(job_cls=slurm_job.Job, **settings)
        cluster.scale(jobs=-(-workers // settings["processes"]))
        cluster.sync(_submit, cluster)
        return cluster

    try:
        slurm_job.check_skipped(settings)
        cluster = begun(submitted)
    except ImportError as error:
        raise UserError("'security' in a Slurm profile needs cryptography: pip install hnet_bench[tls].") from error
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        problem = slurm_job.one_line(str(error))
        raise UserError(f"dask-jobqueue does not accept the profile {profile}: {problem}.") from error
    with cluster, Client(cluster) as client, _Watch(cluster, client, announce) as watch:
        try:
            yield client
        except Exception as error:
            if watch.hopeless:
                raise UserError(watch.hopeless) from error
            raise


def _slurm_job() -> ModuleType:
    """Our module of that name. Raises UserError if dask-jobqueue is missing."""
    before = signal.getsignal(signal.SIGINT)
    try:
        from hnet_bench.runs import slurm_job
    except ImportError as error:
        raise UserError("--slurm needs dask-jobqueue: pip install hnet_bench[slurm].") from error
    finally:
        # Imported, it has Ctrl-C end the process without a word and with exit code 0.
        if signal.getsignal(signal.SIGINT) is not before:
            signal.signal(signal.SIGINT, before)
    return slurm_job


async def _submit(cluster: Any, again: tuple[str, ...] = ()) -> None:
    """Submits the jobs that a cluster should have and has not, and those that are named again."""
    for name in again:
        await cluster.workers.pop(name).close()
    await cluster


class _Watch:
    """Looks after the jobs of a sweep, once now and then while the block lasts.

    Raises UserError at the beginning if Slurm has refused them all. If later no worker can come any more, `hopeless`
    says why, and the client is closed, which ends whatever waits for it.
    """

    def __init__(self, cluster: Any, client: Client, announce: Callable[[str], None]) -> None:
        self.hopeless = ""
        self._cluster, self._client, self._announce = cluster, client, announce
        self._arrivals = _Arrivals()
        cluster.scheduler.add_plugin(self._arrivals)
        self._told: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, daemon=True)

    def __enter__(self) -> _Watch:
        if all(job.refused for job in self._cluster.workers.values()):
            raise UserError(f"{self._refusals()}.")
        self._tell(self._refusals())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look_again_and_again(self) -> None:
        while not self.hopeless and not self._over.wait(_SECONDS_BETWEEN_LOOKS):
            self.look()
        if self.hopeless:
            self._client.close()

    def look(self) -> None:
        """Looks once."""
        jobs, planned = dict(self._cluster.workers), set(self._cluster.worker_spec)
        queue = _queue()
        if queue is None:
            return
        came = {name for name in jobs if self._arrivals.of(name)}
        queued = {name for name, job in jobs.items() if job.job_id in queue}
        refused = {name for name, job in jobs.items() if job.refused}
        ended = set(jobs) - queued - refused
        lost = (ended & came) | (planned - set(jobs))  # Dask itself forgets some that have ended
        early = [jobs[name].output for name in sorted(ended - came)]
        if not queued and not lost:
            parts = [self._refusals(), _ended_early(early)]
            self.hopeless = f"No worker can come any more: {'; '.join(filter(None, parts))}."
            return
        self._tell(_ended_early(early))
        if lost and not self._over.is_set():
            for name in lost:  # if no worker comes this time, it is not tried for ever
                self._arrivals.names -= self._arrivals.of(name)
            self._cluster.sync(_submit, self._cluster, tuple(lost & set(jobs)))
            self._tell(self._refusals())
        if not self._cluster.observed:
            self._tell(_pending(queue[jobs[name].job_id] for name in queued))

    def _refusals(self) -> str:
        """What Slurm says of jobs that it refuses, "" if there are none."""
        jobs = list(self._cluster.workers.values())
        said = [job.refused for job in jobs if job.refused]
        number = "the job" if len(jobs) == 1 else f"{len(said)} of {len(jobs)} jobs"
        return f"Slurm refuses {number}: {said[0]}" if said else ""

    def _tell(self, news: str) -> None:
        """Announces what there is to say, if it has not been said."""
        if news and news not in self._told:
            self._told.add(news)
            self._announce(f"{news[0].upper()}{news[1:]}.")


class _Arrivals(SchedulerPlugin):  # type: ignore[misc]
    """Names of the workers that have come."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def add_worker(self, scheduler: Any, worker: str) -> None:
        self.names.add(str(scheduler.workers[worker].name))

    def of(self, job: str) -> set[str]:
        """Those of a job, which has one of its own name or several with numbers behind it."""
        return {name for name in self.names.copy() if f"{name}-".startswith(f"{job}-")}


class _Queued(NamedTuple):
    """What Slurm says of a job that has not ended."""

    state: str
    reason: str


def _queue() -> dict[str, _Queued] | None:
    """This user's jobs by their ids; None if Slurm does not tell."""
    command = ["squeue", "--noheader", f"--user={os.getuid()}", "--format=%i %T %r"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS_FOR_SQUEUE)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (line.split(maxsplit=2) for line in told.stdout.splitlines())
    return {job: _Queued(*words) for job, *words in lines if len(words) == 2}


def _pending(jobs: Iterable[_Queued]) -> str:
    reasons = [job.reason for job in jobs if job.state == "PENDING"]
    if not reasons:
        return ""
    return f"Waiting for Slurm, which gives as reason: {', '.join(sorted(set(reasons)))}"


def _ended_early(outputs: list[str]) -> str:
    if not outputs:
        return ""
    number = "a job" if len(outputs) == 1 else f"{len(outputs)} jobs"
    return f"{number} ended before a worker came from there, see {outputs[-1]}"
