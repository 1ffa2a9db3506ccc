"""Workers that are jobs of Slurm, started and ended with a sweep by dask-jobqueue, which only those have who need it.

A job that ends when its workers have come, as at its time limit, is submitted again. What Slurm refuses, and jobs that
end before their workers come, are said in a sentence, and a sweep to which no worker can come ends.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed import Client, SchedulerPlugin, Status

from hnet_bench.config import read_toml
from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.slurm_profile import LISTS, slurm_settings
from hnet_bench.runs.workers import uninterrupted

_SECONDS_BETWEEN_LOOKS = 10.0
_SECONDS_FOR_SQUEUE = 20.0
# Settings that the head of a job's script depends on.
_OF_HEAD = (
    *("cores", "memory", "processes", "walltime", "job_cpu", "job_mem"),
    *("queue", "account", "job_name", "log_directory"),
)


@contextmanager
def slurm_workers(profile: Path, workers: int, announce: Callable[[str], None]) -> Iterator[Client]:
    """A client of a scheduler in this process, to which so many workers come when Slurm begins their jobs.

    Raises UserError if none can come, be it at once or while the block lasts.
    """
    content = read_toml(profile)
    if shutil.which("sbatch") is None:
        raise UserError("--slurm needs Slurm's sbatch, which is not here: run this on a machine that submits jobs.")
    # What dask-jobqueue's own files say for all users of a cluster holds where the profile says nothing.
    common = dask.config.get("jobqueue.slurm")
    lists = (*LISTS, "scheduler_options")
    content = {**{name: value for name in lists if (value := common.get(name.replace("_", "-")))}, **content}
    settings = slurm_settings(content, str(profile))
    settings.pop("jobs", None)

    def submitted() -> Any:
        cluster = SLURMCluster(job_cls=_Job, **settings)
        cluster.scale(jobs=-(-workers // settings["processes"]))
        cluster.sync(_submit, cluster)
        return cluster

    try:
        _check_skipped(settings)
        cluster = uninterrupted(submitted)
    except ImportError as error:
        raise UserError("'security' in a Slurm profile needs cryptography: pip install hnet_bench[tls].") from error
    except (TypeError, ValueError, RuntimeError, OSError) as error:
        raise UserError(f"dask-jobqueue does not accept the profile {profile}: {_one_line(error)}.") from error
    with cluster, Client(cluster) as client, _Watch(cluster, client, announce) as watch:
        try:
            yield client
        except Exception as error:
            if watch.hopeless:
                raise UserError(watch.hopeless) from error
            raise


class _Job(SLURMJob):  # type: ignore[misc]
    """A job that remembers why Slurm refused it, where Dask would print a traceback and wait for its workers."""

    refused = ""  # what sbatch said

    async def start(self) -> None:
        try:
            await super().start()
        except (RuntimeError, OSError, ValueError) as error:
            # dask-jobqueue tells in several paragraphs, of which this is the last.
            self.refused = _one_line(str(error).partition("stderr:\n")[2] or error)
            self.status = Status.running  # Dask asserts it

    async def close(self) -> None:
        await super().close()
        self.status = Status.closed  # this, too

    @property
    def output(self) -> str:
        """The file that the job writes to, unless a directive of the profile says another."""
        if self.log_directory is None:
            return f"slurm-{self.job_id}.out"
        return f"{self.log_directory}/{self.job_name or 'worker'}-{self.job_id}.err"


def _check_skipped(settings: Settings) -> None:
    """Raises UserError if one of 'job_directives_skip' takes directives along that it does not name. dask-jobqueue
    drops every line that contains such a text: with "-t" also "--cpus-per-task"."""
    head = {name: settings[name] for name in _OF_HEAD if name in settings}
    whole = SLURMJob("tcp://nobody:1", "no worker", job_directives_skip=[], **head).job_header
    options = [line.removeprefix("#SBATCH ") for line in whole.splitlines()]
    for text in settings.get("job_directives_skip") or ():
        for option in options:
            if text in option and not option.startswith(text):
                raise UserError(
                    f"'{text}' of 'job_directives_skip' in the Slurm profile would also drop '{option}', which has "
                    f"these letters in it: write a short option with a blank behind it, '{text} '."
                )


async def _submit(cluster: Any, again: tuple[str, ...] = ()) -> None:
    """Submits the jobs that a cluster should have and has not, and those that are named again."""
    for name in again:
        await cluster.workers.pop(name).close()
    await cluster


class _Watch(SchedulerPlugin):  # type: ignore[misc]
    """Looks after the jobs of a sweep, once now and then while the block lasts.

    Raises UserError at the beginning if Slurm has refused them all. If later no worker can come any more, `hopeless`
    says why, and the client is closed, which ends whatever waits for it.
    """

    name = "hnet-bench-watch"  # by which Dask knows a plugin

    def __init__(self, cluster: Any, client: Client, announce: Callable[[str], None]) -> None:
        self.hopeless = ""
        self._cluster, self._client, self._announce = cluster, client, announce
        self._arrived: set[str] = set()  # names of workers
        self._told: set[str] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look_again_and_again, daemon=True)
        cluster.scheduler.add_plugin(self)

    def __enter__(self) -> _Watch:
        if all(job.refused for job in self._cluster.workers.values()):
            raise UserError(f"{self._refusals()}.")
        self._tell(self._refusals())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        # Whatever held the cluster would keep its TLS key on disk: the file goes with the object.
        self._cluster.scheduler.remove_plugin(self.name)

    def add_worker(self, scheduler: Any, worker: str) -> None:
        """Dask tells of every worker that comes, however short it stays."""
        self._arrived.add(str(scheduler.workers[worker].name))

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
        came = {name for name in jobs if self._workers_of(name)}
        queued = {name for name, job in jobs.items() if job.job_id in queue}
        ended = {name for name, job in jobs.items() if not job.refused} - queued
        lost = (ended & came) | (planned - set(jobs))  # Dask itself forgets some that have ended
        early = [jobs[name].output for name in sorted(ended - came)]
        number = "a job" if len(early) == 1 else f"{len(early)} jobs"
        told_early = f"{number} ended before a worker came from there, see {early[-1]}" if early else ""
        if not queued and not lost:
            reasons = "; ".join(filter(None, (self._refusals(), told_early)))
            self.hopeless = f"No worker can come any more: {reasons}."
            return
        self._tell(told_early)
        if lost and not self._over.is_set():
            for name in lost:  # if no worker comes this time, it is not tried for ever
                self._arrived -= self._workers_of(name)
            self._cluster.sync(_submit, self._cluster, tuple(lost & set(jobs)))
            self._tell(self._refusals())
        if not self._cluster.observed:
            waits = {queue[jobs[name].job_id] for name in queued} - {""}
            self._tell(f"Waiting for Slurm, which gives as reason: {', '.join(sorted(waits))}" if waits else "")

    def _workers_of(self, job: str) -> set[str]:
        """Those that came from a job, which has one of its own name or several with numbers behind it."""
        return {name for name in self._arrived.copy() if f"{name}-".startswith(f"{job}-")}

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


def _queue() -> dict[str, str] | None:
    """This user's jobs that have not ended, by their ids: why they wait, or "". None if Slurm does not tell."""
    command = ["squeue", "--noheader", f"--user={os.getuid()}", "--format=%i %T %r"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_SECONDS_FOR_SQUEUE)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (line.split(maxsplit=2) for line in told.stdout.splitlines())
    return {job: words[1] if words[0] == "PENDING" else "" for job, *words in lines if len(words) == 2}


def _one_line(message: object) -> str:
    """A message of several lines as one, without its last full stop."""
    return "; ".join(line.strip() for line in str(message).splitlines() if line.strip()).rstrip(".")
