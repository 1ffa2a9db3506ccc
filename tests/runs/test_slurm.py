"""What a sweep does when Slurm does not do as it should. Slurm is imitated: its commands are small scripts on the PATH.

`tests/cluster/test_slurm.py` has a true one.
"""

import os
import signal
import time
from types import SimpleNamespace

import pytest

pytest.importorskip("dask_jobqueue")

from hnet_bench.interfaces import UserError
from hnet_bench.runs import slurm
from hnet_bench.runs.cluster import Cluster, connected
from hnet_bench.runs.slurm_profile import slurm_settings

ACCEPTS = 'echo $$ >> jobs; echo "Submitted batch job $$"'
REFUSES = (
    "echo 'sbatch: error: invalid partition specified: nowhere' >&2; echo 'sbatch: error: No such thing' >&2; exit 1"
)
REFUSAL = "sbatch: error: invalid partition specified: nowhere; sbatch: error: No such thing."
# The first is accepted, all others are one too many.
LIMITED = f"if mkdir first 2>/dev/null; then {ACCEPTS}; else {REFUSES}; fi"


class Imitated:
    """A folder with the commands of a Slurm, which leave there what they were told."""

    def __init__(self, folder):
        self.folder = folder
        self.profile()
        self.command("sbatch", ACCEPTS)
        self.command("squeue", "echo >> looked; sed 's/$/ PENDING Resources/' jobs")
        self.command("scancel", "echo $1 >> cancelled")

    def profile(self, *lines):
        (self.folder / "profile.toml").write_text("\n".join(['memory = "4GB"', *lines, ""]))

    def command(self, name, does):
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ncd {self.folder}\n{does}\n")
        path.chmod(0o755)

    def lines(self, name):
        path = self.folder / name
        return path.read_text().splitlines() if path.exists() else []

    def connected(self, workers=1, announce=lambda sentence: None):
        return connected(Cluster(slurm=self.folder / "profile.toml"), workers, announce)

    def problem(self, workers=1):
        """The sentence with which connecting, or a task, ends."""
        with pytest.raises(UserError) as raised, self.connected(workers) as client:
            client.submit(abs, -1).result()
        return str(raised.value)

    def cancelled_all(self):
        return sorted(self.lines("cancelled")) == sorted(self.lines("jobs"))


