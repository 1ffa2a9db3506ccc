"""The engine: every run ends as a record or as a failure that says why, and the number of processes changes nothing."""

import json
import time
from contextlib import nullcontext
from dataclasses import replace
from threading import Thread
from types import SimpleNamespace

import pytest
import torch
from dask.utils import key_split
from distributed import KilledWorker

from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.runs.apart import Died, Failed, apart
from hnet_bench.runs.checkpoint import steps_kept
from hnet_bench.runs.cluster import Cluster, SchedulerGone, connected
from hnet_bench.runs.deadline import Deadline
from hnet_bench.runs.engine import Options, Outcome, _device, _key, _Sweep, run_all
from hnet_bench.runs.events import ignore
from hnet_bench.runs.run import run
from hnet_bench.runs.spec import resolve
from hnet_bench.runs.store import Store


def spec_of(strategy, scenario, seed=1, iterations=30):
    return resolve(
        benchmark={"name": "synthetic"},
        scenario=scenario,
        protocol={"iterations": iterations, "batch_size": 16, "hidden_units": [20]},
        strategy=strategy,
        hyperparameters={"chunk_size": 200} if strategy.startswith("hnet") and strategy != "hnet_r" else {},
        seed=seed,
        where="a test",
    )


def sweep_of(specs, store, *, jobs=2, observer=ignore, **options):
    return run_all(
        specs,
        store=store,
        cluster=Cluster(jobs=jobs),
        options=Options(**{"device": "cpu", **options}),
        observer=observer,
    )


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two workers, several strategies, one that fails."""
    folder = tmp_path_factory.mktemp("sweep")
    broken = folder / "broken.py"
    broken.write_text(
        "from dataclasses import dataclass\n"
        "from hnet_bench.interfaces import Scenario\n"
        "@dataclass(frozen=True)\n"
        "class Broken:\n"
        "    scenarios = tuple(Scenario)\n"
        "    def build(self, setup):\n"
        "        raise RuntimeError('no such luck')\n"
    )
    good = [
        spec_of("hnet_ent", Scenario.CLASS, iterations=500),
        spec_of("hnet", Scenario.TASK),
        spec_of("joint", Scenario.DOMAIN),
        spec_of("finetune", Scenario.CLASS),
    ]
    bad = spec_of(f"{broken}:Broken", Scenario.TASK)
    store = Store(folder / "results")
    events = []
    outcome = sweep_of([*good, bad], store, observer=events.append)
    return good, bad, store, outcome, events


def test_what_succeeds_is_stored_and_equals_a_run_alone(sweep):
    good, _, store, outcome, _ = sweep
    assert outcome.done == len(good)
    for spec in good:
        assert store.read(store.path(spec)).score == run(spec).score


def test_what_fails_says_why_and_stops_no_other(sweep):
    _, bad, store, outcome, _ = sweep
    (line,) = outcome.failed
    assert "RuntimeError: no such luck" in line
    assert store.examine(bad).failed_seeds == (1,)
    (file,) = store.root.rglob("*.failed")
    content = json.loads(file.read_text())
    assert "in build" in content["traceback"]
    assert content["spec"] == bad.to_json()


def test_every_run_is_announced_from_start_to_end(sweep):
    good, _, _, _, events = sweep
    by_run = {}
    for event in events:
        by_run.setdefault(event.key, []).append(event.kind)
    assert len(by_run) == len(good) + 1
    assert {kinds[0] for kinds in by_run.values()} == {"started"}
    endings = [kinds[-1] for kinds in by_run.values()]
    assert sorted(endings) == ["failed"] + ["finished"] * len(good)


@pytest.mark.parametrize(("device", "words"), [("cuda", "torch finds none here"), ("gpu", "Unknown device 'gpu'")])
def test_a_device_that_is_not_there_ends_the_sweep_before_it_begins(tmp_path, capfd, device, words):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    store = Store(tmp_path)
    with pytest.raises(UserError, match=words):
        sweep_of([spec_of("joint", Scenario.TASK)], store, jobs=1, device=device)
    assert not list(tmp_path.rglob("*.*"))
    assert capfd.readouterr() == ("", "")  # of the workers too


def test_a_worker_whose_process_dies_before_it_has_said_its_device_costs_nothing_but_time(tmp_path, monkeypatch):
    deaths = [Died("its process was ended by SIGKILL")]

    def dies_once(*what, **how):
        if deaths:
            raise deaths.pop()
        return apart(*what, **how)

    monkeypatch.setattr("hnet_bench.runs.engine.apart", dies_once)
    assert sweep_of([spec_of("finetune", Scenario.TASK)], Store(tmp_path / "results"), jobs=1) == Outcome(1, ())
    assert not deaths


class Asked:
    """A client whose workers answer the question for their device as they are told to, in this order."""

    def __init__(self, *answers):
        self.answers, self.waited = list(answers), []

    def submit(self, *_, **__):
        return self

    def result(self, timeout):
        self.waited.append(timeout)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception) and not isinstance(answer, Died):  # which is an answer
            raise answer
        return answer


def test_workers_that_all_die_before_they_have_said_their_device_are_a_sentence():
    killed = KilledWorker("_prepare", SimpleNamespace(address="tcp://a:1"), 0)
    died = Died("its process was ended by SIGKILL, as when memory runs out")
    assert _device(Asked(killed, died, "cpu"), Options()) == "cpu"
    with pytest.raises(UserError, match=r"whenever a worker looked for the device, the worker ended\. A run needs"):
        _device(Asked(died, died, killed), Options())
    with pytest.raises(UserError, match=r"by SIGKILL, as when memory runs out\. A run needs about"):
        _device(Asked(died, died, died), Options())
    for problem in (ImportError("no\n\ntorch"), RuntimeError("no\ntorch"), Failed("no torch")):
        with pytest.raises(
            UserError, match=r"No run can begin \(no torch\): scheduler and workers need hnet_bench and"
        ):
            _device(Asked(problem), Options())


def test_nobody_waits_for_the_first_worker_beyond_the_deadline(tmp_path):
    client = Asked(TimeoutError())
    assert _device(client, Options(deadline=Deadline(0.0, time.time() + 1000))) is None
    assert 900 < client.waited[0] <= 1000
    # Of which all that begins is none of it.
    specs = [spec_of("finetune", Scenario.TASK, seed) for seed in (1, 2)]
    past = Deadline(runs_end=0.0, sweep_ends=0.0)
    assert sweep_of(specs, Store(tmp_path), jobs=1, deadline=past) == Outcome(0, (), left=2)


def test_nothing_to_do_starts_no_worker(tmp_path):
    outcome = sweep_of([], Store(tmp_path))
    assert (outcome.done, outcome.failed) == (0, ())


MORTAL = """
import os, signal
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Mortal:
    name: ClassVar[str] = "mortal"
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)
    deaths: int = 1
    marks: str = ""
    def build(self, setup):
        from avalanche.core import BaseSGDPlugin
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
        marks, deaths = Path(self.marks), self.deaths
        class Dies(BaseSGDPlugin):
            "Ends its process in the second experience, as often as asked."
            def before_training_exp(self, strategy, **kwargs):
                if strategy.task == 1 and len(list(marks.iterdir())) < deaths:
                    (marks / str(os.getpid())).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
        template = ClassifierTemplate(setup=setup)
        template.plugins.append(Dies())
        return template
