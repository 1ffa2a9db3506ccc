"""A Dask cluster made by hand: a scheduler, workers that are killed and workers that come late."""

import contextlib
import signal
import subprocess
import sys
import time

import psutil
import pytest


def dask(*arguments, folder):
    command = [sys.executable, "-m", "dask", *arguments, "--no-dashboard"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_all(process):
    """A process and its children, at once: as if the machine had gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for one in [process, *psutil.Process(process.pid).children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
    process.wait()


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler, a function that starts a worker, and the scheduler's process."""
    started = [dask("scheduler", "--port", "0", "--scheduler-file", "scheduler.json", folder=tmp_path)]
    file = tmp_path / "scheduler.json"
    while not file.exists() or not file.read_text().strip():
        assert started[0].poll() is None
        time.sleep(0.1)

    def worker():
        options = ("--scheduler-file", "scheduler.json", "--nthreads", "1")
        started.append(dask("worker", *options, folder=tmp_path))
        return started[-1]

    import json

    yield json.loads(file.read_text())["address"], worker, started[0]
    for process in started:
        kill_all(process)


def test_a_worker_dies_another_comes_late_and_the_sweep_finishes(cluster, begin):
    address, start_worker, _ = cluster
    first = start_worker()
    sweep = begin("--scheduler", address)
    sweep.wait_for_checkpoint()
    kill_all(first)
    start_worker()
    records = sweep.records()
    assert sorted(record["spec"]["seed"] for record in records.values()) == [1, 2, 3, 4]
    resumes = [len(record["provenance"]["resumes"]) for record in records.values()]
    assert sorted(resumes) == [0, 0, 0, 1]
    assert not list(sweep.results.rglob("*.failed"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_scheduler_that_goes_away_is_said_in_a_sentence_and_fails_no_run(cluster, begin, how):
    address, start_worker, scheduler = cluster
    start_worker()
    sweep = begin("--scheduler", address)
    sweep.wait_for_checkpoint()
    scheduler.send_signal(how)
    assert sweep.ended() == 2
    told = "".join(sweep.lines)
    assert f"Error: The Dask scheduler at {address} no longer answers; the same command goes on.\n" in told
    assert "Traceback" not in told
    assert not list(sweep.results.rglob("*.failed"))


def test_nobody_at_the_address_is_said_at_once(begin):
    sweep = begin("--scheduler", "tcp://127.0.0.1:9")
    assert sweep.ended() == 2
    assert "Error: No Dask scheduler answers at 'tcp://127.0.0.1:9'" in "".join(sweep.lines)
