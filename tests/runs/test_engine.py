"""The engine: every run ends as a record or as a failure that says why, whatever is killed and whoever is gone, and the
number of processes changes nothing."""

import json
import signal
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from threading import Thread
from types import SimpleNamespace

import dask
import psutil
import pytest
import torch
from dask.utils import key_split
from distributed import KilledWorker, get_worker
from distributed import TimeoutError as DaskTimeoutError
from distributed.client import ClosedClientError, FutureCancelledError
from distributed.comm import CommClosedError

from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.runs import engine, worker
from hnet_bench.runs.checkpoint import steps_kept
from hnet_bench.runs.cluster import Cluster, SchedulerGone, connected
from hnet_bench.runs.deadline import Deadline
from hnet_bench.runs.engine import Dispatcher, Options, Outcome
from hnet_bench.runs.events import ignore
from hnet_bench.runs.files import alone
from hnet_bench.runs.process import Died, Failed, in_own_process
from hnet_bench.runs.run import run
from hnet_bench.runs.store import Store, read_record
from hnet_bench.runs.worker import Result, SweepContext

DIES = (
    "if len(list(folder.glob('death-*'))) < {deaths}:",
    "    (folder / f'death-{{os.getpid()}}').touch()",
    "    os.kill(os.getpid(), signal.SIGKILL)",
)

# In the second experience it is late, once. What the strategy does to the clock reaches only its own run.
LATE = (
    "from types import SimpleNamespace",
    "from hnet_bench.runs import deadline",
    "if not (folder / 'late').exists():",
    "    (folder / 'late').touch()",
    "    deadline.time = SimpleNamespace(time=lambda: 1e12)",
)


def dying(deaths):
    return [line.format(deaths=deaths) for line in DIES]


@pytest.fixture
def finetune(spec_of):
    """Makes specs of what a disturbed strategy is but for its disturbance."""

    def make(seed=1, iterations=30, **changes):
        protocol = {"iterations": iterations, "batch_size": 16, "hidden_units": [20]}
        return spec_of(**{"protocol": protocol, "seed": seed, **changes})

    return make


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, spec_of, disturbed, sweep_of):
    """Two workers, several strategies, one that fails."""
    folder = tmp_path_factory.mktemp("sweep")
    protocol = {"iterations": 30, "batch_size": 16, "hidden_units": [20]}
    chunks = {"hyperparameters": {"chunk_size": 200}}
    good = [
        spec_of(strategy="hnet_ent", protocol={**protocol, "iterations": 500}, **chunks),
        spec_of(strategy="hnet", scenario=Scenario.TASK, protocol=protocol, **chunks),
        spec_of(strategy="joint", scenario=Scenario.DOMAIN, protocol=protocol),
        spec_of(strategy="finetune", protocol=protocol),
    ]
    bad = disturbed(folder, "raise RuntimeError('no such luck')", scenario=Scenario.TASK)
    store, events = Store(folder / "results"), []
    outcome = sweep_of([*good, bad], store, jobs=2, observer=events.append)
    return good, bad, store, outcome, events


def test_what_succeeds_is_stored_and_equals_a_run_alone(sweep):
    good, _, store, outcome, _ = sweep
    assert outcome.done == len(good)
    for spec in good:
        assert read_record(store.path(spec)).score == run(spec).score


def test_what_fails_says_why_and_stops_no_other(sweep):
    _, bad, store, outcome, _ = sweep
    (line,) = outcome.failed
    assert "RuntimeError: no such luck" in line
    assert store.examine(bad).failed_seeds == (1,)
    (file,) = store.root.rglob("*.failed")
    content = json.loads(file.read_text())
    assert "in before_training_exp" in content["traceback"]
    assert content["spec"] == bad.to_json()


def test_every_run_is_announced_from_start_to_end_and_has_a_log(sweep):
    good, bad, store, _, events = sweep
    kinds = {spec.key: [event.kind for event in events if event.key == spec.key] for spec in [*good, bad]}
    assert len(events) == sum(len(of_run) for of_run in kinds.values())
    assert {of_run[0] for of_run in kinds.values()} == {"started"}
    assert {key for key, of_run in kinds.items() if of_run[-1] == "finished"} == {spec.key for spec in good}
    assert kinds[bad.key][-1] == "failed"
    log = store.log_path(good[0]).read_text()
    assert "experience 3 of 3 learnt" in log
    assert "checkpoint after step 500" in log
    assert log.rstrip().endswith("record written")
    assert store.log_path(bad).exists()


