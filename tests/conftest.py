"""What several tests need: a user's table, specs and records without training, strategies that are built for a short
run and what they do in it, what a command says, the true MNIST."""

import copy
import json
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol
from hnet_bench.papers.table import load_table
from hnet_bench.runs.events import Event, Observer
from hnet_bench.runs.record import Record
from hnet_bench.runs.revisions import revisions_of
from hnet_bench.runs.spec import RunSpec, resolve, resolve_cell
from hnet_bench.runs.store import Store


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuses arguments called `benchmark`: pytest-benchmark takes them for its own, and skips such a test for ever."""
    for item in items:
        if "benchmark" in getattr(item, "fixturenames", ()) and item.path.parent.name != "bench":
            raise pytest.UsageError(f"{item.nodeid} would be skipped: give its argument 'benchmark' another name.")


USER_TABLE = """
title = "A table of my own"
seeds = "1-2"
[settings.tiny]
benchmark = { name = "synthetic" }
protocol = { iterations = 5 }
[[rows]]
name = "finetune"
label = "Fine-tuning"
settings = "tiny"
[rows.CL1]
strategy = "finetune"
reported = { mean = 87.19, spread = 0.94, spread_kind = "sem", n = 20, known = "recalled" }
[rows.CL3]
strategy = "finetune"
[[rows]]
name = "joint"
settings = "tiny"
[rows.CL3]
strategy = "joint"
"""


@pytest.fixture(scope="session")
def spec_of() -> Callable[..., RunSpec]:
    """Makes the spec of a tiny run; arguments replace those of `resolve`."""

    def make(**changes: Any) -> RunSpec:
        arguments: dict[str, Any] = {
            "benchmark": {"name": "synthetic"},
            "scenario": Scenario.CLASS,
            "protocol": {"iterations": 5},
            "strategy": "finetune",
            "hyperparameters": {},
            "seed": 1,
            "where": "a test",
        }
        return resolve(**{**arguments, **changes})

    return make


@pytest.fixture(scope="session")
def record_of() -> Callable[..., Record]:
    """Makes the record that a run of a spec could have left; arguments replace its fields."""

    def make(spec: RunSpec, **changes: Any) -> Record:
        fields: dict[str, Any] = {
            "run_id": spec.run_id,
            "spec": spec.to_json(),
            "score": [[0.9, 0.1], [0.5, 0.7]],
            "task_inference": None,
            "parameters": {"trained": 1200, "target": 1000, "compression_ratio": 1.2},
            "seconds": {"train": [1.0, 1.0], "evaluate": [0.1, 0.1], "total": 2.25},
            "peak_memory_bytes": None,
            "data": {},
            "revisions": {"strategy": 1, "benchmark": 1, "protocol": 1},
            "diagnostics": {},
            "provenance": {"commit": "unknown"},
        }
        return Record(**{**fields, **changes})

    return make


@pytest.fixture(scope="session")
def setup_of() -> Callable[..., Setup]:
    """Makes the setup of a short run on `stream`, the synthetic benchmark unless it is given; further arguments replace
    fields of the protocol."""

    def make(scenario: Scenario = Scenario.CLASS, *, stream: Any = None, seed: int = 1, **protocol: Any) -> Setup:
        from hnet_bench.benchmarks.synthetic import Synthetic

        short = {"iterations": 12, "batch_size": 16, "hidden_units": (20,), "learning_rate": 1e-2}
        facts = (stream or Synthetic()).facts
        return Setup(scenario=scenario, facts=facts, protocol=TrainingProtocol(**{**short, **protocol}), seed=seed)

    return make


@pytest.fixture(scope="session")
def built(setup_of: Callable[..., Setup]) -> Callable[..., Any]:
    """Builds a strategy for such a setup, with the same random weights whenever it is called."""

    def make(strategy: Any, scenario: Scenario = Scenario.CLASS, **setup: Any) -> Any:
        import torch

        torch.manual_seed(0)
        return strategy.build(setup_of(scenario, **setup))

    return make


@pytest.fixture(scope="session")
def stream_of() -> Callable[..., list[Any]]:
    """The experiences of a stream to train on, of the synthetic benchmark unless it is given."""

    def make(scenario: Scenario = Scenario.CLASS, stream: Any = None) -> list[Any]:
        from hnet_bench.benchmarks.synthetic import Synthetic

        return list((stream or Synthetic()).build(scenario=scenario, seed=1).avalanche.train_stream)

    return make


@pytest.fixture(scope="session")
def learnt(built: Callable[..., Any], stream_of: Callable[..., list[Any]]) -> Callable[..., Any]:
    """Builds a strategy and trains it on the first experiences (None: on all), the last of which it is left with."""

    def make(strategy: Any, scenario: Scenario = Scenario.CLASS, experiences: int | None = None, **setup: Any) -> Any:
        template = built(strategy, scenario, **setup)
        for experience in stream_of(scenario, setup.get("stream"))[:experiences]:
            template.train(experience, eval_streams=[])
            template.experience = experience
        return template

    return make


@pytest.fixture(scope="session")
def recorded() -> Callable[..., list[SimpleNamespace]]:
    """Has a template note every training step from now on: what it began with, the loss and the gradients. `before` and
    `after` say what else of the template is copied then."""

    def make(template: Any, before: Any = None, after: Any = None) -> list[SimpleNamespace]:
        class Recorder:
            def before_forward(self, strategy: Any, **kwargs: Any) -> None:
                step = SimpleNamespace(mbatch=list(strategy.mbatch), x=strategy.mb_x, y=strategy.mb_y)
                step.model = copy.deepcopy(strategy.model)
                step.adam = copy.deepcopy(strategy.optimizer.state_dict()["state"])
                step.before = copy.deepcopy(before(strategy)) if before else None
                steps.append(step)

            def before_update(self, strategy: Any, **kwargs: Any) -> None:
                steps[-1].loss = strategy.loss.item()
                gradients = [parameter.grad for parameter in strategy.trained_parameters()]
                steps[-1].gradients = [None if one is None else one.clone() for one in gradients]

            def after_update(self, strategy: Any, **kwargs: Any) -> None:
                steps[-1].after = copy.deepcopy(after(strategy)) if after else None

        steps: list[SimpleNamespace] = []
        template.plugins.append(Recorder())
        return steps

    return make


@pytest.fixture
def user_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds nothing but a table, mine.toml, of three cells and two seeds."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(USER_TABLE)
    return path


@pytest.fixture
def stored(record_of: Callable[..., Record]) -> Callable[..., RunSpec]:
    """Stores the record that a run of a cell of a table could have left; arguments replace its fields."""

    def store(
        cell: int = 0, seed: int = 1, *, table: str = "mine.toml", results: str = "results", **changes: Any
    ) -> RunSpec:
        spec = resolve_cell(load_table(table).cells[cell], seed)
        Store(Path(results)).write(spec, record_of(spec, **changes))
        return spec

    return store


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs a command, given as words or as a shell takes it; what it prints, if it ends with the expected code."""
    from hnet_bench.cli import main

    def run(command: str | list[str], code: int = 0) -> Any:
        capsys.readouterr()
        assert main(shlex.split(command) if isinstance(command, str) else command) == code
        return capsys.readouterr()

    return run


