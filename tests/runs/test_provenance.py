"""What a record says of the arithmetic that made it, and that a run goes on with no other."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hnet_bench.runs.checkpoint import Checkpoints, Progress
from hnet_bench.runs.provenance import SWITCHES, arithmetic, identity
from hnet_bench.runs.run import run
from hnet_bench.runs.spec import RunSpec

SpecOf = Callable[..., RunSpec]
ASKED = """
import json
import torch
from hnet_bench.runs.provenance import arithmetic
torch.manual_seed(1)
print(json.dumps([arithmetic(), torch.nn.Linear(784, 400).weight.sum().item()]))
"""


def test_a_record_names_the_instructions_of_torch_and_what_is_set(
    spec_of: SpecOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    made = run(spec_of()).provenance
    assert made["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert made["switches"] == {"OPENBLAS_CORETYPE": "Haswell"}


def test_what_torch_uses_is_named_not_what_the_processor_has() -> None:
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run([sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=True)
    found, weights = json.loads(done.stdout)
    assert found["cpu_capability"] == "DEFAULT"
    assert found["switches"]["ATEN_CPU_CAPABILITY"] == "default"
    torch.manual_seed(1)
    here = torch.nn.Linear(784, 400).weight.sum().item()
    # The reason why it is noted: the same seed, version and processor, and other initial weights.
    assert weights != here or arithmetic()["cpu_capability"] == "DEFAULT"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda patch: patch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "OTHER"), "vector instructions"),
        (lambda patch: patch.setenv("MKL_CBWR", "COMPATIBLE"), "another setting of a numerical library"),
    ],
)
def test_a_run_does_not_go_on_with_other_arithmetic(
    tmp_path: Path,
    spec_of: SpecOf,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Callable[[pytest.MonkeyPatch], None],
    words: str,
) -> None:
    spec = spec_of()

    def checkpoints() -> Checkpoints:
        return Checkpoints(tmp_path / "c", identity(spec=spec.to_json(), strategy=spec.build_strategy(), device="cpu"))

    assert checkpoints().write(Progress(steps=7), b"state")
    assert checkpoints().read() is not None
    change(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert checkpoints().read() is None
    assert "the run begins anew" in caplog.text
    assert words in caplog.text
