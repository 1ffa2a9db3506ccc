"""The engine: hands runs to Dask workers, tries again what a dying process left, and counts what comes back.

A record is written by the worker that made it, so nothing finished is lost whatever becomes of this process; a run that
was under way goes on from its checkpoint, in whichever process takes it up.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from distributed import as_completed

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.apart import Died, apart
from hnet_bench.runs.checkpoint import SECONDS_BETWEEN_CHECKPOINTS, steps_kept
from hnet_bench.runs.cluster import GPU, Cluster, SchedulerGone, connected, gpus_wanted, has_dashboard, workers_wanted
from hnet_bench.runs.deadline import Deadline
from hnet_bench.runs.events import Event, Observer, event_of
from hnet_bench.runs.provenance import command_line
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store
from hnet_bench.runs.work import Orders, Result, do

# How often a run is tried that ends with an exception, or takes its process with it without having advanced.
_TRIES = {"error": 2, "died": 3}


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: number of runs stored, a line for each that failed, and number of those left for another."""

    done: int
    failed: tuple[str, ...]
    left: int = 0


@dataclass(frozen=True, kw_only=True)
class Options:
    """How runs are done; none of it changes what they measure."""

    device: str = "auto"  # or "cpu", "cuda"
    folder: Path | None = None  # of the data sets
    seconds_between_checkpoints: float = SECONDS_BETWEEN_CHECKPOINTS
    loggers: tuple[str, ...] = ()  # of Avalanche: "csv", "tensorboard", "wandb"
    logs: Path | None = None  # where these write
    deadline: Deadline | None = None  # when what is not done is left for another sweep


def run_all(
    specs: list[RunSpec],
    *,
    store: Store,
    cluster: Cluster,
    options: Options,
    observer: Observer,
    announce: Callable[[str], None] = lambda sentence: None,
) -> Outcome:
    """Does these runs and stores their records.

    `observer` is called in this process, from another thread; `announce` is told about the cluster. A run that fails
    leaves its traceback in the store and stops no other. KeyboardInterrupt ends the workers that were started here;
    finished records stay. At the deadline runs leave off with a checkpoint. Raises UserError if there is no such device
    or no such cluster, and if its scheduler goes away: then no run has failed.
    """
    if not specs:
        return Outcome(0, ())
    gpus = gpus_wanted(cluster, options.device)
    workers = workers_wanted(cluster, len(specs), gpus)
    with connected(cluster, workers) as client:
        # Asked of a worker, whose machine counts; what is not there ends the sweep before it begins.
        logs = options.logs.resolve() if options.logs else None
        device = client.submit(_prepare, options.device, options.loggers, logs, pure=False).result()
        if isinstance(device, UserError):
            raise device
        topic = f"hnet_bench-{uuid.uuid4().hex}"
        results: dict[str, Result] = {}  # by the task's name

        def hear(message: tuple[float, Settings]) -> None:
            said = message[1]
            if "event" in said:
                observer(Event(**said["event"]))
            else:
                results[said["task"]] = Result(**said["result"])

        client.subscribe_topic(topic, hear)
        if cluster.is_local:
            announce(f"{workers} worker{'' if workers == 1 else 's'} on {device}.")
        if has_dashboard(client):
            announce(f"Dashboard: {client.dashboard_link}")
        orders = Orders(
            store=replace(store, root=store.root.resolve()),
            device=device,
            folder=options.folder.resolve() if options.folder else None,
            command=command_line(),
            topic=topic,
            gpus=gpus,
            seconds_between_checkpoints=options.seconds_between_checkpoints,
            loggers=options.loggers,
            logs=logs,
            deadline=options.deadline,
        )
        # On this machine the number of workers is the number of slots; elsewhere workers declare theirs to Dask.
        shared = {GPU: 1} if cluster.gpu_slots and device == "cuda" and not cluster.is_local else None
        return _Sweep(client, orders, store, observer, shared, results).finish(specs)


