"""Runs that have a training in common: it is done once, and each record is the one that the run leaves alone."""

import os
from dataclasses import dataclass, field, replace

import pytest

from hnet_bench import api
from hnet_bench.cli import main
from hnet_bench.interfaces import Scenario
from hnet_bench.papers.table import load_table
from hnet_bench.runs.budget import Once, fitting
from hnet_bench.runs.checkpoint import Checkpoints
from hnet_bench.runs.cost import Costs, Estimate, timing_of
from hnet_bench.runs.deadline import Deadline, Stopped
from hnet_bench.runs.run import run_with_artefacts
from hnet_bench.runs.sharing import OWN_STEPS, Sharing
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store, read_record
from hnet_bench.runs.trainings import Order, forget_needless, trainings_of

CL1, CL2, CL3 = Scenario
ITERATIONS = 14
EXPERIENCES = 3  # of the synthetic benchmark
CHUNKS = {"chunk_size": 200}
REPLAY = {"replay_decoder_hidden_units": [8], "replay_chunk_size": 200}


@pytest.fixture(scope="module")
def cell(spec_of):
    """Makes the spec of a short run; further arguments are hyperparameters."""

    def make(strategy, scenario, *, seed=1, iterations=ITERATIONS, **hyperparameters):
        own = {"hnet_tir": {**CHUNKS, **REPLAY}, "hnet_r": REPLAY}.get(strategy, CHUNKS)
        protocol = {"iterations": iterations, "batch_size": 16, "hidden_units": [20]}
        return spec_of(
            strategy=strategy,
            scenario=scenario,
            protocol=protocol,
            seed=seed,
            hyperparameters={**own, **hyperparameters},
        )

    return make


@dataclass(frozen=True)
class Counting(Sharing):
    """Notes which parts were taken and which were left."""

    taken: list = field(default_factory=list)
    left: list = field(default_factory=list)

    def take(self, part, experience, state):
        seconds = super().take(part, experience, state)
        if seconds is not None:
            self.taken.append((part.training, experience))
        return seconds

    def leave(self, part, experience, state, seconds):
        self.left.append((part.training, experience))
        super().leave(part, experience, state, seconds)


@pytest.fixture
def shared(tmp_path):
    """Does a run that shares its trainings with those before it; its record, its arrays, and what was shared."""

    def do(spec, *, names=None, identity=None, **options):
        digests = names or {one.name: one.digest for one in trainings_of(spec)}
        folders = {name: tmp_path / digest for name, digest in digests.items()}
        sharing = Counting(folders, identity or {"code": 1})
        return (*run_with_artefacts(spec, sharing=sharing, **options), sharing)

    return do


def outcome(record, archive=None):
    """What a run measured, and not where and how fast."""
    how = ("provenance", "seconds", "peak_memory_bytes", "trainings")
    return {key: value for key, value in vars(record).items() if key not in how}, archive


def parts(name, *experiences):
    return [(name, experience) for experience in experiences]


CLASSIFIER, INFERENCE, REPLAYS = parts("classifier", 0, 1, 2), parts("inference", 1, 2), parts("replay_model", 0, 1)


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        (("hnet", CL1), ("hnet_ent", CL3), CLASSIFIER),
        (("hnet_ent", CL2), ("hnet_tir", CL2), CLASSIFIER),
        (("hnet_tir", CL3), ("hnet", CL1), CLASSIFIER),
        (("hnet_tir", CL3), ("hnet_tir", CL2), [*INFERENCE, *REPLAYS]),
        (("hnet_r", CL1), ("hnet_r", CL3), REPLAYS),
        (("hypermask", CL1), ("hypermask", CL3), CLASSIFIER),
        (("posterior_replay", CL1), ("posterior_replay", CL3), CLASSIFIER),
        (("hint", CL3), ("hint", CL1), CLASSIFIER),
    ],
)
def test_a_record_from_the_trainings_of_another_run_is_that_of_the_run_alone(cell, shared, first, second, taken):
    shared(cell(*first))
    record, archive, sharing = shared(cell(*second))
    assert sorted(sharing.taken) == sorted(taken)
    assert outcome(record, archive) == outcome(*run_with_artefacts(cell(*second)))
    assert {one["name"] for one in record.trainings if one["shared"]} == {name for name, _ in taken}


@pytest.mark.parametrize("criterion", ["confidence", "entropy_gradient", "calibrated_gap"])
def test_whatever_infers_the_task_takes_the_training_of_the_entropy(cell, shared, criterion):
    shared(cell("hnet_ent", CL3))
    other = cell("hnet_ent", CL3, criterion=criterion)
    record, archive, sharing = shared(other)
    assert sharing.taken == CLASSIFIER
    assert outcome(record, archive) == outcome(*run_with_artefacts(other))


