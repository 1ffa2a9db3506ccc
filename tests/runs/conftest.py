"""Sweeps over tiny runs, and a strategy that does harm in the middle of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.runs.cluster import Cluster
from hnet_bench.runs.engine import Options, Outcome, run_all
from hnet_bench.runs.events import ignore
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store

# Fine-tuning, but for a few lines of harm when the second of three experiences begins.
DISTURBED = """
import os, signal, time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Disturbed:
    name: ClassVar[str] = "disturbed"
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)
    folder: str = "."
    def build(self, setup):
        from avalanche.core import BaseSGDPlugin
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
        folder = Path(self.folder)
        class Disturbance(BaseSGDPlugin):
            def before_training_exp(self, strategy, **kwargs):
                if strategy.task == 1:
                    {harm}
        template = ClassifierTemplate(setup=setup)
        template.plugins.append(Disturbance())
        return template
"""
LONG_TABLE = """
title = "Longer than anybody waits"
seeds = "1-2"
[settings.long]
benchmark = { name = "synthetic" }
protocol = { iterations = 1000000 }
[[rows]]
name = "finetune"
settings = "long"
CL3 = { strategy = "finetune" }
"""


@pytest.fixture(scope="session")
def disturbed(spec_of: Callable[..., RunSpec]) -> Callable[..., RunSpec]:
    """Makes the spec of a strategy that executes lines of Python, with `folder` as given, in its second experience."""

    def make(folder: Path, *harm: str, **changes: Any) -> RunSpec:
        (folder / "disturbed.py").write_text(DISTURBED.replace("{harm}", f"\n{' ' * 20}".join(harm)))
        arguments = {
            "protocol": {"iterations": 30, "batch_size": 16, "hidden_units": [20]},
            "strategy": f"{folder}/disturbed.py:Disturbed",
            "hyperparameters": {"folder": str(folder)},
        }
        return spec_of(**{**arguments, **changes})

    return make


@pytest.fixture(scope="session")
def sweep_of() -> Callable[..., Outcome]:
    """Does runs on this machine."""

    def sweep(specs: list[RunSpec], store: Store, *, jobs: int = 1, observer: Any = ignore, **options: Any) -> Outcome:
        return run_all(
            specs,
            store=store,
            cluster=Cluster(jobs=jobs),
            options=Options(**{"device": "cpu", **options}),
            observer=observer,
        )

    return sweep


@pytest.fixture
def command() -> Callable[..., Any]:
    """Starts `hnet-bench` as a terminal does, in a process group of its own, which ends with the block."""

    @contextmanager
    def start(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [sys.executable, "-m", "hnet_bench.cli", *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # Tests may have been begun in the background of a shell, where Ctrl-C is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    return start


@pytest.fixture
def long_table(tmp_path: Path) -> Path:
    """long.toml, two runs that nobody sees the end of, alone in a folder."""
    path = tmp_path / "long.toml"
    path.write_text(LONG_TABLE)
    return path
