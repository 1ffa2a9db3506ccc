"""What a worker does: one run, from its checkpoint if there is one, to its record or its failure.

Every run has a process of its own, so that nothing reaches it but what its spec says.
"""

from __future__ import annotations

import logging
import os
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from distributed import Status, get_worker

from hnet_bench.interfaces import Settings, UserError
from hnet_bench.runs.apart import Died, apart
from hnet_bench.runs.checkpoint import Checkpoints
from hnet_bench.runs.deadline import Deadline, Stopped
from hnet_bench.runs.events import Event, Observer, event_of
from hnet_bench.runs.files import check_regular, remove_partials
from hnet_bench.runs.provenance import identity
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store

Kind: TypeAlias = Literal["done", "elsewhere", "error", "mistake", "died", "stopped", "waiting"]
_SECONDS_TO_WAIT_FOR_OTHERS = 2.0


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What all runs of a sweep have in common, as it is sent to workers."""

    store: Store
    device: str
    folder: Path | None  # of the data sets
    command: str
    topic: str  # of the events
    gpus: int = 1  # on the machine, if the workers are to share them by number
    seconds_between_checkpoints: float
    loggers: tuple[str, ...] = ()
    logs: Path | None = None  # where these loggers write
    deadline: Deadline | None = None  # of this piece of the sweep


@dataclass(frozen=True)
class Result:
    """How a try ended. `elsewhere`: another process is doing the run. `mistake`: the user can mend it. `died`: the
    process of the run ended by itself, or its worker did. `stopped`: at the deadline, with a checkpoint; `waiting`: the
    deadline came before the run was begun."""

    kind: Kind
    problem: str = ""  # one line


def do(content: Settings, files: Mapping[str, Path], orders: Orders) -> None:
    """In a worker: one try at the run of a spec, in a process of its own. Its result is said under the sweep's topic
    with the name of the task, since what a task returns stays with its worker and may be lost with it."""
    worker = get_worker()

    def tell(event: Event) -> None:
        worker.log_event(orders.topic, {"event": event.to_json()})

    def wanted() -> bool:
        return worker.status in (Status.running, Status.paused)

    if orders.deadline and not orders.deadline.leaves(0.0):
        result = Result("waiting")
    else:
        try:
            result = apart(attempt, content, files, orders, str(worker.name), hear=tell, wanted=wanted)
        except Died as death:
            result = Result("died", str(death))
    worker.log_event(orders.topic, {"task": worker.get_current_task(), "result": asdict(result)})


def attempt(content: Settings, files: Mapping[str, Path], orders: Orders, worker: str, tell: Observer) -> Result:
    """In the process of the run: one try at it. The files of the spec are there or in the worker's own folder; `worker`
    is the name of the worker, by which it has its turn at a GPU."""
    try:
        spec, store = RunSpec.from_json(content, files), orders.store
    except UserError as error:  # a user's file, or a strategy of a plug-in, that this machine has not
        return Result("mistake", str(error))
    try:
        return _try(spec, store, orders, _numbered(orders, worker), tell)
    except OSError as error:  # a full disk, a folder that has become read-only: whatever the log needs
        return Result("mistake", f"{store.log_path(spec)} cannot be written: {error.strerror}")


def _try(spec: RunSpec, store: Store, orders: Orders, device: str, tell: Observer) -> Result:
    from hnet_bench.runs.run import run_with_artefacts

    with _only_here(store.log_path(spec)) as log_file:
        if store.has(spec):  # another sweep over the same store was faster
            return Result("done")
        if log_file is None:
            time.sleep(_SECONDS_TO_WAIT_FOR_OTHERS)
            return Result("elsewhere")
        tell(event_of(spec, "started"))
        try:
            with _logged(log_file, lambda warning: tell(event_of(spec, "warned", message=warning))):
                checkpoints = Checkpoints(
                    store.checkpoint_path(spec),
                    identity(spec=spec.to_json(), strategy=spec.build_strategy(), device=orders.device),
                    orders.seconds_between_checkpoints,
                )
                record, artefacts = run_with_artefacts(
                    spec,
                    device=device,
                    folder=orders.folder,
                    observer=tell,
                    command=orders.command,
                    checkpoints=checkpoints,
                    loggers=_loggers(spec, orders),
                    deadline=orders.deadline,
                )
                store.write(spec, record, artefacts)
                checkpoints.remove()
                _log.info("record written")
        except Stopped:
            return Result("stopped")
        except Exception as error:
            problem = f"{type(error).__name__}: {error}".splitlines()[0]
            store.write_failure(spec, {"problem": problem, "traceback": traceback.format_exc()})
            return Result("mistake" if isinstance(error, UserError) else "error", problem)
    return Result("done")


_log = logging.getLogger("hnet_bench.run")


def _numbered(orders: Orders, worker: str) -> str:
    """The device of a worker: those of a machine with several GPUs take them in turn."""
    if orders.device != "cuda" or orders.gpus < 2:
        return orders.device
    return f"cuda:{int(worker) % orders.gpus}"


def _loggers(spec: RunSpec, orders: Orders) -> Any:
    if not orders.loggers or orders.logs is None:
        return None
    from hnet_bench.avalanche_adapter.loggers import make_loggers

    return make_loggers(orders.loggers, orders.logs / spec.folder / spec.run_id, spec.to_json())


@contextmanager
def _only_here(path: Path) -> Iterator[IO[str] | None]:
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
            with suppress(OSError):
                remove_partials(path)
        yield file


class _Quiet(logging.StreamHandler):  # type: ignore[type-arg]  # subscriptable since Python 3.11
    """A log that cannot be written to costs its lines, not the run, and prints no traceback for each."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (the name is logging's)
        return


class _Warnings(logging.Handler):
    """Tells of the first warning of each kind: what a run goes on without, such as checkpoints."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell
        self._told: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg not in self._told:
            self._told.add(record.msg)
            self._tell(record.getMessage())


@contextmanager
def _logged(file: IO[str], warn: Callable[[str], None]) -> Iterator[None]:
    """Has what happens to a run written to its log, warnings of libraries included, each once; those of ours are also
    told to `warn`."""
    handler = _Quiet(file)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger = logging.getLogger("hnet_bench")
    level = logger.level
    handlers = (handler, _Warnings(warn))
    for one in handlers:
        logger.addHandler(one)
    logger.setLevel(logging.INFO)
    # Some of Avalanche's plugins announce their own deprecation at every experience, whatever filters are set.
    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if str(message) not in told:
            told.add(str(message))
            logger.info("%s: %s", category.__name__, message)

    try:
        with warnings.catch_warnings():
            warnings.showwarning = show
            yield
    finally:
        for one in handlers:
            logger.removeHandler(one)
        logger.setLevel(level)
