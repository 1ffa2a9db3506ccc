"""What a worker does: one run, from its checkpoint if there is one, to its record or its failure.

Every run has a process of its own, so that nothing reaches it but what its spec says.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal, TypeAlias

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.checkpoint import SECONDS_BETWEEN_CHECKPOINTS, Checkpoints
from hnet_bench.runs.deadline import Deadline, Stopped
from hnet_bench.runs.events import Event, Observer
from hnet_bench.runs.files import alone, check_regular, remove_partials
from hnet_bench.runs.process import Died, described, in_own_process
from hnet_bench.runs.provenance import identity, shared_identity
from hnet_bench.runs.revisions import revisions_of
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store

Kind: TypeAlias = Literal["done", "elsewhere", "error", "mistake", "died", "stopped", "waiting"]
_SECONDS_TO_WAIT_FOR_OTHERS = 2.0
_log = logging.getLogger("hnet_bench.run")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How runs are done; none of it changes what they measure."""

    device: str = "auto"  # or "cpu", "cuda"
    folder: Path | None = None  # of the data sets
    seconds_between_checkpoints: float = SECONDS_BETWEEN_CHECKPOINTS
    loggers: tuple[str, ...] = ()  # of Avalanche: "csv", "tensorboard", "wandb"
    logs: Path | None = None  # where these write
    deadline: Deadline | None = None  # when what is not done is left for another sweep
    share: bool = True  # whether runs take trainings that they have in common from each other


@dataclass(frozen=True, kw_only=True)
class SweepContext:
    """What all runs of a sweep have in common, as it is sent to workers."""

    store: Store
    options: Options  # with a device that is there
    command: str
    topic: str  # of what workers tell
    gpus: int = 1  # on the machine, if the workers are to share them by number


@dataclass(frozen=True)
class Result:
    """How a try ended. `elsewhere`: another process is doing the run. `mistake`: the user can mend it. `died`: the
    process of the run ended by itself, or its worker did. `stopped`: at the deadline, with a checkpoint; `waiting`: the
    deadline came before the run was begun."""

    kind: Kind
    problem: str = ""  # one line


def do(content: Settings, files: Mapping[str, Path], context: SweepContext, shared: Mapping[str, str]) -> None:
    """In a worker: one try at the run of a spec, in a process of its own. `shared` are the digests of its trainings
    that are shared, by their names. Its result is said under the sweep's topic
    with the name of the task, since what a task returns stays with its worker and may be lost with it."""
    from distributed import Status, get_worker  # the process of a run has no use for it

    worker = get_worker()

    def tell(event: Event) -> None:
        worker.log_event(context.topic, {"event": asdict(event)})

    def wanted() -> bool:
        return worker.status in (Status.running, Status.paused)

    if context.options.deadline and not context.options.deadline.leaves(0.0):
        result = Result("waiting")
    else:
        try:
            name = str(worker.name)
            result = in_own_process(attempt, content, files, context, shared, name, hear=tell, wanted=wanted)
        except Died as death:
            result = Result("died", str(death))
    worker.log_event(context.topic, {"task": worker.get_current_task(), "result": asdict(result)})


def attempt(
    content: Settings,
    files: Mapping[str, Path],
    context: SweepContext,
    shared: Mapping[str, str],
    worker: str,
    tell: Observer,
) -> Result:
    """In the process of the run: one try at it. The files of the spec are there or in the worker's own folder; workers
    on a machine with several GPUs take them in turn, by the workers' names."""
    try:
        spec, store = RunSpec.from_json(content, files), context.store
    except UserError as error:  # a user's file, or a strategy of a plug-in, that this machine has not
        return Result("mistake", str(error))
    device = context.options.device
    if device == "cuda" and context.gpus > 1:
        device = f"cuda:{int(worker) % context.gpus}"
    try:
        with _locked(store.log_path(spec)) as log_file:
            if store.has(spec):  # another sweep over the same store was faster
                return Result("done")
            store.check_not_newer(spec)
            if log_file is None:
                time.sleep(_SECONDS_TO_WAIT_FOR_OTHERS)
                return Result("elsewhere")
            tell(Event(kind="started", key=spec.key))
            _log_to(log_file, spec, tell)
            return _train(spec, context, shared, device, tell)
    except UserError as error:  # what has come into the run's place meanwhile
        return Result("mistake", str(error))
    except OSError as error:  # a full disk, a folder that has become read-only: whatever the log needs
        return Result("mistake", f"{store.log_path(spec)} cannot be written: {error.strerror}")