@pytest.mark.parametrize(("device", "words"), [("cuda", "torch finds none here"), ("gpu", "Unknown device 'gpu'")])
def test_a_device_that_is_not_there_ends_the_sweep_before_it_begins(tmp_path, capfd, finetune, sweep_of, device, words):
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(UserError, match=words):
        sweep_of([finetune()], Store(tmp_path), device=device)
    assert not list(tmp_path.rglob("*.*"))
    assert capfd.readouterr() == ("", "")  # of the workers too


def test_a_process_that_dies_before_it_has_said_its_device_costs_nothing_but_time(
    tmp_path, monkeypatch, finetune, sweep_of
):
    mark = tmp_path / "died"

    def dies_once(*what, **how):
        if not mark.exists():
            mark.touch()
            raise Died("its process was ended by SIGKILL")
        return in_own_process(*what, **how)

    monkeypatch.setattr(engine, "in_own_process", dies_once)
    assert sweep_of([finetune()], Store(tmp_path / "results")) == Outcome(1, ())
    assert mark.exists()


class Asked:
    """A client whose workers answer the question for their device as they are told to, in this order."""

    def __init__(self, *answers):
        self.answers, self.waited = list(answers), []

    def submit(self, *_, **__):
        return self

    def result(self, timeout):
        self.waited.append(timeout)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_workers_that_all_die_before_they_have_said_their_device_are_a_sentence():
    killed = KilledWorker("_prepare", SimpleNamespace(address="tcp://a:1"), 0)
    died = Died("its process was ended by SIGKILL, as when memory runs out")
    assert engine._device(Asked(killed, died, "cpu"), Options()) == "cpu"
    with pytest.raises(UserError, match=r"whenever a worker looked for the device, the worker ended\. A run needs"):
        engine._device(Asked(died, died, killed), Options())
    with pytest.raises(UserError, match=r"by SIGKILL, as when memory runs out\. A run needs about"):
        engine._device(Asked(died, died, died), Options())
    for problem in (ImportError("no\n\ntorch"), RuntimeError("no\ntorch"), Failed("no torch")):
        with pytest.raises(
            UserError, match=r"No run can begin \(no torch\): scheduler and workers need hnet_bench and"
        ):
            engine._device(Asked(problem), Options())


def test_nobody_waits_for_the_first_worker_beyond_the_deadline(tmp_path, finetune, sweep_of):
    client = Asked(DaskTimeoutError())
    assert engine._device(client, Options(deadline=Deadline(0.0, time.time() + 1000))) is None
    assert 900 < client.waited[0] <= 1000
    past = Deadline(runs_end=0.0, sweep_ends=0.0)
    assert sweep_of([finetune(1), finetune(2)], Store(tmp_path), deadline=past) == Outcome(0, (), left=2)


def test_nothing_to_do_starts_no_worker(tmp_path, sweep_of):
    assert sweep_of([], Store(tmp_path)) == Outcome(0, ())


def test_a_run_whose_process_dies_goes_on_elsewhere_and_takes_no_other_with_it(tmp_path, disturbed, finetune, sweep_of):
    mortal, sound, store = disturbed(tmp_path, *dying(1)), finetune(), Store(tmp_path / "results")
    assert sweep_of([mortal, sound], store, jobs=2) == Outcome(2, ())
    record = read_record(store.path(mortal))
    assert [left["experience"] for left in record.provenance["resumes"]] == [1]
    assert record.score == read_record(store.path(sound)).score
    assert not store.examine(mortal).failed_seeds
    assert not list(store.root.rglob("*.checkpoint"))