@pytest.mark.parametrize("held", [{"fisher_weighted": True}, {"frozen_after": 1}])
def test_what_holds_old_tasks_is_made_by_every_run_itself(cell, shared, held):
    shared(cell("hnet", CL1, **held))
    other = cell("hnet_ent", CL3, **held)
    record, archive, sharing = shared(other)
    assert sharing.taken == CLASSIFIER
    assert outcome(record, archive) == outcome(*run_with_artefacts(other))


def test_what_is_trained_anew_is_what_the_strategy_declares_apart(cell, shared):
    shared(cell("hnet_ent", CL3))
    for other in (
        cell("hnet_ent", CL2),
        cell("hnet_ent", CL3, seed=2),
        cell("hnet", CL1, regularisation_strength=0.02),
        cell("hnet", CL1, iterations=ITERATIONS + 1),
    ):
        assert not shared(other)[2].taken


@pytest.mark.parametrize(
    ("really", "first"), [({"regularisation_strength": 1.0}, 1), ({"lookahead": False}, 1), ({"chunk_size": 300}, 0)]
)
def test_a_wrong_declaration_costs_time_and_changes_no_score(cell, shared, really, first):
    """Both say that they are one training; they are, until the setting that was forgotten counts for the first time."""
    shared(cell("hnet", CL1))
    other = cell("hnet", CL1, **really)
    names = {one.name: one.digest for one in trainings_of(cell("hnet", CL1))}
    record, _, sharing = shared(other, names=names)
    assert sharing.taken == CLASSIFIER[:first]
    assert outcome(record) == outcome(run_with_artefacts(other)[0])


def test_other_code_and_damaged_files_are_trained_anew(cell, shared, tmp_path):
    spec = cell("hnet", CL1)
    shared(spec)
    alone = outcome(run_with_artefacts(spec)[0])
    for identity in ({"code": 2}, {"code": 2, "processor": "another"}):
        record, _, sharing = shared(spec, identity=identity)
        assert (sharing.taken, outcome(record)) == ([], alone)
    files = sorted(tmp_path.glob("*/*.outcome"))
    assert len(files) == EXPERIENCES
    content = bytearray(files[0].read_bytes())
    content[-100] ^= 1
    files[0].write_bytes(content)
    files[1].write_bytes(files[1].read_bytes()[:-100])
    files[2].write_bytes(b"")
    record, _, sharing = shared(spec, identity=identity)
    assert (sharing.taken, outcome(record)) == ([], alone)
    assert shared(spec, identity=identity)[2].taken == CLASSIFIER  # written anew meanwhile


def test_too_few_steps_are_not_worth_a_file(cell, shared, tmp_path):
    spec = cell("hnet", CL1, iterations=OWN_STEPS)
    assert not shared(spec)[2].taken
    assert not list(tmp_path.glob("*/*"))


class After(Deadline):
    """Comes after so many questions for it."""

    def __init__(self, questions):
        super().__init__(0, 0)
        self.__dict__["left"] = questions

    def leaves(self, seconds):
        self.__dict__["left"] -= 1
        return self.left > 0


@pytest.mark.parametrize("questions", [OWN_STEPS - 2, OWN_STEPS + 1, 2 * ITERATIONS])
def test_runs_that_are_stopped_share_as_others_do(cell, shared, tmp_path, questions):
    """One that leaves is stopped, and then one that takes."""
    first, second = cell("hnet_tir", CL3), cell("hnet_tir", CL2)
    for number, spec in enumerate((first, second)):
        checkpoints = Checkpoints(tmp_path / f"checkpoint{number}", {})
        with pytest.raises(Stopped):
            shared(spec, checkpoints=checkpoints, deadline=After(questions if spec is first else OWN_STEPS + 2))
        record, archive, _ = shared(spec, checkpoints=checkpoints)
        assert len(record.provenance["resumes"]) == 1
        assert outcome(record, archive) == outcome(*run_with_artefacts(spec))
        assert all(one["seconds"] > 0 for one in record.trainings)
    assert len(list(tmp_path.glob("*/*.outcome"))) == len([*CLASSIFIER * 2, *INFERENCE, *REPLAYS])


