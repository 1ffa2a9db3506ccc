"""Ctrl-C, which reaches every process of a sweep, ends it with one sentence, also while its workers are starting."""

import os
import signal
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