def test_a_run_that_dies_again_and_again_is_begun_again(tmp_path, disturbed, sweep_of):
    """Dask's clusters forget a worker that happens to be away 15 seconds after an earlier one died; and a lock on a
    file that processes inherit from each other lasts as long as any of them."""
    outlives = [
        "    if os.fork() == 0:",
        "        while not (folder / 'go').exists(): time.sleep(0.01)",
        "        os._exit(0)",
    ]
    first, mark, kill = dying(2)
    spec, store = disturbed(tmp_path, first, mark, *outlives, kill), Store(tmp_path / "results")
    # A sweep that stood still would end here, with the run left.
    deadline = Deadline(runs_end=time.time() + 10**6, sweep_ends=time.time() + 1500)
    try:
        with dask.config.set({"distributed.deploy.lost-worker-timeout": "1ms"}):
            assert sweep_of([spec], store, deadline=deadline) == Outcome(1, ())
    finally:
        (tmp_path / "go").touch()
    assert len(list(tmp_path.glob("death-*"))) == 2


def test_a_run_that_kills_every_process_is_a_failure_in_the_end(tmp_path, disturbed, sweep_of):
    mortal, store = disturbed(tmp_path, *dying(10**6)), Store(tmp_path / "results")
    outcome = sweep_of([mortal], store)
    assert outcome.done == 0
    assert outcome.failed[0].endswith("its process was ended by SIGKILL, as when memory runs out")
    assert store.examine(mortal).failed_seeds == (1,)
    assert 3 <= len(list(tmp_path.glob("death-*"))) <= 5


def test_without_the_processes_that_help_a_sweep_it_ends_as_ever(tmp_path, disturbed, command):
    """The server that runs are forked from and multiprocessing's tracker of resources are killed in the middle."""
    disturbed(tmp_path, "(folder / 'here').touch()", "while not (folder / 'go').exists(): time.sleep(0.01)")
    (tmp_path / "waits.toml").write_text(
        'title = "One run that waits"\nseeds = "1"\n'
        '[settings.tiny]\nbenchmark = { name = "synthetic" }\nprotocol = { iterations = 20 }\n'
        '[[rows]]\nname = "waits"\nsettings = "tiny"\nCL3 = { strategy = "disturbed.py:Disturbed" }\n'
    )
    with command(tmp_path, *["run", "waits.toml", "-j", "1", "--device", "cpu", "--checkpoint-every", "0"]) as process:
        while process.poll() is None and not (tmp_path / "here").exists():
            time.sleep(0.01)
        helpers = psutil.Process(process.pid).children()
        assert len(helpers) == 2
        for helper in helpers:
            helper.send_signal(signal.SIGKILL)
        (tmp_path / "go").touch()
        out, err = process.communicate(timeout=1500)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert "[1/1] finished waits CL3 seed 1" in out
    (record,) = (tmp_path / "results").rglob("seed1-*.json")
    assert not list(record.parent.glob("*.failed"))


def held_by_another(content, files, context, shared):
    """Stands for `do`: another sweep holds the runs of seeds 1 and 2 until this one has done all others."""
    here = get_worker()
    time.sleep(0.1)  # so that the sweep hears of each end before the next
    (context.store.root / str(content["seed"])).touch()
    over = all((context.store.root / str(seed)).exists() for seed in (3, 4))
    result = Result("done" if content["seed"] > 2 or over else "elsewhere")
    here.log_event(context.topic, {"task": here.get_current_task(), "result": asdict(result)})


def test_an_observer_that_fails_ends_the_sweep_and_hangs_nothing(tmp_path, finetune, sweep_of):
    """As where the output is a pipe that nobody reads any more."""

    def observer(event):
        if event.kind == "started":
            raise BrokenPipeError

    store = Store(tmp_path)
    with pytest.raises(BrokenPipeError):
        sweep_of([finetune(1)], store, observer=observer)
    assert store.has(finetune(1))  # what had ended by then is kept


def test_a_second_sweep_does_what_the_first_has_not_begun(tmp_path, monkeypatch, finetune):
    """Though the first holds more runs than the second has workers, and those at the head of the table."""
    monkeypatch.setattr(engine, "do", held_by_another)
    with connected(Cluster(jobs=1), 1) as client:
        context = SweepContext(
            store=Store(tmp_path), options=Options(deadline=Deadline.after(20)), command="a test", topic="a test"
        )
        sweep = Dispatcher(client, context, ignore)
        client.subscribe_topic(context.topic, sweep.hear)
        assert sweep.finish([finetune(seed) for seed in (1, 2, 3, 4)]) == Outcome(4, (), others=True)


