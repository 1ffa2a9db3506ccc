"""Whatever is killed, a sweep goes on: it never waits for somebody who is gone, and shows no traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import psutil
import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.runs.cluster import Cluster
from hnet_bench.runs.deadline import Deadline
from hnet_bench.runs.engine import Options, Outcome, _Sweep, run_all
from hnet_bench.runs.events import ignore
from hnet_bench.runs.spec import RunSpec, resolve
from hnet_bench.runs.store import Store
from hnet_bench.runs.work import Result

# In its second experience each says where it is, and waits until it is let go on.
STRATEGY = """
import os, time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Waits:
    name: ClassVar[str] = "waits"
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)
    folder: str = "."
    deaths: int = 0
    def build(self, setup):
        from avalanche.core import BaseSGDPlugin
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
        folder, deaths = Path(self.folder), self.deaths
        class Pauses(BaseSGDPlugin):
            def before_training_exp(self, strategy, **kwargs):
                if strategy.task != 1:
                    return
                (folder / f"process-{os.getpid()}").touch()
                if len(list(folder.glob("process-*"))) <= deaths:
                    if os.fork() == 0:  # one that outlives it, with whatever it inherited
                        while not (folder / "go").exists():
                            time.sleep(0.01)
                        os._exit(0)
                    os.kill(os.getpid(), 9)
                while deaths == 0 and not (folder / "go").exists():
                    time.sleep(0.01)
        template = ClassifierTemplate(setup=setup)
        template.plugins.append(Pauses())
        return template
"""
TABLE = """
title = "One run that waits"
seeds = "1"
[settings.tiny]
benchmark = { name = "synthetic" }
protocol = { iterations = 20 }
[[rows]]
name = "waits"
settings = "tiny"
CL3 = { strategy = "waits.py:Waits" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "waits.py").write_text(STRATEGY)
    (tmp_path / "waits.toml").write_text(TABLE)
    return tmp_path


def spec_of(folder: Path, deaths: int = 0) -> RunSpec:
    return resolve(
        benchmark={"name": "synthetic"},
        scenario=Scenario.CLASS,
        protocol={"iterations": 20},
        strategy=f"{folder}/waits.py:Waits",
        hyperparameters={"folder": str(folder), "deaths": deaths},
        seed=1,
        where="a test",
    )


def test_a_run_that_dies_again_and_again_is_begun_again(folder: Path) -> None:
    """Dask's clusters forget a worker that happens to be away 15 seconds after an earlier one died; and a lock on a
    file that processes inherit from each other lasts as long as any of them."""
    spec, store = spec_of(folder, deaths=2), Store(folder / "results")
    # A sweep that stood still would end here, with the run left.
    deadline = Deadline(runs_end=time.time() + 10**6, sweep_ends=time.time() + 1500)
    try:
        with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}):
            outcome = run_all(
                [spec],
                store=store,
                cluster=Cluster(jobs=1),
                options=Options(device="cpu", deadline=deadline),
                observer=ignore,
            )
    finally:
        (folder / "go").touch()
    assert outcome == Outcome(1, ())
    assert len(list(folder.glob("process-*"))) == 3


def test_what_a_run_said_is_not_asked_for_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has said how its run ended may be gone. Dask would try to reach it for minutes."""
    results: dict[str, Result] = {}

    class Future:
        status = "finished"

        def __init__(self, key: str) -> None:
            self.key = key

        def result(self) -> None:
            raise AssertionError("nobody is there")

    class Client:
        status = "running"

        def submit(self, *_: Any, key: str, **__: Any) -> Future:
            results[key] = Result("stopped")
            return Future(key)

    monkeypatch.setattr("hnet_bench.runs.engine.as_completed", lambda futures, **_: iter(futures))
    orders: Any = SimpleNamespace(deadline=None)
    sweep = _Sweep(Client(), orders, Store(folder / "results"), ignore, None, results)
    assert sweep.finish([spec_of(folder)]) == Outcome(0, (), left=1)
    assert results == {}


def test_without_the_processes_that_help_a_sweep_it_ends_as_ever(folder: Path) -> None:
    """The server that runs are forked from and multiprocessing's tracker of resources are killed in the middle."""
    command = [sys.executable, "-m", "hnet_bench.cli", "run", "waits.toml", "-j", "1", "--device", "cpu"]
    with subprocess.Popen(
        [*command, "--checkpoint-every", "0"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as sweep:
        try:
            while sweep.poll() is None and not list(folder.glob("process-*")):
                time.sleep(0.01)
            helpers = psutil.Process(sweep.pid).children()
            assert len(helpers) == 2
            for helper in helpers:
                helper.send_signal(signal.SIGKILL)
            (folder / "go").touch()
            out, err = sweep.communicate(timeout=1500)
        finally:
            sweep.kill()
    assert sweep.returncode == 0, err
    assert "Traceback" not in err
    assert "[1/1] finished waits CL3 seed 1" in out
    (record,) = (folder / "results").rglob("seed1-*.json")
    assert not list(record.parent.glob("*.failed"))
