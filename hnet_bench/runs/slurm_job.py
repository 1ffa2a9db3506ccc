"""One Slurm job as dask-jobqueue submits it. Imports dask-jobqueue, which only those have who need it."""

from __future__ import annotations

from dask_jobqueue.slurm import SLURMCluster, SLURMJob
from distributed.core import Status

from hnet_bench.interfaces import Settings, UserError

__all__ = ["Job", "SLURMCluster", "check_skipped", "one_line"]

# Settings that the head of a job's script depends on.
_OF_HEAD = (
    "cores",
    "memory",
    "processes",
    "job_name",
    "log_directory",
    "queue",
    "account",
    "job_cpu",
    "job_mem",
    "walltime",
)


class Job(SLURMJob):  # type: ignore[misc]
    """A job that remembers why Slurm refused it, where Dask would print a traceback and wait for its workers."""

    refused = ""  # what sbatch said

    async def start(self) -> None:
        try:
            await super().start()
        except (RuntimeError, OSError, ValueError) as error:
            # dask-jobqueue tells in several paragraphs, of which this is the last.
            self.refused = one_line(str(error).partition("stderr:\n")[2] or str(error))
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


def check_skipped(settings: Settings) -> None:
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


def one_line(text: str) -> str:
    """A message of several lines as one, without its last full stop."""
    return "; ".join(line.strip() for line in text.splitlines() if line.strip()).rstrip(".")