@pytest.fixture
def imitated(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(slurm, "_SECONDS_BETWEEN_LOOKS", 0.05)
    return Imitated(tmp_path)


def test_without_slurm_a_sentence_says_so(imitated, monkeypatch):
    monkeypatch.setenv("PATH", str(imitated.folder))
    assert imitated.problem().startswith("--slurm needs Slurm's sbatch, which is not here: ")


@pytest.mark.parametrize(
    ("does", "said"), [(REFUSES, REFUSAL), ("echo Welcome", r"Could not parse job id from")], ids=["no", "no job id"]
)
def test_a_job_that_slurm_refuses_is_a_sentence_with_what_it_says(imitated, capfd, does, said):
    imitated.command("sbatch", does)
    assert imitated.problem().startswith(f"Slurm refuses the job: {said}")
    assert capfd.readouterr() == ("", "")


def test_a_sweep_goes_on_with_the_jobs_that_slurm_takes(imitated):
    imitated.command("sbatch", LIMITED)
    told = []
    with imitated.connected(workers=3, announce=told.append):
        pass
    assert told[:1] == [f"Slurm refuses 2 of 3 jobs: {REFUSAL}"]
    assert imitated.cancelled_all()


def test_as_many_jobs_are_asked_for_as_there_are_workers_to_start(imitated):
    imitated.profile("processes = 2")
    with imitated.connected(workers=5):
        pass
    assert len(imitated.lines("jobs")) == 3
    assert imitated.cancelled_all()


def test_waiting_for_jobs_that_ended_before_their_workers_came_ends(imitated, capfd):
    imitated.command("squeue", "exit 0")
    problem = imitated.problem(workers=2)
    assert problem in {
        f"No worker can come any more: 2 jobs ended before a worker came from there, see slurm-{job}.out."
        for job in imitated.lines("jobs")
    }
    assert capfd.readouterr() == ("", "")


def test_what_jobs_are_waiting_for_is_said_once(imitated):
    told = []
    with imitated.connected(announce=told.append):
        while len(imitated.lines("looked")) < 5:
            time.sleep(0.01)
    assert told == ["Waiting for Slurm, which gives as reason: Resources."]


@pytest.mark.parametrize("skipped", ["-t", "per"])
def test_skipping_more_than_was_named_is_refused(imitated, skipped):
    imitated.profile(f'job_directives_skip = ["{skipped}"]')
    problem = imitated.problem()
    assert problem.startswith(f"'{skipped}' of 'job_directives_skip' ")
    assert " would also drop '--cpus-per-task=1', " in problem
    assert problem.endswith(f"'{skipped} '.")
    assert not imitated.lines("jobs")


@pytest.mark.parametrize("skipped", ["-t ", "--mem"])
def test_what_is_named_alone_is_skipped(imitated, skipped):
    imitated.command("sbatch", f"cat $1 > script; {ACCEPTS}")
    imitated.profile(f'job_directives_skip = ["{skipped}"]')
    with imitated.connected():
        pass
    options = [line.split()[1].partition("=")[0] for line in imitated.lines("script") if line.startswith("#SBATCH")]
    assert options == [one for one in ("-J", "-n", "--cpus-per-task", "--mem", "-t") if one != skipped.strip()]


def test_a_profile_that_dask_jobqueue_does_not_take_is_a_sentence(imitated):
    imitated.profile('interface = "nowhere0"')
    problem = imitated.problem()
    assert problem.startswith("dask-jobqueue does not accept the profile ")
    assert "nowhere0" in problem


@pytest.mark.parametrize(
    ("setting", "wrong", "words"),
    [
        *(("jobs", wrong, "'jobs' in the Slurm profile p.toml must be a number") for wrong in (0, -1, "4", 1.5, True)),
        ("processes", 0, "'processes' in the Slurm profile p.toml must be a number of processes, at least 1, found 0."),
        ("cores", "3", "'cores' in the Slurm profile p.toml must be a number of cores"),
        ("cores", 3, "p.toml must have a core for each process of a job, found 3 for 4."),
        ("job_script_prologue", "module load x", "'job_script_prologue' in the Slurm profile p.toml must be a list"),
        ("scheduler_options", "x", "'scheduler_options' in the Slurm profile p.toml must be a table, found 'x'."),
        ("worker_extra_args", ["a", 1], "'worker_extra_args' in the Slurm profile p.toml must be a list of texts"),
        ("memory", None, "p.toml must say how much memory a job needs"),
    ],
)
def test_a_profile_that_cannot_be_meant_is_refused(setting, wrong, words):
    content = {"memory": "4GB", "processes": 4, setting: wrong}
    with pytest.raises(UserError) as refused:
        slurm_settings({name: value for name, value in content.items() if value is not None}, "p.toml")
    assert words in str(refused.value)


def test_a_job_has_a_core_for_each_process_and_web_servers_are_for_this_machine_unless_the_profile_says_else():
    ours = slurm_settings({"memory": "4GB", "processes": 3, "worker_extra_args": ["--local-directory", "/tmp"]}, "p")
    assert ours["cores"] == 3
    assert ours["scheduler_options"] == {"dashboard_address": "127.0.0.1:0"}
    assert ours["worker_extra_args"] == ["--dashboard-address", "127.0.0.1:0", "--local-directory", "/tmp"]
    theirs = slurm_settings({"memory": "4GB", "scheduler_options": {"dashboard_address": ":8787"}}, "p")
    assert theirs["scheduler_options"] == {"dashboard_address": ":8787"}
    prologue = slurm_settings({"memory": "4GB", "job_script_prologue": ["module load x"]}, "p")["job_script_prologue"]
    assert "export OMP_NUM_THREADS=1" in prologue
    assert prologue[-1] == "module load x"


class Jobs:
    """Stands in for a cluster of dask-jobqueue and its scheduler: jobs by name, and workers that come."""

    def __init__(self, **jobs):
        self.scheduler, self.observed, self.again = self, set(), []
        self.worker_spec = dict.fromkeys(jobs)
        self.workers = {
            name: SimpleNamespace(job_id=job, refused="", output=f"slurm-{job}.out") for name, job in jobs.items()
        }

    def add_plugin(self, plugin):
        self.plugin = plugin

    def come(self, *workers):
        for worker in workers:
            self.plugin.add_worker(SimpleNamespace(workers={"tcp://a:1": SimpleNamespace(name=worker)}), "tcp://a:1")

    def refuse(self, job):
        self.workers[job].refused, self.workers[job].job_id = "not now", None

    def sync(self, submit, cluster, again):
        assert cluster is self
        self.again.append(sorted(again))


@pytest.fixture
def watched(monkeypatch):
    """A cluster of these jobs, and a function that looks at it once while Slurm has some in its queue, or does not
    answer, and says why no worker can come any more, if so."""

    def watch_over(**jobs):
        cluster = Jobs(**jobs)
        watch = slurm._Watch(cluster, SimpleNamespace(), lambda sentence: None)

        def look(*queue, answers=True):
            monkeypatch.setattr(slurm, "_queue", lambda: dict.fromkeys(queue, "") if answers else None)
            watch.look()
            return watch.hopeless

        return cluster, look

    return watch_over


@pytest.mark.parametrize("workers", [["a"], ["a-0", "a-1"]])
def test_a_job_that_ends_after_its_workers_came_is_submitted_again(watched, workers):
    cluster, look = watched(a="1", b="2")
    assert look("1", "2") == ""
    cluster.come(*workers)  # however short they are there
    assert look("2") == ""
    assert cluster.again == [["a"]]


def test_a_job_that_ends_too_early_when_it_is_submitted_again_is_not_tried_for_ever(watched):
    cluster, look = watched(a="1")
    cluster.come("a")
    assert look() == ""
    assert cluster.again == [["a"]]
    assert look() == "No worker can come any more: a job ended before a worker came from there, see slurm-1.out."


def test_a_job_that_dask_has_forgotten_is_submitted_again(watched):
    cluster, look = watched(a="1")
    cluster.workers = {}
    assert look() == ""
    assert cluster.again == [[]]  # it is among those that the cluster should have


def test_a_sweep_ends_when_slurm_refuses_what_is_left_of_its_jobs(watched):
    cluster, look = watched(a="1", b="2")
    cluster.come("a", "b")
    cluster.refuse("a")
    assert look("2") == ""
    assert cluster.again == []
    assert look() == ""
    assert cluster.again == [["b"]]
    cluster.refuse("b")
    assert look() == "No worker can come any more: Slurm refuses 2 of 2 jobs: not now."


def test_a_slurm_that_does_not_answer_ends_nothing(watched):
    _, look = watched(a="1")
    assert look(answers=False) == ""
    assert look() != ""


@pytest.mark.parametrize("moment", ["jobs are submitted", "jobs wait"])
def test_ctrl_c_is_one_sentence_and_cancels_the_jobs(imitated, long_table, command, moment):
    if moment == "jobs are submitted":
        imitated.command("sbatch", f"touch asked; sleep 10; {ACCEPTS}")
    # Squeue is asked only after the submission.
    awaited = imitated.folder / ("asked" if moment == "jobs are submitted" else "looked")
    with command(imitated.folder, "run", "long.toml", "--slurm", "profile.toml", "-j", "40") as sweep:
        while sweep.poll() is None and not awaited.exists():
            time.sleep(0.01)
        os.killpg(sweep.pid, signal.SIGINT)
        _, err = sweep.communicate(timeout=100)
    assert sweep.returncode == 130
    assert err == (
        "Interrupted: 0 of 2 runs finished, and their records are kept in results; the same command does the rest.\n"
    )
    assert imitated.cancelled_all()
