"""What Dask's processes must be set to for runs, and the ways in which that reaches each of them.

Dask reads its settings in the process that they are for, and not in the one that starts the sweep. Workers of this
machine are threads of that one; those of Slurm find them in their environment, and those of a cluster that is there are
told. Whoever is told unpickles what stands here, in processes that load neither torch nor Avalanche.
"""

from __future__ import annotations

import math
from typing import Any

import dask
from distributed import NannyPlugin, WorkerPlugin

from hnet_bench.runs.apart import ENVIRONMENT

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
}


def environment() -> dict[str, str]:
    """All of it as variables of the environment that a worker begins with, under the names that Dask reads."""
    dasks = {f"DASK_{name.replace('.', '__').replace('-', '_').upper()}": str(one) for name, one in SETTINGS.items()}
    return {**ENVIRONMENT, **dasks}


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