def test_a_run_that_cannot_write_is_a_failure_of_its_own(tmp_path, finetune, sweep_of):
    """A file stands where the folder of one run should be."""
    (tmp_path / "synthetic").mkdir()
    (tmp_path / "synthetic" / "task").write_text("")
    outcome = sweep_of([finetune(scenario=Scenario.TASK), finetune()], Store(tmp_path))
    assert outcome.done == 1
    assert "cannot be written: Not a directory" in outcome.failed[0]


def test_what_fails_before_its_run_begins_is_noted_as_any_failure_is(tmp_path, disturbed, sweep_of):
    """The module needs what is there where the sweep is, and not where its process is."""
    elsewhere, store = disturbed(tmp_path, *LATE), Store(tmp_path / "results")
    (file,) = elsewhere.files.values()
    file.write_text(f"import os\nos.stat({str(tmp_path / 'needed')!r})\n{file.read_text()}")
    (tmp_path / "needed").touch()
    elsewhere.build_strategy()  # loads the file, once in a process
    (tmp_path / "needed").unlink()
    (line,) = sweep_of([elsewhere], store).failed
    assert store.failure(elsewhere)
    assert line.endswith(store.failure(elsewhere))


def test_at_the_deadline_a_run_leaves_off_with_a_checkpoint_and_has_not_failed(tmp_path, disturbed, finetune, sweep_of):
    slow, other = disturbed(tmp_path, *LATE), finetune()
    store, events = Store(tmp_path / "results"), []
    outcome = sweep_of([slow, other], store, observer=events.append, deadline=Deadline.after(3600))
    assert outcome == Outcome(1, (), left=1)
    assert [event.kind for event in events if event.kind != "progress"] == ["started", "stopped", "started", "finished"]
    assert steps_kept(store.checkpoint_path(slow)) == 31  # of 90
    assert not list(store.root.rglob("*.failed"))
    assert sweep_of([slow, other], store) == Outcome(2, ())
    record = read_record(store.path(slow))
    assert [left["step"] for left in record.provenance["resumes"]] == [31]
    assert record.score == read_record(store.path(other)).score
    assert not list(store.root.rglob("*.checkpoint"))


def test_after_the_deadline_no_run_begins(tmp_path, finetune, sweep_of):
    events, now = [], time.time()
    deadline = Deadline(runs_end=now - 1, sweep_ends=now + 10**6)
    outcome = sweep_of([finetune(1), finetune(2)], Store(tmp_path), observer=events.append, deadline=deadline)
    assert (outcome, events) == (Outcome(0, (), left=2), [])
    assert not list(tmp_path.rglob("*.*"))


def test_a_run_does_not_go_on_with_other_code_beside_the_users_file(tmp_path, disturbed, sweep_of):
    """What a strategy imports, such as its network, may have been edited since the checkpoint."""
    beside = tmp_path / "network_of_mine.py"
    beside.write_text("WIDTH = 1")
    spec, store = disturbed(tmp_path, "import network_of_mine", *LATE), Store(tmp_path / "results")
    assert sweep_of([spec], store, deadline=Deadline.after(3600)) == Outcome(0, (), left=1)
    assert steps_kept(store.checkpoint_path(spec)) == 31
    beside.write_text("WIDTH = 2")
    assert sweep_of([spec], store) == Outcome(1, ())
    assert read_record(store.path(spec)).provenance["resumes"] == []
    assert "begins anew: it was made with another revision of the strategy" in store.log_path(spec).read_text()


def test_nobody_waits_for_a_run_that_does_not_leave_off(tmp_path, disturbed, sweep_of):
    store, now = Store(tmp_path / "results"), time.time()
    deadline = Deadline(runs_end=now + 10**6, sweep_ends=now + 1)
    stuck = disturbed(tmp_path, "time.sleep(10**6)")
    assert sweep_of([stuck], store, deadline=deadline) == Outcome(0, (), left=1)
    assert not list(store.root.rglob("*.failed"))


