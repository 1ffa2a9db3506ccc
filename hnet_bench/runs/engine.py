"""The engine: hands runs to Dask workers, tries again what a dying process left, and counts what comes back.

A record is written by the worker that made it, so nothing finished is lost whatever becomes of this process; a run that
was under way goes on from its checkpoint, in whichever process takes it up.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from distributed import KilledWorker, as_completed
from distributed import TimeoutError as DaskTimeoutError  # the built-in one only from Python 3.11 on

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.checkpoint import steps_kept
from hnet_bench.runs.cluster import (
    GPU,
    Cluster,
    SchedulerGone,
    check_gpu_slots,
    connected,
    dashboard,
    gpus_to_use,
    runs_at_a_time,
)
from hnet_bench.runs.events import Event, Observer, ignore
from hnet_bench.runs.process import Died, Failed, in_own_process
from hnet_bench.runs.provenance import command_line
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store
from hnet_bench.runs.trainings import Order
from hnet_bench.runs.worker import Options, Result, SweepContext, device_and_loggers, do

__all__ = ["Options", "Outcome", "run_all"]

# How often a run is tried that ends with an exception, or takes its process with it without having advanced.
_TRIES = {"error": 2, "died": 3}


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: number of runs stored, a line for each that failed, and number of those left for another."""

    done: int
    failed: tuple[str, ...]
    left: int = 0
    others: bool = False  # whether another sweep over the same store was found at some of them


def run_all(
    specs: list[RunSpec],
    *,
    store: Store,
    cluster: Cluster,
    options: Options,
    observer: Observer = ignore,
    announce: Callable[[str], None] = lambda sentence: None,
) -> Outcome:
    """Do these runs and store their records.

    `observer` is called in this process, from another thread; `announce` is told about the cluster. A run that fails
    leaves its traceback in the store and stops no other. KeyboardInterrupt ends the workers that were started here;
    finished records stay. At the deadline runs leave off with a checkpoint. Raises UserError if there is no such device
    or no such cluster, and if its scheduler goes away: then no run has failed.
    """
    if not specs:
        return Outcome(0, ())
    workers = 0 if cluster.scheduler else runs_at_a_time(cluster, len(specs), options.device)
    # Workers have other current folders.
    folder, logs = (path and path.resolve() for path in (options.folder, options.logs))
    options = replace(options, folder=folder, logs=logs)
    with connected(cluster, workers, announce) as client:
        device = _device(client, options)
        if device is None:
            return Outcome(0, (), left=len(specs))
        if cluster.scheduler and cluster.gpu_slots and device == "cuda":
            check_gpu_slots(client)
        if cluster.is_local:
            announce(f"{workers} worker{'' if workers == 1 else 's'} on {device}.")
        if link := dashboard(client):
            announce(f"Dashboard: {link}")
        context = SweepContext(
            store=replace(store, root=store.root.resolve(), shipped=None),  # whose runs are not handed out
            options=replace(options, device=device),
            command=command_line(),
            topic=f"hnet_bench-{uuid.uuid4().hex}",
            gpus=gpus_to_use(cluster, options.device),
        )
        # On this machine the number of workers is the number of slots; elsewhere workers declare theirs to Dask.
        shared = {GPU: 1} if cluster.gpu_slots and device == "cuda" and not cluster.is_local else None
        sweep = Dispatcher(client, context, observer, shared)
        client.subscribe_topic(context.topic, sweep.hear)
        return sweep.finish(specs)