"""


def mortal(folder, deaths):
    (folder / "mortal.py").write_text(MORTAL)
    (folder / "marks").mkdir()
    return resolve(
        benchmark={"name": "synthetic"},
        scenario=Scenario.CLASS,
        protocol={"iterations": 30, "batch_size": 16, "hidden_units": [20]},
        strategy=f"{folder}/mortal.py:Mortal",
        hyperparameters={"deaths": deaths, "marks": str(folder / "marks")},
        seed=1,
        where="a test",
    )


def test_a_run_whose_worker_dies_goes_on_elsewhere_and_takes_no_other_with_it(tmp_path):
    dying, sound = mortal(tmp_path, deaths=1), spec_of("finetune", Scenario.CLASS)
    store = Store(tmp_path / "results")
    assert sweep_of([dying, sound], store) == Outcome(2, ())
    record = store.read(store.path(dying))
    assert [left["experience"] for left in record.provenance["resumes"]] == [1]
    # Without its deaths the strategy is fine-tuning.
    assert record.score == store.read(store.path(sound)).score
    assert not store.examine(dying).failed_seeds
    assert not list(store.root.rglob("*.checkpoint"))


def test_a_run_that_kills_every_worker_is_a_failure_in_the_end(tmp_path):
    dying, store = mortal(tmp_path, deaths=10**6), Store(tmp_path / "results")
    outcome = sweep_of([dying], store, jobs=1)
    assert outcome.done == 0
    assert outcome.failed[0].endswith("its process was ended by SIGKILL, as when memory runs out")
    assert store.examine(dying).failed_seeds == (1,)
    assert 3 <= len(list((tmp_path / "marks").iterdir())) <= 5


def test_a_run_that_cannot_write_is_a_failure_of_its_own(tmp_path):
    """A file stands where the folder of one run should be."""
    blocked, sound = spec_of("hnet", Scenario.TASK), spec_of("finetune", Scenario.CLASS)
    (tmp_path / "synthetic").mkdir()
    (tmp_path / "synthetic" / "task").write_text("")
    outcome = sweep_of([blocked, sound], Store(tmp_path), jobs=1)
    assert outcome.done == 1
    assert "cannot be written: Not a directory" in outcome.failed[0]


def test_a_run_has_a_log(sweep):
    good, bad, store, *_ = sweep
    log = store.log_path(good[0]).read_text()
    assert "experience 3 of 3 learnt" in log
    assert "checkpoint after step 500" in log
    assert log.rstrip().endswith("record written")
    assert store.log_path(bad).exists()


SLOW = """
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Slow:
    name: ClassVar[str] = "slow"
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)
    mark: str = ""
    def build(self, setup):
        from avalanche.core import BaseSGDPlugin
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
        from hnet_bench.runs import deadline
        mark = Path(self.mark)
        class TimePasses(BaseSGDPlugin):
            "In the second experience it is late, once."
            def before_training_exp(self, strategy, **kwargs):
                if strategy.task == 1 and not mark.exists():
                    mark.touch()
                    deadline.time = SimpleNamespace(time=lambda: 1e12)
        template = ClassifierTemplate(setup=setup)
        template.plugins.append(TimePasses())
        return template