def test_a_deadline_keeps_a_tenth_of_the_time_for_ending_and_half_a_minute_at_most():
    for seconds, kept in ((100, 10), (540, 30)):
        deadline = Deadline.after(seconds)
        assert deadline.sweep_ends - deadline.runs_end == pytest.approx(kept)
        assert deadline.leaves(seconds - kept - 5)
        assert not deadline.leaves(seconds - kept + 5)
        assert seconds - 5 < deadline.seconds_to_wait <= seconds


def test_two_sweeps_over_one_store_do_each_run_once(tmp_path, finetune, sweep_of):
    """The second sweep finds runs locked by the first, waits, and takes them as done."""
    specs = [finetune(seed, iterations=400) for seed in (1, 2, 3)]
    store, events, outcomes = Store(tmp_path / "results"), [], []

    def do_all():
        outcomes.append(sweep_of(specs, store, observer=events.append))

    threads = [Thread(target=do_all) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(outcome.done, outcome.failed, outcome.left) for outcome in outcomes] == [(3, (), 0)] * 2
    assert any(outcome.others for outcome in outcomes)
    started = [event.key for event in events if event.kind == "started"]
    assert sorted(started) == sorted(spec.key for spec in specs)


def test_loggers_change_nothing_and_write(tmp_path, monkeypatch, finetune, sweep_of):
    monkeypatch.setenv("WANDB_MODE", "offline")
    spec, store = finetune(strategy="hnet_r", iterations=120), Store(tmp_path / "results")
    outcome = sweep_of([spec], store, loggers=("csv", "tensorboard", "wandb"), logs=tmp_path / "logs")
    assert outcome == Outcome(1, ())
    assert [path.name for path in (tmp_path / "logs").iterdir()] == ["synthetic"]  # of what was tried before nothing
    watched, alone = read_record(store.path(spec)), run(spec)
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
def test_a_logger_that_cannot_begin_is_said_before_the_first_run(
    tmp_path, monkeypatch, capfd, finetune, sweep_of, logger
):
    monkeypatch.setenv("WANDB_MODE", "offline")
    (tmp_path / "logs").write_text("a file")
    said = f"^--logger {logger} cannot write below .*logs: (Not a directory|File exists).$"
    with pytest.raises(UserError, match=said):
        sweep_of([finetune()], Store(tmp_path / "results"), loggers=(logger,), logs=tmp_path / "logs")
    assert not (tmp_path / "results").exists()
    assert capfd.readouterr() == ("", "")


def test_a_logger_that_fails_later_stops_no_run_and_is_told_of_where_the_run_is_watched(tmp_path, finetune, sweep_of):
    """Where the folder of this run's logger should be there is a file."""
    spec, store, events = finetune(), Store(tmp_path / "results"), []
    (tmp_path / "logs" / spec.folder).mkdir(parents=True)
    (tmp_path / "logs" / spec.folder / spec.run_id).write_text("")
    options = {"loggers": ("csv",), "logs": tmp_path / "logs"}
    assert sweep_of([spec], store, observer=events.append, **options) == Outcome(1, ())
    (warning,) = [event.message for event in events if event.kind == "warned"]
    assert warning.startswith("the logger csv cannot begin and is told nothing: NotADirectoryError")
    assert warning in store.log_path(spec).read_text()


def test_what_libraries_warn_of_is_in_the_log_once(tmp_path, disturbed, sweep_of):
    again = "for _ in range(3): warnings.warn_explicit('old', FutureWarning, 'library.py', 1)"
    spec = disturbed(tmp_path, "import warnings", "warnings.simplefilter('always')", again)
    store = Store(tmp_path / "results")
    assert sweep_of([spec], store) == Outcome(1, ())
    assert store.log_path(spec).read_text().count("FutureWarning: old") == 1


