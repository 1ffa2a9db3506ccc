"""Ctrl-C, which reaches every process of a sweep, ends it with one sentence, also while its workers are starting."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest


def servers(sweep):
    """The process that workers are forked from, if it is there, and is more than a copy of its parent."""
    try:
        children = psutil.Process(sweep.pid).children()
        return [child for child in children if any("forkserver" in word for word in child.cmdline())]
    except psutil.NoSuchProcess:  # one that has just ended
        return []


def is_loading(sweep):
    return bool(servers(sweep))


def has_workers(sweep):
    return any(server.children() for server in servers(sweep))


@pytest.mark.parametrize("begun", [is_loading, has_workers])
def test_ctrl_c_while_workers_start_is_one_sentence(long_table, command, begun):
    with command(long_table.parent, "run", "long.toml", "-j", "2", "--device", "cpu") as sweep:
        while sweep.poll() is None and not begun(sweep):
            time.sleep(0.01)
        os.killpg(sweep.pid, signal.SIGINT)
        out, err = sweep.communicate(timeout=100)
    assert sweep.returncode == 130
    assert "started" not in out
    assert err == (
        "Interrupted: 0 of 2 runs finished, and their records are kept in results; the same command does the rest.\n"
    )


# Ctrl-C at a certain moment of whichever thread starts the server, and what is left then.
INTERRUPTED = """
import multiprocessing.util, os, signal, sys, threading
import psutil
from hnet_bench.runs.process import start_server

moments = []

def reached():
    if not moments:
        moments.append(threading.current_thread())
        os.kill(os.getpid(), signal.SIGINT)

def notice(frame, event, function):
    if event == "c_return" and function.__name__ == "acquire_lock":  # that of all imports
        reached()

def spawn(*arguments):
    process = spawned(*arguments)
    if "multiprocessing.forkserver" in str(arguments):
        reached()
    return process

spawned = multiprocessing.util.spawnv_passfds
signal.signal(signal.SIGINT, signal.default_int_handler)
MOMENT
try:
    start_server()
except KeyboardInterrupt:
    sys.setprofile(None)
    threading.setprofile(None)
    importing = threading.Thread(target=lambda: __import__("colorsys"), daemon=True)
    importing.start()
    importing.join(60)
    assert moments and not importing.is_alive(), "no other thread can import"
    left = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    assert not any("multiprocessing.forkserver" in str(child.cmdline()) for child in left), "the server is left"
    print("interrupted")
"""


@pytest.mark.parametrize(
    "moment",
    ["threading.setprofile(notice); sys.setprofile(notice)", "multiprocessing.util.spawnv_passfds = spawn"],
    ids=["import", "spawn"],
)
def test_ctrl_c_in_the_midst_of_starting_leaves_neither_lock_nor_server(moment):
    code = INTERRUPTED.replace("MOMENT", moment)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")
