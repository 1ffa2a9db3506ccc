"""A process of its own for whatever may leave something behind: a run, its repetition, the check of a strategy.

What a strategy keeps in a module, or puts in the place of a function of ours, ends with the process and reaches no
other run. Processes are forked from a server that has loaded the libraries, so each begins in a moment and shares their
memory; the process that asks for them needs to load none.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

import psutil

from hnet_bench.interfaces import UserError

# What processes find in their environment unless the user has set it otherwise; some of it counts only from the start.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "PYTHONWARNINGS": "ignore",
    # glibc gives big blocks back to the system as soon as they are free; a training step allocates the same megabytes
    # again and again, and would spend much of its time on page faults.
    "MALLOC_TRIM_THRESHOLD_": str(2**29),
    "MALLOC_MMAP_THRESHOLD_": str(2**29),
}
_PRELOADED = ["hnet_bench.runs.preload"]
_SECONDS_BETWEEN_LOOKS = 0.2  # whether anybody still wants the result
_SECONDS_TO_END = 5.0  # for a process that has sent its result
_UNKNOWN = 255  # what the server's clients are told of a process if the server is gone

_starting = threading.Lock()
_loaded = threading.Event()  # the server, with all its libraries


class Died(Exception):
    """The process ended before it had a result; in one line how."""


class Failed(Exception):
    """The function raised an exception in the other process; in one line which. Its traceback is the cause."""


class Traceback(Exception):
    """The text of a traceback of another process."""


def apart(
    function: Callable[..., Any],
    *arguments: Any,
    hear: Callable[[Any], None] | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Any:
    """Result of a function that is called in a process of its own.

    With `hear` the function gets one more argument, with which it says things while it lasts; `hear` is called here
    with each. The process ends with this one, when this call is interrupted, and soon after `wanted` has become false.
    Raises the UserError that the function raises, Failed for any other exception, and Died if the process ends
    otherwise.
    """
    here, there = multiprocessing.Pipe(duplex=False)
    with here:
        with there:  # from here on the process alone has it
            process = _begin(function, arguments, there, tells=hear is not None)
        try:
            for kind, *content in _said(process, here, wanted):
                if kind == "told":
                    assert hear is not None
                    hear(content[0])
                    continue
                process.join(_SECONDS_TO_END)
                if kind == "returned":
                    return content[0]
                if kind == "mistake":
                    raise UserError(content[0])
                raise Failed(content[0]) from Traceback(content[1])
        finally:
            process.kill()
            process.join()
    raise Died(_how_it_ended(process))


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keeps from the user what Avalanche and its dependencies say when they are imported and used."""
    # Some announce their own deprecation whatever filters are set: what is recorded is not shown.
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("ignore")
        yield


def start_server() -> None:
    """Starts the process that others are forked from, unless it is there, and waits until it has loaded all.

    If this is interrupted the server ends, too.
    """
    with _starting, _without_main():
        _start_server()


def _said(process: BaseProcess, here: Any, wanted: Callable[[], bool]) -> Iterator[tuple[Any, ...]]:
    """What the process says until it ends, or until nobody wants to hear it."""
    # Its sentinel is asked, too: a process that a strategy began may outlive it with the other end of the pipe.
    while wanted():
        ready = connection.wait([here, process.sentinel], _SECONDS_BETWEEN_LOOKS)
        if ready and not here.poll():
            return  # it ended without a word
        if here in ready:
            try:
                yield here.recv()
            except (EOFError, OSError):
                return


def _begin(function: Callable[..., Any], arguments: tuple[Any, ...], there: Any, *, tells: bool) -> BaseProcess:
    # Dask's workers are daemons, which must have no children since these would outlive them; ours do not.
    multiprocessing.current_process().daemon = False
    process: BaseProcess = _context().Process(  # type: ignore[attr-defined]
        target=_work, args=(function, arguments, there, tells, _environment()), daemon=True
    )
    with _starting, _without_main():
        _start_server()
        try:
            process.start()
        except (OSError, EOFError) as error:  # the server was killed at this moment
            raise Died(f"its process could not be started: {error}") from error
    return process


def _work(
    function: Callable[..., Any], arguments: tuple[Any, ...], there: Any, tells: bool, environment: dict[str, str]
) -> None:
    """In the new process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    multiprocessing.current_process().daemon = False  # else no strategy could load its data in further processes
    # The server has that of its own beginning.
    os.environ.clear()
    os.environ.update(environment)

    def tell(message: Any) -> None:
        there.send(("told", message))

    try:
        answer: tuple[Any, ...] = ("returned", function(*arguments, tell) if tells else function(*arguments))
    except UserError as error:
        answer = ("mistake", str(error))
    except Exception as error:
        answer = ("raised", _in_one_line(error), traceback.format_exc())
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    there.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]


def _how_it_ended(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None or code == _UNKNOWN:
        return "its process ended"
    if code >= 0:
        return f"its process ended with exit code {code}"
    hint = ", as when memory runs out" if -code == signal.SIGKILL else ""
    return f"its process was ended by {signal.Signals(-code).name}{hint}"


def _context() -> multiprocessing.context.BaseContext:
    """Where the system cannot fork, each process loads the libraries anew."""
    return multiprocessing.get_context("forkserver" if _can_fork() else "spawn")


def _can_fork() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()


@contextmanager
def _without_main() -> Iterator[None]:
    """New processes do not load the main module, of which they need nothing: a user's script without the usual guard
    would begin its sweep again in each."""
    main = sys.modules["__main__"].__dict__
    kept: dict[str, Any] = {name: main.pop(name) for name in ("__spec__", "__file__") if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(kept)


def _start_server() -> None:
    if not _can_fork():
        return
    from multiprocessing import forkserver, resource_tracker

    multiprocessing.get_context("forkserver").set_forkserver_preload(_PRELOADED)
    # It finds modules where this process does, so (from Python 3.11 on) not in the current folder first.
    found_in = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    with _begun_with({**_environment(), "PYTHONPATH": found_in, "PYTHONSAFEPATH": "1"}):
        resource_tracker.ensure_running()  # else it would be started below, and lift the mask
        # Ctrl-C reaches every process of a terminal's group. Only the one that the user started answers it, by ending
        # the others. Processes begin with the mask of the thread that starts them.
        others, before = _children(), signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    if _loaded.is_set():
        return
    first = multiprocessing.get_context("forkserver").Process(target=os.getpid)
    try:
        first.start()
        first.join()
    except KeyboardInterrupt:
        for started in _children() - others:
            started.kill()  # it would load all the rest
        raise
    _loaded.set()


def _environment() -> dict[str, str]:
    """That of a new process."""
    return {**ENVIRONMENT, **os.environ}


@contextmanager
def _begun_with(environment: dict[str, str]) -> Iterator[None]:
    """Programs that are started in the block begin with this environment."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.update(before)
        for name in environment.keys() - before.keys():
            del os.environ[name]


def _children() -> set[psutil.Process]:
    return set() if _loaded.is_set() else set(psutil.Process().children())
