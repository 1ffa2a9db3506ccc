"""What several tests need: specs of a tiny run, records without training, a user's table, the true MNIST."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec, resolve

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


@pytest.fixture
def user_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder holds nothing but a table, mine.toml, of three cells and two seeds."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.toml"
    path.write_text(USER_TABLE)
    return path


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The data folder of this machine, where it holds the true MNIST."""
    folder = os.environ.get("HNET_BENCH_DATA")
    if not folder or not (Path(folder) / "mnist.npz").is_file():
        pytest.skip("$HNET_BENCH_DATA/mnist.npz is absent")
    return Path(folder)