@dataclass
class Dispatcher:
    """Hands the runs of one sweep to a client's workers, until each has ended or the deadline has come."""

    client: Any
    context: SweepContext
    observer: Observer
    resources: dict[str, int] | None = None
    results: dict[str, Result] = field(default_factory=dict)  # what tasks said of their end, by their names
    _unheard: BaseException | None = None  # that the observer raised in Dask's thread: `finish` raises it
    _tries: dict[str, int] = field(default_factory=dict)
    _steps: dict[str, int] = field(default_factory=dict)  # of the checkpoint at the last try
    _others: bool = False  # whether another sweep was found at one of the runs
    _order: Order = field(default_factory=lambda: Order((), share=False))
    _places: dict[str, int] = field(default_factory=dict)  # of runs in the sweep; the least is handed out first

    def hear(self, message: tuple[float, Settings]) -> None:
        """Takes in what a worker says: an event of a run, or how a task ended, before Dask says that it is done."""
        said = message[1]
        if "event" in said:
            try:
                self.observer(Event(**said["event"]))
            except BaseException as error:  # such as a closed pipe; raised here it would end Dask's own thread
                self._unheard = self._unheard or error
        else:
            self.results[said["task"]] = Result(**said["result"])

    def finish(self, specs: list[RunSpec]) -> Outcome:
        """Hands out all runs and waits for them, until the deadline at most."""
        deadline = self.context.options.deadline
        order = self._order = Order(specs, share=self.context.options.share)
        self._places = {spec.key: place for place, spec in enumerate(specs)}
        specs_of = {self._submit(spec): spec for spec in order.ready()}
        failed: list[str] = []
        done = 0
        waiting = as_completed(list(specs_of), timeout=deadline.seconds_to_wait if deadline else None)
        # What does not leave off in time, since a single step or an evaluation takes so long, has its last checkpoint.
        with suppress(DaskTimeoutError):
            for future in waiting:
                if self._unheard:
                    raise self._unheard
                spec = specs_of.pop(future)
                result = self._result(future, spec)
                if result.kind == "done":
                    done += 1
                    self._over(spec, done=True)
                    self.observer(Event(kind="finished", key=spec.key))
                elif result.kind == "stopped":
                    order.stopped(spec)
                    self.observer(Event(kind="stopped", key=spec.key))
                elif result.kind == "waiting":
                    order.stopped(spec)
                elif self._is_hopeless(spec, result):
                    self._over(spec, done=False)
                    self._note(spec, result)
                    failed.append(f"{spec.strategy} {spec.scenario.label} seed {spec.seed}: {result.problem}")
                    self.observer(Event(kind="failed", key=spec.key, message=result.problem))
                else:
                    if result.kind == "elsewhere":  # what nobody has begun comes first
                        self._places[spec.key] = max(self._places.values()) + 1
                    self._hand_out([spec], specs_of, waiting)
                self._hand_out(order.ready(), specs_of, waiting)
        return Outcome(done, tuple(failed), left=len(specs) - done - len(failed), others=self._others)

    def _note(self, spec: RunSpec, result: Result) -> None:
        """Has the store know of a run that failed. Its process has said so with a traceback, if it came that far."""
        if self.context.store.failure(spec) != result.problem:
            self.context.store.write_failure(spec, {"problem": result.problem, "traceback": ""})

    def _hand_out(self, specs: list[RunSpec], specs_of: dict[Any, RunSpec], waiting: Any) -> None:
        for spec in specs:
            future = self._submit(spec)
            specs_of[future] = spec
            waiting.add(future)

    def _over(self, spec: RunSpec, *, done: bool) -> None:
        for digest in self._order.over(spec, done=done):
            self.context.store.forget_training(digest)

    def _submit(self, spec: RunSpec) -> Any:
        # What stands before the first hyphen of a name is what Dask takes for the kind of a task: were it not the same
        # for all runs, Dask would guess each one's duration anew and leave workers idle.
        key = f"run-{spec.run_id}-{uuid.uuid4().hex[:8]}"
        content, files = spec.to_json(), dict(spec.files)
        store = self.context.store
        # What an earlier sweep left is taken, too.
        shared = {
            one.name: one.digest
            for one in self._order.trainings(spec)
            if one.digest in self._order.shared or store.training_path(one.digest).is_dir()
        }
        return self.client.submit(
            do,
            content,
            files,
            self.context,
            shared,
            key=key,
            pure=False,
            resources=self.resources,
            priority=-self._places[spec.key],  # those that waited for another come before those of later seeds
        )

    def _result(self, future: Any, spec: RunSpec) -> Result:
        # What the task returns is never asked for: if its worker is gone, Dask tries to reach it for minutes.
        said = self.results.pop(future.key, None)
        if said is not None and said.kind != "died":
            return said
        store = self.context.store
        if store.has(spec):  # it died after its work was done
            return Result("done")
        if said is None:  # the worker died before it could say anything
            if future.status == "cancelled" or self.client.status != "running":
                raise SchedulerGone
            reason = f": {future.exception()!r}" if future.status == "error" else ""
            said = Result("died", f"the worker process ended{reason}")
        return said

    def _is_hopeless(self, spec: RunSpec, result: Result) -> bool:
        """Whether not to try again; a run that has advanced since the last try is not counted as tried."""
        if result.kind in ("elsewhere", "mistake"):
            self._others |= result.kind == "elsewhere"
            return result.kind == "mistake"
        steps = steps_kept(self.context.store.checkpoint_path(spec))
        if steps > self._steps.get(spec.key, 0):
            self._steps[spec.key] = steps
            self._tries[spec.key] = 0
        self._tries[spec.key] = self._tries.get(spec.key, 0) + 1
        return self._tries[spec.key] >= _TRIES[result.kind]


def _device(client: Any, options: Options) -> str | None:
    """The device of the workers; None if the deadline comes before a worker does.

    Asked of a worker, whose machine counts; what is not there ends the sweep before it begins. Raises UserError for a
    device and for a logger that are not there, and if no worker can even say that.
    """
    for _ in range(_TRIES["died"]):
        asked = client.submit(
            in_own_process, device_and_loggers, options.device, options.loggers, options.logs, pure=False
        )
        try:
            return str(asked.result(timeout=options.deadline.seconds_to_wait if options.deadline else None))
        except DaskTimeoutError:
            return None
        except Died as death:
            end = str(death)
        except KilledWorker:
            end = "the worker ended"
        except (ImportError, RuntimeError, Failed) as error:
            raise UserError(
                f"No run can begin ({' '.join(str(error).split())}): scheduler and workers need hnet_bench and what it "
                "needs, as it is here."
            ) from error
    raise UserError(
        f"Before the first run, whenever a worker looked for the device, {end}. A run needs about 2 GB of memory; what "
        "became of a worker is in the output of its Slurm job, or in its machine's log."
    )
