"""What a record says of the arithmetic that made it, and that a run goes on with no other."""

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from hnet_bench.interfaces import TrainingProtocol
from hnet_bench.runs import learning
from hnet_bench.runs.checkpoint import Checkpoints, RunProgress
from hnet_bench.runs.provenance import (
    DISTRIBUTIONS,
    FIELDS,
    SWITCHES,
    identity,
    surroundings,
)
from hnet_bench.runs.record import SCHEMA_FILE
from hnet_bench.runs.revisions import revisions_of
from hnet_bench.runs.run import run

ASKED = """
import json
from hnet_bench.runs.provenance import Circumstances, provenance
print(json.dumps(provenance(Circumstances(strategy_sha256=None, device="cpu"))))
"""


def test_the_schema_says_what_each_field_is():
    described = json.loads(SCHEMA_FILE.read_text())["properties"]["provenance"]["properties"]
    assert set(described) == {*(field.name for field in FIELDS), "resumes"}


def test_a_record_names_the_instructions_of_torch_and_what_is_set(spec_of, monkeypatch):
    for name in SWITCHES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    made = run(spec_of()).provenance
    assert made["cpu_capability"] == torch.backends.cpu.get_cpu_capability()
    assert made["switches"] == {"OPENBLAS_CORETYPE": "Haswell"}


@pytest.mark.parametrize("edit", ["''", "file.read_text() + '# edited'"])
def test_a_strategy_that_is_edited_while_it_runs_has_the_sum_of_what_was_run(tmp_path, disturbed, edit):
    spec = disturbed(tmp_path, "file = folder / 'disturbed.py'", f"file.write_text({edit})")
    content = (tmp_path / "disturbed.py").read_bytes()
    record = run(spec)
    assert (tmp_path / "disturbed.py").read_bytes() != content
    assert record.provenance["strategy_sha256"] == hashlib.sha256(content).hexdigest()


def test_a_strategy_that_is_edited_while_data_are_loaded_is_run_as_it_was(tmp_path, disturbed, monkeypatch):
    spec = disturbed(tmp_path, "self.harmed = True")
    file = tmp_path / "disturbed.py"
    content, load = file.read_bytes(), learning.build_stream

    def edits(*arguments):
        file.write_text("raise ValueError('edited')")
        return load(*arguments)

    monkeypatch.setattr(learning, "build_stream", edits)
    record = run(spec)
    assert file.read_bytes() != content
    assert record.provenance["strategy_sha256"] == hashlib.sha256(content).hexdigest()


def test_what_torch_uses_is_named_not_what_the_processor_has():
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    done = subprocess.run([sys.executable, "-c", ASKED], env=environment, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["cpu_capability"] == "DEFAULT"
    assert found["switches"]["ATEN_CPU_CAPABILITY"] == "default"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda patch: patch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "OTHER"), "vector instructions"),
        (lambda patch: patch.setenv("MKL_CBWR", "COMPATIBLE"), "another setting of a numerical library"),
        (lambda patch: patch.setattr(TrainingProtocol, "revision", 0), "another revision of the protocol"),
    ],
)
def test_a_run_does_not_go_on_with_other_arithmetic_or_another_revision(
    tmp_path, spec_of, monkeypatch, caplog, change, words
):
    spec = spec_of()

    def checkpoints():
        strategy, revisions = spec.build_strategy(), revisions_of(spec)
        made_by = identity(spec=spec.to_json(), strategy=strategy, device="cpu", revisions=revisions)
        return Checkpoints(tmp_path / "c", made_by)

    assert checkpoints().write(RunProgress(steps=7), b"state")
    assert checkpoints().read() is not None
    change(monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert checkpoints().read() is None
    assert "the run begins anew" in caplog.text
    assert words in caplog.text


def test_the_constraints_are_the_versions_that_the_newest_committed_records_were_made_with():
    root = Path(__file__).parents[2]
    records = [json.loads(path.read_text()) for path in (root / "results").rglob("seed*.json")]
    made = max((one["provenance"] for one in records), key=lambda one: one["started"])["versions"]
    title, *lines = (root / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines)
    assert f"Python {made['python']}" in title
    assert {name: pinned[name] for name in made if name not in ("python", "hnet_bench")}.items() <= made.items()
    assert set(DISTRIBUTIONS) <= set(pinned)


def test_surroundings_name_what_differs_and_only_that(spec_of, record_of):
    made = {"cpu": "A", "device": "cpu", "versions": {"torch": "2.4", "numpy": "2"}, "started": "then"}
    before = record_of(spec_of(), provenance=made, data={"mnist": "ab"})
    now = {**made, "versions": {"torch": "2.5", "numpy": "2"}, "matrix_products": "oneDNN", "started": "now"}
    after = record_of(spec_of(), provenance=now, data={"mnist": "cd"})
    assert surroundings(before, before) == []
    assert surroundings(before, after) == [
        "torch: 2.4, now 2.5",
        "library of matrix products: not recorded, now oneDNN",
        "data of mnist: ab, now cd",
    ]


def test_what_changes_the_instructions_is_named(spec_of, record_of):
    def with_(**made):
        return record_of(spec_of(), provenance={"cpu": "A", **made})

    plain = with_(cpu_capability="AVX512", switches={})
    other = with_(cpu_capability="DEFAULT", switches={"ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "AVX2"})
    assert surroundings(plain, plain) == []
    assert surroundings(plain, other) == [
        "vector instructions of torch: AVX512, now DEFAULT",
        "ATEN_CPU_CAPABILITY: not set, now default",
        "MKL_CBWR: not set, now AVX2",
    ]
    assert surroundings(other, plain)[1:] == [
        "ATEN_CPU_CAPABILITY: default, now not set",
        "MKL_CBWR: AVX2, now not set",
    ]
    # Older records do not know.
    for old in (with_(), with_(cpu_capability=None, switches=None)):
        assert surroundings(old, plain) == ["vector instructions of torch: not recorded, now AVX512"]
        assert surroundings(old, other)[1] == "ATEN_CPU_CAPABILITY: not recorded, now default"
