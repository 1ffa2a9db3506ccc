"""The engine: hands runs to Dask worker processes and stores what comes back.

Each worker is one process with one thread, loads torch and Avalanche once, and does one run after another. A record is
written by the worker that made it, so nothing finished is lost whatever becomes of this process.
"""

from __future__ import annotations

import gc
import logging
import os
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster, as_completed, get_worker

from hnet_bench.interfaces import Settings
from hnet_bench.runs.events import Event, Observer, event_of
from hnet_bench.runs.provenance import command_line
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store

_TOPIC = "hnet_bench"
_SETTINGS = {
    # A run lasts minutes to hours and is held up by nothing that a restart would mend.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.comm.timeouts.connect": "120s",
}
_WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
    # glibc gives big blocks back to the system as soon as they are free, and Dask makes it do so sooner; a training
    # step allocates the same megabytes again and again, and would spend much of its time on page faults.
    "MALLOC_TRIM_THRESHOLD_": str(2**29),
    "MALLOC_MMAP_THRESHOLD_": str(2**29),
}


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: number of runs stored, and a line for each that failed."""

    done: int
    failed: tuple[str, ...]


def run_all(
    specs: list[RunSpec], *, store: Store, jobs: int, device: str, folder: Path | None, observer: Observer
) -> Outcome:
    """Does these runs in `jobs` processes and stores their records.

    `device` is "auto", "cpu" or "cuda"; `folder` holds the data sets. `observer` is called in this process, from
    another thread. A run that fails leaves its traceback in the store and stops no other. KeyboardInterrupt ends the
    workers; finished records stay. Raises UserError if there is no such device.
    """
    if not specs:
        return Outcome(0, ())
    failed: list[str] = []
    done = 0
    with _client(min(jobs, len(specs))) as client:
        # Asked of a worker, which loads torch anyway; a device that is not there ends the sweep before it begins.
        chosen_device = client.submit(_resolve_device, device).result()
        client.subscribe_topic(_TOPIC, lambda message: observer(Event(**message[1]["event"])))
        futures = client.map(
            _do,
            [spec.to_json() for spec in specs],
            pure=False,
            store=replace(store, root=store.root.resolve()),
            device=chosen_device,
            folder=folder.resolve() if folder else None,
            command=command_line(),
        )
        specs_of = {future.key: spec for future, spec in zip(futures, specs, strict=True)}
        for future in as_completed(futures):
            spec = specs_of[future.key]
            problem = _problem_of(future, spec, store)
            if problem is None:
                done += 1
                observer(event_of(spec, "finished"))
            else:
                failed.append(f"{spec.strategy} {spec.scenario.label} seed {spec.seed}: {problem}")
                observer(event_of(spec, "failed", message=problem))
    return Outcome(done, tuple(failed))


def _problem_of(future: Any, spec: RunSpec, store: Store) -> str | None:
    """One line on what went wrong with a run, None if it is stored."""
    if future.status == "finished":
        problem: str | None = future.result()
        return problem
    # The worker died before it could say anything, or what it said could not be sent.
    problem = f"the worker process ended: {future.exception()!r}"
    store.write_failure(spec, {"problem": problem, "traceback": ""})
    return problem


def _resolve_device(name: str) -> str:
    from hnet_bench.runs.run import resolve_device

    return resolve_device(name)


def _do(content: Settings, *, store: Store, device: str, folder: Path | None, command: str) -> str | None:
    """In a worker: one run. Returns None, or one line on what went wrong."""
    from hnet_bench.runs.run import run_with_artefacts

    worker = get_worker()

    def tell(event: Event) -> None:
        worker.log_event(_TOPIC, {"event": event.to_json()})

    spec = RunSpec.from_json(content)
    if store.has(spec):  # another sweep over the same store was faster
        return None
    tell(event_of(spec, "started"))
    try:
        # Some of Avalanche's plugins announce their own deprecation at every experience, whatever filters are set.
        with warnings.catch_warnings(record=True):
            record, artefacts = run_with_artefacts(spec, device=device, folder=folder, observer=tell, command=command)
        store.write(spec, record, artefacts)
    except Exception as error:
        problem = f"{type(error).__name__}: {error}".splitlines()[0]
        store.write_failure(spec, {"problem": problem, "traceback": traceback.format_exc()})
        return problem
    finally:
        # Avalanche's objects refer to each other in circles; without this a worker holds the data of several runs.
        gc.collect()
    return None


@contextmanager
def _client(workers: int) -> Iterator[Client]:
    # Dask tells at length of every connection that closes; whoever watches a sweep has no use for it.
    logging.getLogger("distributed").setLevel(logging.ERROR)
    settings = {**_SETTINGS, "distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=logging.ERROR
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def default_jobs() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