@pytest.fixture
def refused(said: Callable[..., Any]) -> Callable[..., str]:
    """Runs a command that must refuse; the one sentence that it prints, without "Error: "."""

    def run(command: str | list[str]) -> str:
        (line,) = said(command, code=2).err.splitlines()
        assert line.startswith("Error: ")
        assert line.endswith((".", "?"))
        return line.removeprefix("Error: ")

    return run


class Engine:
    """Stands in for `run_all`: every run succeeds at once, but for the strategies in `broken`."""

    def __init__(self, record_of: Callable[..., Record]) -> None:
        from hnet_bench.runs.engine import Outcome

        self.record_of = record_of
        self.broken: set[str] = set()
        self.interrupt_after: int | None = None
        self.leave_after: int | None = None
        self.begin_only = False
        self.keep_steps: int | None = None  # of a checkpoint of the first run
        self.outcome = Outcome(0, ())  # most of which is asked of the store
        self.calls: list[dict[str, Any]] = []

    def __call__(self, specs: list[RunSpec], *, store: Store, observer: Observer, **how: Any) -> Any:
        self.calls.append({"specs": specs, **how})
        if self.begin_only:
            observer(Event(kind="started", key=specs[0].key))
        if self.keep_steps is not None:
            path = store.checkpoint_path(specs[0])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"progress": {"steps": self.keep_steps}}) + "\n")
        for index, spec in enumerate(specs):
            if index == self.interrupt_after:
                raise KeyboardInterrupt
            if index == self.leave_after:
                return self.outcome
            observer(Event(kind="started", key=spec.key))
            if spec.strategy in self.broken:
                store.write_failure(spec, {"problem": "ValueError: broken", "traceback": ""})
                observer(Event(kind="failed", key=spec.key, message="ValueError: broken"))
            else:
                store.write(spec, self.record_of(spec, revisions=revisions_of(spec)))
                observer(Event(kind="finished", key=spec.key))
        return self.outcome


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, record_of: Callable[..., Record]) -> Engine:
    """Takes the place of `run_all`."""
    fake = Engine(record_of)
    monkeypatch.setattr("hnet_bench.runs.engine.run_all", fake)
    return fake


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The data folder of this machine, where it holds the true MNIST."""
    folder = os.environ.get("HNET_BENCH_DATA")
    if not folder or not (Path(folder) / "mnist.npz").is_file():
        pytest.skip("$HNET_BENCH_DATA/mnist.npz is absent")
    return Path(folder)
