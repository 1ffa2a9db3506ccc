"""A run: a complete record, the same for the same spec whatever happens around it."""

import hashlib
import json
import random
import subprocess
import sys
from dataclasses import replace
from io import BytesIO

import numpy
import pytest
import torch

from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.products import library
from hnet_bench.runs.events import Event
from hnet_bench.runs.record import Record
from hnet_bench.runs.run import resolve_device, run, run_with_artefacts
from hnet_bench.runs.spec import resolve

REPLAY = {"replay_chunk_size": 500, "replay_decoder_hidden_units": [10]}
SMALL = {
    "hnet": {"chunk_size": 200},
    "hnet_ent": {"chunk_size": 200},
    "hnet_tir": {"chunk_size": 200, **REPLAY},
    "hnet_r": REPLAY,
}


def synthetic_spec(strategy="hnet_ent", scenario=Scenario.CLASS, seed=1, iterations=40, hyperparameters=None):
    if hyperparameters is None:
        hyperparameters = SMALL.get(strategy, {})
    return resolve(
        benchmark={"name": "synthetic"},
        scenario=scenario,
        protocol={"iterations": iterations, "batch_size": 16, "hidden_units": [20]},
        strategy=strategy,
        hyperparameters=hyperparameters,
        seed=seed,
        where="a test",
    )


def outcome(record):
    return record.score, record.task_inference


def test_a_record_holds_what_the_paper_needs():
    record = run(synthetic_spec(), command="hnet-bench run test")
    assert [len(row) for row in record.score] == [3, 3, 3]
    assert all(0 <= value <= 1 for row in record.score for value in row)
    # In CLASS the right class lies in the right task, so inference is right at least as often.
    assert all(
        inferred >= score
        for rows in zip(record.task_inference, record.score, strict=True)
        for inferred, score in zip(*rows, strict=True)
    )
    counts = record.parameters
    assert counts["compression_ratio"] == counts["trained"] / counts["target"]
    assert counts["target"] == 12 * 20 + 20 + 20 * 6 + 6
    assert len(record.seconds["train"]) == len(record.seconds["evaluate"]) == 3
    assert record.seconds["total"] >= sum(record.seconds["train"])
    assert record.peak_memory_bytes > 50e6
    assert record.provenance["command"] == "hnet-bench run test"
    assert record.provenance["threads"] == 1
    assert record.provenance["matrix_products"] == library()
    assert record.provenance["versions"]["torch"].startswith(torch.__version__.split("+")[0])
    assert len(record.provenance["code_sha256"]) == 64


@pytest.mark.parametrize(
    ("strategy", "scenario"), [("hnet", Scenario.TASK), ("hnet_ent", Scenario.CLASS), ("finetune", Scenario.DOMAIN)]
)
def test_what_the_schedule_leaves_out_is_null_and_the_rest_is_as_if_all_was_evaluated(strategy, scenario):
    spec = synthetic_spec(strategy, scenario)
    sparse = replace(spec, protocol=replace(spec.protocol, evaluation="diagonal_and_final"))
    whole, found = run(spec), run(sparse)
    for name in ("score", "task_inference"):
        expected, matrix = getattr(whole, name), getattr(found, name)
        if expected is None:
            assert matrix is None
            continue
        assert matrix == [
            [value if i in (j, 2) else None for j, value in enumerate(row)] for i, row in enumerate(expected)
        ]
    assert (found.untrained, len(whole.untrained)) == (None, 3)
    assert found.run_id != whole.run_id
    assert Record.from_json(json.loads(json.dumps(found.to_json())), where="a test") == found


@pytest.mark.parametrize(("strategy", "scenario"), [("hnet_tir", Scenario.CLASS), ("hnet_r", Scenario.TASK)])
def test_the_same_spec_gives_the_same_scores_whatever_ran_before(strategy, scenario):
    spec = synthetic_spec(strategy, scenario)
    first = run(spec)
    random.random(), torch.rand(7), torch.set_num_threads(2)
    run(synthetic_spec("joint", Scenario.DOMAIN, seed=5, iterations=3))
    assert outcome(run(spec)) == outcome(first)


def test_another_process_gives_the_same_scores():
    spec = synthetic_spec()
    script = (
        "import json, sys; from hnet_bench.runs.run import run; from hnet_bench.runs.spec import RunSpec;"
        "print('SCORE', json.dumps(run(RunSpec.from_json(json.loads(sys.argv[1]))).score))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, json.dumps(spec.to_json())],
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("SCORE")]
    assert json.loads(line.removeprefix("SCORE")) == run(spec).score


def test_another_seed_is_another_run():
    # On noisy data, so that scores are not all 1.
    assert run(synthetic_spec("finetune", seed=1)).score != run(synthetic_spec("finetune", seed=2)).score


