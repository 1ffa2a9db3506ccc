"""A run that was stopped, however often and wherever, ends in the record of one that never was."""

import errno
import json
from dataclasses import dataclass, field, replace

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.runs import learning, provenance
from hnet_bench.runs.checkpoint import Checkpoints, RunProgress, steps_kept
from hnet_bench.runs.deadline import Stopped
from hnet_bench.runs.run import run_with_artefacts
from hnet_bench.runs.spec import resolve

TIMES = {"seconds", "peak_memory_bytes", "trainings", "provenance", "sha256"}


# Of two old tasks one is drawn at each step.
DRAWING = {"regularised_tasks": 1, "online_targets": True}


def spec_of(strategy, scenario, seed=1, **hyperparameters):
    chunks = {"chunk_size": 200} if strategy.startswith("hnet") and strategy != "hnet_r" else {}
    return resolve(
        benchmark={"name": "synthetic"},
        scenario=scenario,
        protocol={"iterations": 20, "batch_size": 16, "hidden_units": [20]},
        strategy=strategy,
        hyperparameters={**chunks, **hyperparameters},
        seed=seed,
        where="a test",
    )


class Killed(BaseException):
    """Stands for the end of the process."""


@dataclass(frozen=True)
class Fragile(Checkpoints):
    """The process ends after so many checkpoints."""

    left: list[int] = field(default_factory=lambda: [1])

    def write(self, progress, state):
        written = super().write(progress, state)
        self.left[0] -= 1
        if self.left[0] == 0:
            raise Killed
        return written


@pytest.mark.parametrize(
    ("strategy", "scenario", "hyperparameters"),
    [
        ("hnet_tir", Scenario.CLASS, {}),
        ("hnet", Scenario.TASK, DRAWING),
        ("dgr", Scenario.TASK, {}),
        ("er", Scenario.CLASS, {}),
        ("hnet_r", Scenario.DOMAIN, {}),
        ("hnet_r", Scenario.CLASS, {"replay_method": "gan"}),
        ("hnet_ent", Scenario.CLASS, {"criterion": "calibrated_gap"}),
    ],
)
def test_a_run_stopped_again_and_again_leaves_the_same_record(tmp_path, strategy, scenario, hyperparameters):
    spec = spec_of(strategy, scenario, **hyperparameters)
    whole, whole_artefacts = run_with_artefacts(spec)
    stops = 0
    while True:
        # A checkpoint at every step; the process dies at the 17th, so also in later phases and between experiences.
        checkpoints = Fragile(tmp_path / "checkpoint", {"code": 1}, 0.0, left=[17])
        try:
            record, artefacts = run_with_artefacts(spec, checkpoints=checkpoints)
            break
        except Killed:
            stops += 1
            assert steps_kept(checkpoints.path) > 0
    assert stops >= 3
    assert artefacts == whole_artefacts
    found, expected = record.to_json(), whole.to_json()
    assert {key for key in found if found[key] != expected[key]} <= TIMES
    assert len(record.seconds["train"]) == len(whole.seconds["train"])
    assert len(record.provenance["resumes"]) == stops
    assert whole.provenance["resumes"] == []


class Piece:
    """A deadline that comes when it was asked about so many times: at every step, and around each evaluation."""

    def __init__(self, questions):
        self.questions = questions

    def leaves(self, seconds):
        self.questions -= 1
        return self.questions > 0


@pytest.mark.parametrize(
    ("strategy", "scenario", "questions", "first"),
    [
        ("si", Scenario.TASK, 1, 1),  # leaves off after every step
        ("si", Scenario.TASK, 21, 20),  # between training and evaluation
        ("si", Scenario.TASK, 22, 20),  # after the evaluation
        ("hnet_tir", Scenario.CLASS, 31, 31),  # in the replay model's phase
    ],
)
def test_a_run_that_leaves_off_in_time_goes_on_where_it_was(tmp_path, strategy, scenario, questions, first):
    spec = spec_of(strategy, scenario)
    whole, whole_artefacts = run_with_artefacts(spec)
    checkpoints, steps, pieces = Checkpoints(tmp_path / "checkpoint", {"code": 1}), [], 0
    while True:
        try:
            record, artefacts = run_with_artefacts(spec, checkpoints=checkpoints, deadline=Piece(questions))
            break
        except Stopped:
            pieces += 1
            steps.append(steps_kept(checkpoints.path))
    assert steps[0] == first
    assert pieces > 1
    assert artefacts == whole_artefacts
    found, expected = record.to_json(), whole.to_json()
    assert {key for key in found if found[key] != expected[key]} <= TIMES
    assert len(record.provenance["resumes"]) == pieces
    assert len(record.seconds["train"]) == len(record.seconds["evaluate"]) == 3


