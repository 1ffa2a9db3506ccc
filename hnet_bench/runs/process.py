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
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
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
_SECONDS_BETWEEN_LOOKS = 0.2  # whether anybody still wants the result
_SECONDS_TO_END = 5.0  # for a process that has sent its result
_UNKNOWN = 255  # what the server's clients are told of a process if the server is gone
_CAN_FORK = "forkserver" in multiprocessing.get_all_start_methods()  # else each process loads the libraries anew

_starting = threading.Lock()
_loaded = threading.Event()  # the server, with all its libraries


class Died(Exception):
    """The process ended before it had a result; in one line how."""


class Failed(Exception):
    """The function raised an exception in the other process; in one line which, and where in a user's own file. Its
    traceback is the cause."""


class Traceback(Exception):
    """The text of a traceback of another process."""


def in_own_process(
    function: Callable[..., Any],
    *arguments: Any,
    hear: Callable[[Any], None] | None = None,
    wanted: Callable[[], bool] = lambda: True,
) -> Any:
    """Return the result of a function that is called in a process of its own.

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
            while wanted():
                # The sentinel is asked, too: what a strategy began may outlive its process with the pipe's other end.
                ready = connection.wait([here, process.sentinel], _SECONDS_BETWEEN_LOOKS)
                if not ready:
                    continue
                try:
                    if not here.poll():
                        break  # it ended without a word
                    kind, content, *more = here.recv()
                except (EOFError, OSError):
                    break
                if kind == "told":
                    assert hear is not None
                    hear(content)
                    continue
                process.join(_SECONDS_TO_END)
                if kind == "mistake":
                    raise UserError(content)
                if kind == "raised":
                    raise Failed(content) from Traceback(*more)
                return content
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
    """Start the process that others are forked from, unless it is there, and wait until it has loaded all.

    If this is interrupted the server ends, too.
    """
    # Ctrl-C interrupts the main thread wherever it is. In the midst of an import the lock of all imports would never be
    # released, and other threads wait for it for ever; so the main thread does nothing here but wait.
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(int).result()  # before it has its thread, nothing is begun that had to be ended
            pool.submit(_start_server).result()
        except KeyboardInterrupt:
            over = pool.submit(int)  # what was begun before
            while not over.done():  # a server that is killed before it is asked for anything is started once more
                _end_server()
                wait([over], _SECONDS_BETWEEN_LOOKS)
            raise


def _begin(function: Callable[..., Any], arguments: tuple[Any, ...], there: Any, *, tells: bool) -> BaseProcess:
    # Dask's workers are daemons, which must have no children since these would outlive them; ours do not.
    multiprocessing.current_process().daemon = False
    context: Any = multiprocessing.get_context("forkserver" if _CAN_FORK else "spawn")
    process: BaseProcess = context.Process(
        target=_call, args=(function, arguments, there, tells, {**ENVIRONMENT, **os.environ}), daemon=True
    )
    try:
        start_server()
        with _starting, _without_main():
            process.start()
    except (OSError, EOFError) as error:  # the server was killed at this moment
        raise Died(f"its process could not be started: {error}") from error
    return process


def _call(
    function: Callable[..., Any], arguments: tuple[Any, ...], there: Any, tells: bool, environment: dict[str, str]
) -> None:
    """In the new process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    multiprocessing.current_process().daemon = False  # else no strategy could load its data in further processes
    # The server has that of its own beginning.
    os.environ.clear()
    os.environ.update(environment)
    if tells:
        arguments = (*arguments, lambda message: there.send(("told", message)))
    try:
        answer: tuple[Any, ...] = ("returned", function(*arguments))
    except UserError as error:
        answer = ("mistake", str(error))
    except Exception as error:
        answer = ("raised", described(error), traceback.format_exc())
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    there.send(answer)


def described(error: Exception) -> str:
    """An error in one line, with the place in the user's own file if there is one."""
    place = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "hnet_bench_user_" in frame.f_globals.get("__name__", ""):
            place = f" (line {frame.f_lineno} of {frame.f_code.co_filename})"
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0].rstrip('.') if text else 'no message'}{place}"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _how_it_ended(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None or code == _UNKNOWN:
        return "its process ended"
    if code >= 0:
        return f"its process ended with exit code {code}"
    hint = ", as when memory runs out" if -code == signal.SIGKILL else ""
    return f"its process was ended by {signal.Signals(-code).name}{hint}"


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
    """In a thread of its own, which from then on is deaf to Ctrl-C."""
    if not _CAN_FORK:
        return
    from multiprocessing import forkserver, resource_tracker

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hnet_bench.runs.preload"])
    with _starting, _without_main():
        with _server_environment():
            resource_tracker.ensure_running()  # else it would be started below, and lift the mask
            # Ctrl-C reaches every process of a terminal's group. Only the one that the user started answers it, by
            # ending the others. Processes begin with the mask of the thread that starts them.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            forkserver.ensure_running()
        if not _loaded.is_set():
            first = context.Process(target=os.getpid)
            first.start()
            first.join()
            _loaded.set()


def _end_server() -> None:
    """It would load all the rest before it finds that nobody needs it any longer."""
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # one that has just ended
            if any("multiprocessing.forkserver" in word for word in child.cmdline()):
                child.kill()


@contextmanager
def _server_environment() -> Iterator[None]:
    """Programs that are started in the block begin with what libraries need, and find modules where this process does,
    so (from Python 3.11 on) not in the current folder first."""
    before = dict(os.environ)
    found_in = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    os.environ.update({**ENVIRONMENT, **before, "PYTHONPATH": found_in, "PYTHONSAFEPATH": "1"})
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