def test_replayed_samples_are_kept_beside_the_record():
    for strategy in ("hnet_r", "hnet_tir"):
        record, archive = run_with_artefacts(synthetic_spec(strategy))
        assert record.arrays == hashlib.sha256(archive).hexdigest()
        samples = numpy.load(BytesIO(archive))["replay_samples"]
        assert samples.shape == (2, 10, 12)
        assert samples.dtype == numpy.uint8
        assert run_with_artefacts(synthetic_spec(strategy))[1] == archive
    record, archive = run_with_artefacts(synthetic_spec("finetune", iterations=2))
    assert (record.arrays, archive) == ("none", None)


def test_progress_counts_every_step_that_is_planned():
    for strategy, phases in (("hnet_r", 3 + 2), ("hnet_tir", 3 + 2 + 2)):
        seen = []
        run(synthetic_spec(strategy, iterations=150), observer=seen.append)
        assert {event.iterations_total for event in seen} == {150 * phases}
        assert seen[-1].iterations_done <= 150 * phases


def test_watching_does_not_change_scores():
    seen = []
    watched = run(synthetic_spec(iterations=200), observer=seen.append)
    assert watched.score == run(synthetic_spec(iterations=200)).score
    assert all(isinstance(event, Event) and event.iterations_total == 600 for event in seen)


def test_joint_in_one_training_learns_everything_at_the_end():
    record = run(synthetic_spec("joint", Scenario.CLASS, iterations=150, hyperparameters={"incremental": False}))
    assert sum(record.score[0]) == pytest.approx(sum(record.score[1]))
    assert min(record.score[2]) > 0.9


def test_the_bounds_are_apart():
    finetune = run(synthetic_spec("finetune", iterations=300)).score[-1]
    joint = run(synthetic_spec("joint", iterations=300)).score[-1]
    assert sum(finetune) / 3 == pytest.approx(1 / 3, abs=0.05)
    assert sum(joint) / 3 > 0.95


def test_a_users_file_is_a_strategy_too(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import dataclass\n"
        "from hnet_bench.interfaces import Scenario\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Mine:\n"
        "    name = 'mine'\n"
        "    scenarios = tuple(Scenario)\n"
        "    momentum: float = 0.5\n"
        "    def build(self, setup):\n"
        "        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate\n"
        "        return ClassifierTemplate(setup=setup)\n"
    )
    spec = synthetic_spec(f"{file}:Mine")
    assert spec.hyperparameters == {"momentum": 0.5}
    assert spec.folder == "synthetic/class/mine-Mine"
    assert run(spec).score == run(synthetic_spec("finetune")).score


def test_what_is_not_one_of_our_templates_is_refused(tmp_path):
    file = tmp_path / "stock.py"
    file.write_text(
        "from dataclasses import dataclass\n"
        "from hnet_bench.interfaces import Scenario\n"
        "@dataclass(frozen=True)\n"
        "class Stock:\n"
        "    scenarios = tuple(Scenario)\n"
        "    def build(self, setup):\n"
        "        return object()\n"
    )
    with pytest.raises(UserError, match=r"builds a object: expected a subclass of .*InMemoryTemplate"):
        run(synthetic_spec(f"{file}:Stock"))


def test_devices():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UserError, match="Unknown device 'tpu'"):
        resolve_device("tpu")


def fitted_run(spec_of):
    spec = spec_of(
        benchmark={"name": "regression_1d", "test_samples": 7},
        scenario=Scenario.TASK,
        protocol={"iterations": 150, "batch_size": 32, "learning_rate": 1e-2, "hidden_units": [10, 10]},
        strategy="hnet_full",
        hyperparameters={"activation": "relu"},
    )
    record, archive = run_with_artefacts(spec)
    with numpy.load(BytesIO(archive)) as arrays:
        return record, dict(arrays)


def test_a_regression_run_keeps_the_functions_that_its_scores_are_of(spec_of):
    record, arrays = fitted_run(spec_of)
    errors = ((arrays["regression_fit"] - arrays["regression_true"]) ** 2).mean(axis=1)
    # The arrays are in double precision, the targets of the score in single.
    assert errors == pytest.approx(record.score[-1], rel=1e-4)
    assert record.score[0][0] < 0.1 < record.untrained[0]
    again, same = fitted_run(spec_of)
    assert again.score == record.score
    assert all(numpy.array_equal(same[name], arrays[name]) for name in arrays)


def test_a_map_of_embeddings_is_kept_beside_the_record_and_changes_no_score():
    small = {"chunk_size": 200, "task_embedding_size": 2}
    plain = run(synthetic_spec("hnet", Scenario.TASK, hyperparameters=small))
    mapped = synthetic_spec("hnet_embedding_space", Scenario.TASK, hyperparameters={**small, "grid_points": 3})
    record, archive = run_with_artefacts(mapped)
    assert record.score == plain.score
    with numpy.load(BytesIO(archive)) as arrays:
        assert {name: arrays[name].shape for name in arrays} == {
            "embedding_grid": (3, 3, 2),
            "embedding_accuracy": (3, 3, 3),
            "task_embeddings": (3, 2),
        }