def _train(spec: RunSpec, context: SweepContext, shared: Mapping[str, str], device: str, tell: Observer) -> Result:
    from hnet_bench.avalanche_adapter.loggers import make_loggers
    from hnet_bench.runs.run import run_with_artefacts
    from hnet_bench.runs.sharing import Sharing

    store, options, loggers = context.store, context.options, None
    try:
        if options.loggers and options.logs:
            loggers = make_loggers(options.loggers, options.logs / spec.folder / spec.run_id, spec.to_json())
        checkpoints = Checkpoints(
            store.checkpoint_path(spec),
            identity(
                spec=spec.to_json(),
                strategy=spec.build_strategy(),
                device=options.device,
                revisions=revisions_of(spec),
            ),
            options.seconds_between_checkpoints,
        )
        record, artefacts = run_with_artefacts(
            spec,
            device=device,
            folder=options.folder,
            observer=tell,
            command=context.command,
            checkpoints=checkpoints,
            loggers=loggers,
            deadline=options.deadline,
            sharing=Sharing(
                {name: store.training_path(digest) for name, digest in shared.items()},
                shared_identity(spec, device=device),
            ),
        )
        store.write(spec, record, artefacts)
        checkpoints.remove()
        _log.info("record written")
    except Stopped:
        return Result("stopped")
    except Exception as error:
        problem = described(error)
        store.write_failure(spec, {"problem": problem, "traceback": traceback.format_exc()})
        return Result("mistake" if isinstance(error, UserError) else "error", problem)
    return Result("done")


def device_and_loggers(device: str, loggers: tuple[str, ...], logs: Path | None) -> str:
    """The device that runs will have where this is called, "cpu" or "cuda". Raises UserError for a device and for a
    logger that are not there."""
    from hnet_bench.avalanche_adapter.loggers import check_loggers
    from hnet_bench.runs.run import resolve_device

    found = resolve_device(device)
    if loggers and logs:
        check_loggers(loggers, logs)
    return found


@contextmanager
def _locked(path: Path) -> Iterator[IO[str] | None]:
    """The log file of a run, locked as long as this process works on the run; None if another process holds it.

    The system lets go of the lock when the process ends, however it ends. Where there are no locks every process may
    do the run: they write the same record.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        check_regular(path)
    with path.open("a", encoding="utf-8") as file:
        try:
            import fcntl

            # Unlike a lock of `flock`, this one is not inherited by what the run's process may start.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            yield None
            return
        except (ImportError, OSError):
            pass
        else:
            # What `merge` writes of the run meanwhile is no leftover.
            with suppress(OSError), alone(path.parent):
                remove_partials(path)
        yield file


def _log_to(file: IO[str], spec: RunSpec, tell: Observer) -> None:
    """Have this process write what happens to its run to a log, warnings of libraries included; the first warning of
    each kind of ours is also told as an event."""
    told: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        # Some of Avalanche's plugins announce their own deprecation at every experience, whatever filters are set.
        message = record.getMessage()
        new = record.name != "py.warnings" or message not in told
        told.add(message)
        return new

    logging.raiseExceptions = False  # a log that cannot be written to costs its lines, and prints no traceback for each
    handler = logging.StreamHandler(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    handler.addFilter(is_new)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(handler)
    ours = logging.getLogger("hnet_bench")
    ours.setLevel(logging.INFO)
    ours.addHandler(handler)
    ours.addHandler(_WarningEvents(spec, tell))


class _WarningEvents(logging.Handler):
    """Tells of what a run goes on without, such as checkpoints: once of each."""

    def __init__(self, spec: RunSpec, tell: Observer) -> None:
        super().__init__(logging.WARNING)
        self._spec, self._tell = spec, tell
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg not in self._told:
            self._told.add(record.msg)
            self._tell(Event(kind="warned", key=self._spec.key, message=record.getMessage()))