def test_what_was_trained_on_two_machines_is_left_for_no_other_run(cell, shared, tmp_path, monkeypatch):
    spec, checkpoints = cell("hnet", CL1), Checkpoints(tmp_path / "checkpoint", {})
    with pytest.raises(Stopped):
        shared(spec, checkpoints=checkpoints, deadline=After(OWN_STEPS + 2))
    monkeypatch.setattr("hnet_bench.runs.learning.machine", lambda device: {"cpu": "another"})
    *_, sharing = shared(spec, checkpoints=checkpoints)
    assert sharing.left == CLASSIFIER[1:]


@pytest.mark.parametrize(("classes", "alike"), [(2, True), (3, False)])
@pytest.mark.parametrize(
    ("first", "second"),
    [("hnet", "hnet_ent"), ("hint", "hint"), ("hypermask", "hypermask"), ("posterior_replay", "posterior_replay")],
)
def test_a_softmax_over_more_outputs_is_another_training_but_for_two_terms(spec_of, first, second, classes, alike):
    """The sum of exponentials with zeros among them has the same bits for two terms in any order, not for three."""

    def digest(strategy, scenario):
        benchmark = {"name": "synthetic", "classes_per_experience": classes}
        chunks = {"hyperparameters": CHUNKS} if strategy != "hypermask" else {}
        (classifier,) = trainings_of(spec_of(strategy=strategy, scenario=scenario, benchmark=benchmark, **chunks))
        return classifier.digest

    assert (digest(first, CL1) == digest(second, CL3)) == alike


def test_nothing_is_shared_on_a_benchmark_of_a_users(spec_of, tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from dataclasses import dataclass\nfrom hnet_bench.benchmarks.synthetic import Synthetic\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(Synthetic):\n    pass\n"
    )
    shipped, mine = (
        spec_of(strategy="hnet", scenario=CL1, hyperparameters=CHUNKS, benchmark={"name": name})
        for name in ("synthetic", f"{file}:Mine")
    )
    assert trainings_of(shipped)
    assert not trainings_of(mine)


def test_times_are_those_of_a_run_that_does_all_itself(cell, shared, tmp_path, monkeypatch):
    """Whatever was taken counts with what it took where it was trained, here 1000 s for each part."""
    leave = Sharing.leave
    monkeypatch.setattr(
        Sharing, "leave", lambda self, part, experience, state, _: leave(self, part, experience, state, 1000.0)
    )
    shared(cell("hnet", CL1))
    record, _, _ = shared(cell("hnet_ent", CL3))
    (training,) = record.trainings
    assert all(1000 <= seconds < 1100 for seconds in record.seconds["train"])
    assert training["seconds"] == pytest.approx(3000, abs=100) == record.seconds["total"]
    assert training["saved"] == pytest.approx(3000, abs=100)


# Sweeps


@pytest.fixture(scope="module")
def cells(cell):
    found = [("hnet", CL1), ("hnet_ent", CL2), ("hnet_ent", CL3), ("hnet_tir", CL2), ("hnet_tir", CL3), ("hnet_r", CL1)]
    return [cell(*one) for one in found]


def keys(specs):
    return [f"{spec.strategy} {spec.scenario.label}" for spec in specs]


def test_no_training_is_under_way_twice_and_every_run_begins(cells):
    order = Order(cells, share=True)
    begun = [order.ready()]
    assert keys(begun[0]) == ["hnet CL1", "hnet_ent CL2", "hnet_r CL1"]
    assert order.ready() == []
    assert order.over(cells[0], done=True) == []  # others need its classifier
    # Both need it now that it is there, but only one trains what infers the task; that one waits for its classifier.
    begun.append(order.ready())
    assert keys(begun[1]) == ["hnet_ent CL3", "hnet_tir CL3"]
    order.stopped(cells[1])  # whatever becomes of a run, others begin
    order.over(cells[4], done=False)
    begun.append(order.ready())
    assert keys(begun[2]) == ["hnet_tir CL2"]
    gone = [digest for spec in cells[2:4] for digest in order.over(spec, done=True)]
    assert {one.digest for one in trainings_of(cells[0])} <= set(gone)
    # That of a run which is to go on is kept.
    assert not {one.digest for one in trainings_of(cells[1])} & set(gone)


def test_without_sharing_all_runs_begin_at_once(cells):
    assert Order(cells, share=False).ready() == cells


def test_a_sweep_shares_and_leaves_nothing_behind(cells, sweep_of, tmp_path):
    store = Store(tmp_path)
    assert sweep_of(cells, store, jobs=2).done == len(cells)
    assert not (tmp_path / ".trainings").exists()
    records = [read_record(store.path(spec)) for spec in cells]
    taken = [one["name"] for record in records for one in record.trainings if one["shared"]]
    assert sorted(taken) == ["classifier"] * 3 + ["inference", "replay_model"]
    for spec, record in zip(cells[3:5], records[3:5], strict=True):
        assert outcome(replace(record, arrays=None)) == outcome(replace(run_with_artefacts(spec)[0], arrays=None))