def test_an_evaluation_is_not_begun_that_would_not_end_in_time(tmp_path):
    """From the second on it is known how long one takes."""
    asked = []

    class Hasty:
        def leaves(self, seconds):
            asked.append(seconds)
            return seconds < 50.0

    checkpoints = Checkpoints(tmp_path / "c", {})
    with pytest.raises(Killed):
        run_with_artefacts(spec_of("finetune", Scenario.TASK), checkpoints=replace_left(checkpoints, 1))
    progress, state = checkpoints.read()
    assert len(progress.evaluate) == 1
    progress.evaluate = [60.0]
    checkpoints.write(progress, state)
    with pytest.raises(Stopped):
        run_with_artefacts(spec_of("finetune", Scenario.TASK), checkpoints=checkpoints, deadline=Hasty())
    progress, _ = checkpoints.read()
    assert (progress.steps, len(progress.train), len(progress.score)) == (40, 2, 1)
    assert asked[-1] >= 60.0


def test_a_record_says_on_which_machine_an_earlier_process_left_off(tmp_path, monkeypatch):
    spec = spec_of("finetune", Scenario.CLASS)
    with monkeypatch.context() as there:
        there.setattr(provenance, "cpu_name", lambda: "a processor there")
        with pytest.raises(Killed):
            run_with_artefacts(spec, checkpoints=Fragile(tmp_path / "c", {}, 0.0, left=[25]))
    record, _ = run_with_artefacts(spec, checkpoints=Checkpoints(tmp_path / "c", {}))
    assert record.provenance["cpu"] == provenance.cpu_name()
    (left,) = record.provenance["resumes"]
    assert left == {"experience": 1, "step": 24, "device": "cpu", "cpu": "a processor there"}


def replace_left(checkpoints, left):
    return Fragile(checkpoints.path, checkpoints.identity, 1e9, left=[left])


def test_seconds_of_all_processes_add_up(tmp_path):
    spec = spec_of("finetune", Scenario.CLASS)
    with pytest.raises(Killed):
        run_with_artefacts(spec, checkpoints=Fragile(tmp_path / "c", {}, 0.0, left=[25]))
    checkpoints = Checkpoints(tmp_path / "c", {})
    progress, state = checkpoints.read()
    checkpoints.write(replace(progress, elapsed=1000.0, in_experience=500.0), state)
    record, _ = run_with_artefacts(spec, checkpoints=checkpoints)
    assert 1000 < record.seconds["total"] < 1100
    assert 500 < record.seconds["train"][1] < 600


STATE = b"\x00\n\xff" * 100


def written(path, **identity):
    checkpoints = Checkpoints(path, identity)
    assert checkpoints.write(RunProgress(steps=7, score=[[0.5]]), STATE)
    return checkpoints


def test_what_is_written_is_read(tmp_path):
    progress, state = written(tmp_path / "c", code="a").read()
    assert (progress.steps, progress.score, state) == (7, [[0.5]], STATE)
    assert steps_kept(tmp_path / "c") == 7


@pytest.mark.parametrize("line", ["", "{}", "[]", "[" * 100_000, '{"progress": {"steps": Infinity}}'])
def test_of_a_damaged_checkpoint_no_steps_are_known(tmp_path, line):
    (tmp_path / "c").write_text(f"{line}\n")
    assert steps_kept(tmp_path / "c") == 0


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(tmp_path):
    assert Checkpoints(tmp_path / "c", {}).read() is None
    assert steps_kept(tmp_path / "c") == 0


def test_a_checkpoint_of_other_code_is_not_used(tmp_path, caplog):
    checkpoints = written(tmp_path / "c", code="a", device="cpu")
    assert replace(checkpoints, identity={"code": "b", "device": "cpu"}).read() is None
    assert "begins anew: it was made with another code" in caplog.text


@pytest.mark.parametrize("cut", [0, 1, 30, -1])
def test_a_truncated_checkpoint_is_not_used(tmp_path, caplog, cut):
    checkpoints = written(tmp_path / "c")
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:cut])
    assert checkpoints.read() is None
    assert "damaged" in caplog.text