"""


def test_at_the_deadline_a_run_leaves_off_with_a_checkpoint_and_has_not_failed(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    slow = replace(
        spec_of("finetune", Scenario.CLASS),
        strategy=f"{tmp_path}/slow.py:Slow",
        hyperparameters={"mark": str(tmp_path / "mark")},
    )
    # What the strategy does to the clock reaches only its own run.
    other, store, events = spec_of("finetune", Scenario.CLASS), Store(tmp_path / "results"), []
    outcome = sweep_of([slow, other], store, jobs=1, observer=events.append, deadline=Deadline.after(3600))
    assert outcome == Outcome(1, (), left=1)
    assert [event.kind for event in events if event.kind != "progress"] == ["started", "stopped", "started", "finished"]
    assert steps_kept(store.checkpoint_path(slow)) == 31  # of 90
    assert not list(store.root.rglob("*.failed"))
    assert sweep_of([slow, other], store, jobs=1) == Outcome(2, ())
    record = store.read(store.path(slow))
    assert [left["step"] for left in record.provenance["resumes"]] == [31]
    # But for its delay the strategy is fine-tuning.
    assert record.score == store.read(store.path(other)).score
    assert not list(store.root.rglob("*.checkpoint"))


def test_after_the_deadline_no_run_begins(tmp_path):
    specs, events, now = [spec_of("finetune", Scenario.CLASS, seed) for seed in (1, 2)], [], time.time()
    deadline = Deadline(runs_end=now - 1, sweep_ends=now + 10**6)
    outcome = sweep_of(specs, Store(tmp_path), jobs=1, observer=events.append, deadline=deadline)
    assert (outcome, events) == (Outcome(0, (), left=2), [])
    assert not list(tmp_path.rglob("*.*"))


def test_nobody_waits_for_a_run_that_does_not_leave_off(tmp_path):
    (tmp_path / "stuck.py").write_text(SLOW.replace("mark.touch()", "time.sleep(10**6)").replace("== 1", "== 0"))
    stuck = replace(
        spec_of("finetune", Scenario.CLASS),
        strategy=f"{tmp_path}/stuck.py:Slow",
        hyperparameters={"mark": str(tmp_path / "mark")},
    )
    store, now = Store(tmp_path / "results"), time.time()
    deadline = Deadline(runs_end=now + 10**6, sweep_ends=now + 1)
    assert sweep_of([stuck], store, jobs=1, deadline=deadline) == Outcome(0, (), left=1)
    assert not list(store.root.rglob("*.failed"))


def test_a_deadline_keeps_a_tenth_of_the_time_for_ending_and_half_a_minute_at_most():
    for seconds, kept in ((100, 10), (540, 30)):
        deadline = Deadline.after(seconds)
        assert deadline.sweep_ends - deadline.runs_end == pytest.approx(kept)
        assert deadline.leaves(seconds - kept - 5)
        assert not deadline.leaves(seconds - kept + 5)
        assert seconds - 5 < deadline.seconds_to_wait <= seconds


def test_two_sweeps_over_one_store_do_each_run_once(tmp_path):
    """The second sweep finds runs locked by the first, waits, and takes them as done."""
    specs = [spec_of("finetune", Scenario.CLASS, seed, iterations=400) for seed in (1, 2, 3)]
    store, started = Store(tmp_path / "results"), []

    def watch(event):
        if event.kind == "started":
            started.append(event.key)

    outcomes = []
    threads = [Thread(target=lambda: outcomes.append(sweep_of(specs, store, jobs=1, observer=watch))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(outcome.done, outcome.failed, outcome.left) for outcome in outcomes] == [(3, (), 0)] * 2
    assert any(outcome.others for outcome in outcomes)
    assert sorted(started) == sorted(spec.key for spec in specs)


def test_loggers_change_nothing_and_write(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    spec = spec_of("hnet_r", Scenario.CLASS, iterations=120)
    store = Store(tmp_path / "results")
    outcome = sweep_of([spec], store, jobs=1, loggers=("csv", "tensorboard", "wandb"), logs=tmp_path / "logs")
    assert outcome == Outcome(1, ())
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["synthetic"]  # of what was tried before nothing
    watched, alone = store.read(store.path(spec)), run(spec)
    assert (watched.score, watched.diagnostics) == (alone.score, alone.diagnostics)
    folder = tmp_path / "logs" / spec.folder / spec.run_id
    lines = (folder / "csv" / "eval_results.csv").read_text().splitlines()
    assert len(lines) == 1 + 9
    assert lines[-1].startswith(f"2,2,{watched.score[2][2]:.4f}")
    assert any((folder / "tensorboard").iterdir())
    (written,) = (folder / "wandb").rglob("*.wandb")
    for name in (b"hnet_r", b"training/loss", b"accuracy/experience_2"):
        assert name in written.read_bytes()


@pytest.mark.parametrize("logger", ["csv", "tensorboard", "wandb"])
def test_a_logger_that_cannot_begin_is_said_before_the_first_run(tmp_path, monkeypatch, capfd, logger):
    monkeypatch.setenv("WANDB_MODE", "offline")
    (tmp_path / "logs").write_text("a file")
    store = Store(tmp_path / "results")
    with pytest.raises(
        UserError, match=f"^--logger {logger} cannot write below .*logs: (Not a directory|File exists).$"
    ):
        sweep_of([spec_of("joint", Scenario.TASK)], store, jobs=1, loggers=(logger,), logs=tmp_path / "logs")
    assert not store.root.exists()
    assert capfd.readouterr() == ("", "")


def test_a_logger_that_fails_later_stops_no_run_and_is_told_of_where_the_run_is_watched(tmp_path):
    """Where the folder of this run's logger should be there is a file."""
    spec, store, events = spec_of("finetune", Scenario.CLASS), Store(tmp_path / "results"), []
    (tmp_path / "logs" / spec.folder).mkdir(parents=True)
    (tmp_path / "logs" / spec.folder / spec.run_id).write_text("")
    options = {"loggers": ("csv",), "logs": tmp_path / "logs"}
    assert sweep_of([spec], store, jobs=1, observer=events.append, **options) == Outcome(1, ())
    (warning,) = [event.message for event in events if event.kind == "warned"]
    assert warning.startswith("the logger csv cannot begin and is told nothing: NotADirectoryError")
    assert warning in store.log_path(spec).read_text()


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path):
    spec, store = spec_of("finetune", Scenario.CLASS), Store(tmp_path)
    store.path(spec).parent.mkdir(parents=True)
    left = store.path(spec).with_name(f".{spec.run_id}.checkpoint.0123abcd.partial")
    others = store.path(spec).with_name(f".{spec.with_seed(11).run_id}.checkpoint.0123abcd.partial")
    for path in (left, others):
        path.write_bytes(b"half")
    assert sweep_of([spec], store, jobs=1) == Outcome(1, ())
    assert (left.exists(), others.exists()) == (False, True)