@dataclass
class _Sweep:
    client: Any
    orders: Orders
    store: Store
    observer: Observer
    resources: dict[str, int] | None
    results: dict[str, Result]  # what tasks said of their end, by name: each before Dask says that the task is done
    _tries: dict[tuple[str, ...], int] = field(default_factory=dict)
    _steps: dict[tuple[str, ...], int] = field(default_factory=dict)  # of the checkpoint at the last try

    def finish(self, specs: list[RunSpec]) -> Outcome:
        """Hands out all runs and waits for them, until the deadline at most."""
        deadline = self.orders.deadline
        specs_of = {self._submit(spec): spec for spec in specs}
        failed: list[str] = []
        done = 0
        waiting = as_completed(list(specs_of), timeout=deadline.seconds_to_wait if deadline else None)
        # What does not leave off in time, since a single step or an evaluation takes so long, has its last checkpoint.
        with suppress(TimeoutError):
            for future in waiting:
                spec = specs_of.pop(future)
                result = self._result(future, spec)
                if result.kind == "done":
                    done += 1
                    self.observer(event_of(spec, "finished"))
                elif result.kind == "stopped":
                    self.observer(event_of(spec, "stopped"))
                elif result.kind == "waiting":
                    continue
                elif self._is_hopeless(spec, result):
                    failed.append(f"{spec.strategy} {spec.scenario.label} seed {spec.seed}: {result.problem}")
                    self.observer(event_of(spec, "failed", message=result.problem))
                else:
                    again = self._submit(spec)
                    specs_of[again] = spec
                    waiting.add(again)
        return Outcome(done, tuple(failed), left=len(specs) - done - len(failed))

    def _submit(self, spec: RunSpec) -> Any:
        content, files = spec.to_json(), dict(spec.files)
        return self.client.submit(do, content, files, self.orders, key=_key(spec), pure=False, resources=self.resources)

    def _result(self, future: Any, spec: RunSpec) -> Result:
        # What the task returns is never asked for: if its worker is gone, Dask tries to reach it for minutes.
        said = self.results.pop(future.key, None)
        if said is not None and said.kind != "died":
            return said
        if self.store.has(spec):  # it died after its work was done
            return Result("done")
        if said is None:  # the worker died before it could say anything
            if future.status == "cancelled" or self.client.status != "running":
                raise SchedulerGone
            reason = f": {future.exception()!r}" if future.status == "error" else ""
            said = Result("died", f"the worker process ended{reason}")
        self.store.write_failure(spec, {"problem": said.problem, "traceback": ""})
        return said

    def _is_hopeless(self, spec: RunSpec, result: Result) -> bool:
        """Whether not to try again; a run that has advanced since the last try is not counted as tried."""
        if result.kind in ("elsewhere", "mistake"):
            return result.kind == "mistake"
        steps = steps_kept(self.store.checkpoint_path(spec))
        if steps > self._steps.get(spec.key, 0):
            self._steps[spec.key] = steps
            self._tries[spec.key] = 0
        self._tries[spec.key] = self._tries.get(spec.key, 0) + 1
        return self._tries[spec.key] >= _TRIES[result.kind]


def _key(spec: RunSpec) -> str:
    """Dask's name for one try of a run. What stands before the first hyphen is what Dask takes for the kind of a task:
    were it not the same for all runs, Dask would guess each one's duration anew and leave workers idle."""
    return f"run-{spec.run_id}-{uuid.uuid4().hex[:8]}"


def _prepare(device: str, loggers: tuple[str, ...], logs: Path | None) -> str | UserError:
    """In a worker: the device, or what is wrong with it or with a logger. Dask would print an exception with its
    traceback."""
    try:
        found: str = apart(_device_and_loggers, device, loggers, logs)
    except UserError as error:
        return error
    except Died as death:
        return UserError(f"Before the first run, when a worker looked for the device, {death}.")
    return found


def _device_and_loggers(device: str, loggers: tuple[str, ...], logs: Path | None) -> str:
    from hnet_bench.runs.run import resolve_device

    found = resolve_device(device)
    if loggers and logs:
        from hnet_bench.avalanche_adapter.loggers import check_loggers

        check_loggers(loggers, logs)
    return found