# What it costs


ALONE = Estimate(
    seconds=100.0,
    low=50.0,
    high=200.0,
    basis="a probe",
    shares={"classifier": 0.5, "inference": 0.25, "replay_model": 0.2},
)


def test_a_training_costs_once(cells):
    once = Once()
    costs = [once.add(spec, ALONE) for spec in cells]
    # The classifiers of HNET+ENT in CL3, of both in CL2, then all that HNET+TIR trains.
    assert [cost.seconds for cost in costs] == pytest.approx([100, 100, 50, 50, 5, 100])
    assert (costs[2].low, costs[2].high) == (25, 100)
    assert (once.taken, once.saved) == (5, pytest.approx(195))


def test_a_budget_counts_a_training_once(cells):
    def runs(once):
        return len(fitting(cells[:5], [], lambda spec: ALONE, seconds=310, jobs=1, shared=once).runs)

    assert (runs(None), runs(Once())) == (3, 5)


def test_what_trainings_take_is_learned_from_records(cell, record_of):
    spec = cell("hnet_r", CL1)
    taken = [("classifier", 2.0), ("replay_model", 6.0)]
    trainings = [{"name": name, "digest": name, "shared": True, "seconds": one} for name, one in taken]
    seconds = {"train": [], "evaluate": [], "total": 10.0}
    record = record_of(spec.with_seed(2), score=[[0.5] * 3] * 3, seconds=seconds, trainings=trainings)
    assert Costs((timing_of(record),)).shares(spec) == {"classifier": 0.2, "replay_model": 0.6}
    assert Costs(()).shares(spec) == {"classifier": 0.475, "replay_model": 0.475}
    assert Costs(()).shares(cell("hnet", CL1)) == {"classifier": 0.95}


TABLE = """
title = "Two rows that train alike"
seeds = "1-2"
[settings.tiny]
benchmark = { name = "synthetic" }
protocol = { iterations = 20, batch_size = 16, hidden_units = [20] }
[[rows]]
name = "hnet"
settings = "tiny"
CL1 = { strategy = "hnet" }
[[rows]]
name = "hnet_ent"
settings = "tiny"
CL3 = { strategy = "hnet_ent" }
"""


@pytest.fixture
def planned(tmp_path, monkeypatch, record_of):
    """The plan of a table of two rows and two seeds, of which one run is done, in 100 s."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text(TABLE)
    done = resolve_cell(load_table("mine.toml").cells[0], 1)
    seconds = {"train": [], "evaluate": [], "total": 100.0}
    Store(tmp_path / "results").write(done, record_of(done, score=[[0.5] * 3] * 3, seconds=seconds))
    return lambda **options: api.plan("mine.toml", device="cpu", **options)


def test_a_plan_counts_a_training_once_and_says_so(planned, capsys):
    # HNET with seed 2, HNET+ENT with both; that with seed 2 goes on from HNET's classifier.
    found = planned()
    assert (found.runs, found.shared, found.saved) == (3, 1, pytest.approx(95))
    assert found.total.seconds == pytest.approx(205)
    assert main(["plan", "mine.toml", "--device", "cpu"]) == 0
    assert "1 training is taken from another run" in capsys.readouterr().out
    assert planned(share=False).total.seconds == pytest.approx(300)


def test_a_plan_counts_what_an_earlier_sweep_left(planned, tmp_path):
    spec = resolve_cell(load_table("mine.toml").cells[1], 1)
    (training,) = trainings_of(spec)
    folder = Store(tmp_path / "results").training_path(training.digest)
    folder.mkdir(parents=True)
    for experience in range(EXPERIENCES):
        (folder / f"{experience}.outcome").touch()
    assert planned().shared == 2


def test_what_is_needed_is_kept_and_what_nobody_needs_is_removed(cell, tmp_path):
    store = Store(tmp_path)
    done, todo, old, others = (cell("hnet", CL1, seed=seed) for seed in range(1, 5))
    folders = {spec.key: store.training_path(trainings_of(spec)[0].digest) for spec in (done, todo, old, others)}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for spec in (todo, old):
        os.utime(folders[spec.key], (0, 0))
    forget_needless(store, [done, todo], [todo])
    assert [folders[spec.key].exists() for spec in (done, todo, old, others)] == [False, True, False, True]
    assert not store.is_abandoned("removed by another sweep meanwhile")