def test_dask_takes_all_runs_for_tasks_of_one_kind():
    # Else it guesses how long each takes anew, and has one worker do two runs while another does none.
    keys = [_key(spec_of(strategy, Scenario.TASK, seed)) for strategy in ("hnet", "finetune") for seed in (1, 2)]
    assert len(set(keys)) == 4
    assert {key_split(key) for key in keys} == {"run"}


@pytest.mark.parametrize(
    ("future", "client"), [("cancelled", "connecting"), ("cancelled", "closed"), ("lost", "closed")]
)
def test_a_scheduler_that_goes_away_fails_no_run_and_is_asked_no_more(tmp_path, monkeypatch, future, client):
    """Dask cancels every future when the connection is lost, also of runs that never began."""
    specs, handed = [spec_of("finetune", Scenario.TASK, seed) for seed in (1, 2)], []

    class Client:
        status = client

        def submit(self, *_, key, **__):
            handed.append(key)
            return Future()

    class Future:
        status, key = future, "a task"

    monkeypatch.setattr("hnet_bench.runs.engine.as_completed", lambda futures, **_: iter(futures))
    orders = SimpleNamespace(deadline=None)
    with pytest.raises(SchedulerGone):
        _Sweep(Client(), orders, Store(tmp_path), ignore, None, {}).finish(specs)
    assert len(handed) == len(specs)
    assert not list(tmp_path.rglob("*"))


def test_whatever_says_that_the_scheduler_is_gone_becomes_a_sentence(monkeypatch):
    from distributed.client import ClosedClientError, FutureCancelledError
    from distributed.comm import CommClosedError

    gone = (SchedulerGone(), ClosedClientError("x"), CommClosedError("x"), FutureCancelledError(key="k", reason="r"))
    monkeypatch.setattr("hnet_bench.runs.cluster._told", lambda address, announce: nullcontext(SimpleNamespace()))
    for error in gone:
        with (
            pytest.raises(UserError, match=r"scheduler at tcp://a:1 no longer answers; the same command goes on\.$"),
            connected(Cluster(scheduler="tcp://a:1"), 1),
        ):
            raise error
