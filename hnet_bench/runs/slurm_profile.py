"""The profile of a Slurm cluster: settings of dask-jobqueue's SLURMCluster, with what every worker of ours needs."""

from __future__ import annotations

import os
import shlex
from numbers import Integral
from pathlib import Path

from hnet_bench.config import read_toml
from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.workers import environment

LISTS = ("job_script_prologue", "worker_extra_args", "job_directives_skip", "job_extra_directives")
# Web servers listen here alone: whoever reaches them needs no password.
_LOOPBACK = "127.0.0.1:0"


def slurm_settings(content: Settings, where: str) -> Settings:
    """Return the settings of SLURMCluster from a profile, with what every worker of ours needs.

    A job has `processes` workers (default 1), each with one core. Raises UserError for a profile without memory,
    for one whose numbers and lists are none, and for one with fewer cores than processes.
    """
    settings = {"processes": 1, **content}
    if "memory" not in settings:
        raise UserError(f'The Slurm profile {where} must say how much memory a job needs, such as memory = "4GB".')
    settings.setdefault("cores", settings["processes"])
    for name in ("jobs", "processes", "cores"):
        check_number(settings.get(name, 1), f"'{name}' in the Slurm profile {where}", name)
    for name in LISTS:
        given = settings.get(name, [])
        if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
            raise UserError(f"'{name}' in the Slurm profile {where} must be a list of texts, found {given!r}.")
    if not isinstance(settings.get("scheduler_options", {}), dict):
        found = settings["scheduler_options"]
        raise UserError(f"'scheduler_options' in the Slurm profile {where} must be a table, found {found!r}.")
    if settings["cores"] < settings["processes"]:
        # dask-jobqueue would start workers with no threads, which take the whole node's.
        raise UserError(
            f"The Slurm profile {where} must have a core for each process of a job, found {settings['cores']} for "
            f"{settings['processes']}."
        )
    settings.setdefault("silence_logs", "critical")  # what befalls a run, the engine tells
    exports = [f"export {name}={shlex.quote(value)}" for name, value in environment().items()]
    settings["job_script_prologue"] = [*exports, *settings.get("job_script_prologue", [])]
    settings["worker_extra_args"] = ["--dashboard-address", _LOOPBACK, *settings.get("worker_extra_args", [])]
    settings["scheduler_options"] = {"dashboard_address": _LOOPBACK, **settings.get("scheduler_options", {})}
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