def test_what_a_killed_process_was_writing_is_cleared_away(tmp_path, finetune, sweep_of):
    spec, store = finetune(), Store(tmp_path)
    store.path(spec).parent.mkdir(parents=True)
    left = store.path(spec).with_name(f".{spec.run_id}.checkpoint.0123abcd.partial")
    others = store.path(spec).with_name(f".{spec.with_seed(11).run_id}.checkpoint.0123abcd.partial")
    for path in (left, others):
        path.write_bytes(b"half")
    assert sweep_of([spec], store) == Outcome(1, ())
    assert (left.exists(), others.exists()) == (False, True)


def test_what_a_merge_is_writing_of_a_run_is_not_taken_for_a_leftover(tmp_path, finetune):
    spec = finetune()
    log = Store(tmp_path).log_path(spec)
    partial = log.with_name(f".{spec.run_id}.json.0123abcd.partial")

    def begin():
        with worker._locked(log):
            pass

    run_begins = Thread(target=begin)
    with alone(log.parent):
        partial.write_bytes(b"half")
        run_begins.start()
        run_begins.join(0.5)
        assert partial.exists()
    run_begins.join()
    assert not partial.exists()


@dataclass(frozen=True)
class Future:
    """Of Dask, without `result`: nobody may ask for it."""

    key: str
    status: str


class Handed:
    """A client that does nothing: each task ends at once as Dask says."""

    def __init__(self, client="running", future="finished"):
        self.status, self._future, self.keys = client, future, []

    def submit(self, *_, key, **__):
        self.keys.append(key)
        return Future(key, self._future)


@pytest.fixture
def dispatcher(tmp_path, monkeypatch):
    """Makes the dispatcher of a client whose tasks end at once."""
    monkeypatch.setattr(engine, "as_completed", lambda futures, **_: iter(futures))
    context = SweepContext(store=Store(tmp_path), options=Options(), command="a test", topic="a test")
    return lambda client: Dispatcher(client, context, ignore)


def test_dask_takes_all_runs_for_tasks_of_one_kind(dispatcher, finetune):
    # Else it guesses how long each takes anew, and has one worker do two runs while another does none.
    client = Handed("closed", "cancelled")
    with pytest.raises(SchedulerGone):
        dispatcher(client).finish([finetune(seed, strategy=name) for name in ("er", "joint") for seed in (1, 2)])
    assert len(set(client.keys)) == 4
    assert {key_split(key) for key in client.keys} == {"run"}


def test_what_a_run_said_is_not_asked_for_again(dispatcher, finetune):
    """A worker that has said how its run ended may be gone. Dask would try to reach it for minutes."""
    client = Handed()
    sweep = dispatcher(client)
    submit = client.submit

    def submit_and_say(*what, key, **how):
        sweep.hear((0.0, {"task": key, "result": {"kind": "stopped"}}))
        return submit(*what, key=key, **how)

    client.submit = submit_and_say
    assert sweep.finish([finetune()]) == Outcome(0, (), left=1)
    assert sweep.results == {}


@pytest.mark.parametrize(
    ("future", "client"), [("cancelled", "connecting"), ("cancelled", "closed"), ("lost", "closed")]
)
def test_a_scheduler_that_goes_away_fails_no_run_and_is_asked_no_more(tmp_path, dispatcher, finetune, future, client):
    """Dask cancels every future when the connection is lost, also of runs that never began."""
    handed = Handed(client, future)
    with pytest.raises(SchedulerGone):
        dispatcher(handed).finish([finetune(1), finetune(2)])
    assert len(handed.keys) == 2
    assert not list(tmp_path.rglob("*"))


@pytest.mark.parametrize(
    "error",
    [SchedulerGone(), ClosedClientError("x"), CommClosedError("x"), FutureCancelledError(key="k", reason="r")],
    ids=lambda error: type(error).__name__,
)
def test_whatever_says_that_the_scheduler_is_gone_becomes_a_sentence(monkeypatch, error):
    monkeypatch.setattr(
        "hnet_bench.runs.cluster.existing_workers", lambda address, announce: nullcontext(SimpleNamespace())
    )
    with (
        pytest.raises(UserError, match=r"scheduler at tcp://a:1 no longer answers; the same command goes on\.$"),
        connected(Cluster(scheduler="tcp://a:1"), 1),
    ):
        raise error