def edited(path, **changes):
    """Changes keys of the header, with a dot for what stands in a part of it."""
    header, _, state = path.read_bytes().partition(b"\n")
    content = json.loads(header)
    for key, value in changes.items():
        *parts, last = key.split(".")
        within = content
        for part in parts:
            within = within[part]
        within[last] = value
    path.write_bytes(json.dumps(content).encode() + b"\n" + state)


@pytest.mark.parametrize(
    "change",
    [
        {"progress.score": [[0.99]]},
        {"progress.untrained": [0.1]},
        {"progress.steps": 8},
        {"progress.peak_memory_bytes": 1},
        {"progress": []},
        {"identity.code": "b"},
        {"identity": "a"},
        {"sha256": None},
    ],
)
def test_a_checkpoint_that_was_edited_is_not_used(tmp_path, caplog, change):
    checkpoints = written(tmp_path / "c", code="a")
    edited(tmp_path / "c", **change)
    assert checkpoints.read() is None
    assert "begins anew: its content is damaged" in caplog.text


@pytest.mark.parametrize("progress", [[], "far", {"steps": 7, "stride": 1}])
def test_progress_that_this_version_does_not_know_is_not_used(tmp_path, caplog, monkeypatch, progress):
    """As another version might have written it, with a sum that fits."""
    monkeypatch.setattr("hnet_bench.runs.checkpoint.asdict", lambda _: progress)
    assert Checkpoints(tmp_path / "c", {}).write(RunProgress(), STATE)
    assert Checkpoints(tmp_path / "c", {}).read() is None
    assert "begins anew: it is damaged" in caplog.text


def test_a_checkpoint_of_another_format_is_not_used(tmp_path, caplog):
    checkpoints = written(tmp_path / "c")
    edited(tmp_path / "c", checkpoint=1)
    assert checkpoints.read() is None
    assert "it has format 1, expected 4" in caplog.text


def test_a_score_that_is_no_number_is_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", {})
    assert checkpoints.write(RunProgress(score=[[float("nan")]]), STATE)
    assert str(checkpoints.read()[0].score) == "[[nan]]"


def test_a_run_whose_data_are_others_now_begins_anew(tmp_path, caplog, monkeypatch):
    spec, sums = spec_of("finetune", Scenario.CLASS), {"mnist": "a"}
    made = replace(learning.build_stream(spec, None), data_sums=sums)
    monkeypatch.setattr(learning, "build_stream", lambda *_: made)
    for now, resumes in (("a", 1), ("b", 0)):
        sums["mnist"] = "a"
        with pytest.raises(Killed):
            run_with_artefacts(spec, checkpoints=Fragile(tmp_path / "c", {"code": 1}, 0.0, left=[25]))
        sums["mnist"] = now
        record, _ = run_with_artefacts(spec, checkpoints=Checkpoints(tmp_path / "c", {"code": 1}))
        assert len(record.provenance["resumes"]) == resumes
        (tmp_path / "c").unlink()
    assert "begins anew: it was made with another content of mnist" in caplog.text


def test_what_torch_has_no_type_for_costs_checkpoints_and_not_the_run(tmp_path, caplog, disturbed):
    spec = disturbed(tmp_path, "import numpy", "strategy.names = numpy.array(['first', 'second'])")
    record, _ = run_with_artefacts(spec, checkpoints=Checkpoints(tmp_path / "c", {}, 0.0))
    assert len(record.score) == 3
    assert "no checkpoint after step 31: ClassifierTemplate.names, a ndarray, cannot be kept" in caplog.text
    assert steps_kept(tmp_path / "c") == 30


def test_a_disk_that_is_full_costs_the_checkpoint_alone(tmp_path, caplog, monkeypatch):
    checkpoints = written(tmp_path / "c")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hnet_bench.runs.checkpoint.write_atomically", full)
    assert not checkpoints.write(RunProgress(steps=9), STATE)
    assert "No space left on device" in caplog.text
    assert checkpoints.read()[0].steps == 7


def test_a_clock_that_jumps_changes_nothing(tmp_path, monkeypatch):
    """Checkpoints are due by a clock that cannot be set; the date is for people."""
    spec = spec_of("finetune", Scenario.TASK)
    expected, _ = run_with_artefacts(spec)
    moments = iter(range(10**9, 0, -(10**6)))
    monkeypatch.setattr("time.time", lambda: next(moments))
    found, _ = run_with_artefacts(spec, checkpoints=Checkpoints(tmp_path / "c", {}, 0.0))
    assert found.score == expected.score
    assert found.seconds["total"] > 0
