"""A small sweep as a user would start it, and its store."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest

TABLE = """
title = "A sweep over a cluster"
seeds = "1-4"
[settings.small]
benchmark = { name = "synthetic" }
protocol = { iterations = 1000, batch_size = 64, hidden_units = [100] }
[[rows]]
name = "dgr"
settings = "small"
[rows.CL3]
strategy = "dgr"
"""


class Sweep:
    """`hnet-bench run` in a process of its own; its lines can be waited for."""

    def __init__(self, folder, *options):
        self.results = folder / "results"
        self.lines = []
        (folder / "cluster_sweep.toml").write_text(TABLE)
        command = [sys.executable, "-m", "hnet_bench.cli", "run", str(folder / "cluster_sweep.toml"), *options]
        self.process = subprocess.Popen(
            [*command, "--device", "cpu", "--checkpoint-every", "0.2", "--results", str(self.results)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self):
        """Ends it, if it has not ended."""
        self.process.kill()
        self.process.wait()
        self._reader.join()
        self.process.stdout.close()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)

    def wait_for(self, text, seconds=180):
        """Waits for a line that contains the text."""
        self._wait(lambda: any(text in line for line in self.lines), f"'{text}'", seconds)

    def wait_for_checkpoint(self, seconds=180):
        """Waits until a run is under way."""
        self._wait(lambda: any(self.results.rglob("*.checkpoint")), "a checkpoint", seconds)

    def _wait(self, came, what, seconds):
        deadline = time.monotonic() + seconds
        while not came():
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, f"{what} did not come:\n" + "".join(self.lines)
            time.sleep(0.05)

    def ended(self):
        """Its exit code, when it has ended and all its lines have come."""
        code = self.process.wait(timeout=300)
        self._reader.join()
        return code

    def records(self):
        """The records when the sweep has ended well."""
        assert self.ended() == 0, "".join(self.lines)
        found = [json.loads(path.read_text()) for path in self.results.rglob("*.json")]
        return {record["run_id"]: record for record in found}


@pytest.fixture
def begin(tmp_path):
    begun = []

    def start(*options):
        begun.append(Sweep(tmp_path, *options))
        return begun[-1]

    yield start
    for sweep in begun:
        sweep.close()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    os.environ["OMP_NUM_THREADS"] = "1"


class DaskCluster:
    """A Dask cluster made by hand, in a folder."""

    def __init__(self, folder):
        self._folder, self._started = folder, []
        self.scheduler = self._start("scheduler", "--port", "0")
        file = folder / "scheduler.json"
        while not file.exists() or not file.read_text().strip():
            assert self.scheduler.poll() is None
            time.sleep(0.1)
        self.address = json.loads(file.read_text())["address"]

    def _start(self, *arguments):
        command = [sys.executable, "-m", "dask", *arguments, "--scheduler-file", "scheduler.json", "--no-dashboard"]
        process = subprocess.Popen(command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._started.append(process)
        return process

    def start_worker(self, *options):
        """The process of another worker."""
        return self._start("worker", "--nthreads", "1", *options)

    def kill(self, process):
        """Ends a process and its children at once, as if the machine had gone."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for one in [process, *psutil.Process(process.pid).children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.send_signal(signal.SIGKILL)
        process.wait()

    def close(self):
        """Ends it all."""
        for process in self._started:
            self.kill(process)


@pytest.fixture
def cluster(tmp_path):
    made = DaskCluster(tmp_path)
    yield made
    made.close()
