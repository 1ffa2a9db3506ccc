"""Where runs are done: how many at a time, which is what a plan and a budget count with; what workers are told; who can
reach them."""

from __future__ import annotations

import logging
import math
import time
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dask
import psutil
import pytest
from distributed import Client, LocalCluster

from hnet_bench.interfaces import UserError
from hnet_bench.runs import cluster as clusters
from hnet_bench.runs import workers
from hnet_bench.runs.cluster import Cluster, check_gpu_slots, connected, dashboard, runs_at_a_time
from hnet_bench.runs.workers import SETTINGS, environment

MANY = 1000  # more runs than anything here takes at a time


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two GPUs and six cores."""
    monkeypatch.setattr(clusters, "gpu_count", lambda: 2)
    monkeypatch.setattr(clusters, "physical_cores", lambda: 6)


@pytest.mark.parametrize(
    ("cluster", "device", "expected"),
    [
        (Cluster(), "cpu", 6),
        (Cluster(), "auto", 2),
        (Cluster(gpu_slots=4), "cuda", 8),
        (Cluster(gpu_slots=4), "cpu", 6),
        (Cluster(jobs=3, gpu_slots=4), "cuda", 3),
    ],
)
def test_this_machine_has_slots_of_gpus_or_cores(machine: None, cluster: Cluster, device: str, expected: int) -> None:
    assert [runs_at_a_time(cluster, runs, device) for runs in (MANY, 1, 0)] == [expected, 1, 1]


@pytest.mark.parametrize(
    ("profile", "jobs", "expected"),
    [('memory = "1GB"', None, 1), ('memory = "1GB"\njobs = 5\nprocesses = 4', None, 20), ('memory = "1GB"', 7, 7)],
)
def test_slurm_has_the_jobs_of_its_profile_or_those_that_are_asked_for(
    tmp_path: Path, profile: str, jobs: int | None, expected: int
) -> None:
    (tmp_path / "profile.toml").write_text(profile)
    cluster = Cluster(slurm=tmp_path / "profile.toml", jobs=jobs)
    assert [runs_at_a_time(cluster, runs, "auto") for runs in (MANY, 3, 0)] == [expected, min(3, expected), 1]


@pytest.mark.parametrize(
    ("workers_there", "cluster", "device", "expected"),
    [
        (2, {}, "auto", 9),
        (2, {"gpu_slots": 4}, "cuda", 4),
        (2, {"gpu_slots": 4}, "cpu", 9),
        (2, {"jobs": 20}, "auto", 20),
        (0, {}, "auto", None),
    ],
)
def test_a_scheduler_is_asked_for_its_threads_and_slots(
    monkeypatch: pytest.MonkeyPatch, workers_there: int, cluster: dict[str, Any], device: str, expected: int | None
) -> None:
    there = [{"nthreads": 3, "resources": {}}, {"nthreads": 6, "resources": {"GPU": 4.0}}][:workers_there]
    client = SimpleNamespace(
        nthreads=lambda: {str(index): worker["nthreads"] for index, worker in enumerate(there)},
        scheduler_info=lambda n_workers: {"workers": dict(enumerate(there))},
    )
    monkeypatch.setattr(clusters, "scheduler_at", {"tcp://a:1": nullcontext(client)}.__getitem__)
    found: AbstractContextManager[Any] = nullcontext()
    if expected is None:
        found = pytest.raises(UserError, match=r"has no worker yet, so nobody knows .*: say it with -j\.$")
    with found:
        assert runs_at_a_time(Cluster(scheduler="tcp://a:1", **cluster), MANY, device) == expected


def test_a_true_scheduler_tells_its_threads_and_slots() -> None:
    with LocalCluster(
        n_workers=2, threads_per_worker=3, processes=False, dashboard_address=None, resources={"GPU": 2}
    ) as there:
        assert runs_at_a_time(Cluster(scheduler=there.scheduler_address), MANY, "cpu") == 6
        assert runs_at_a_time(Cluster(scheduler=there.scheduler_address, gpu_slots=2), MANY, "cuda") == 4


def test_gpu_slots_that_no_worker_declares_are_refused_since_nothing_would_ever_begin() -> None:
    there = {"a": {"nthreads": 1, "resources": {}}}
    client = SimpleNamespace(scheduler_info=lambda n_workers: {"workers": there})
    with pytest.raises(UserError, match=r"--gpu-slots needs workers that declare their GPU, as .* does: .* none does"):
        check_gpu_slots(client)
    there["b"] = {"nthreads": 1, "resources": {"GPU": 4.0}}
    check_gpu_slots(client)
    with pytest.raises(UserError, match="--gpu-slots is not for Slurm: there 'processes' in the profile says"):
        Cluster(slurm=Path("profile.toml"), gpu_slots=4)


@pytest.mark.parametrize("there", [True, False])
def test_a_dashboard_of_ours_is_for_this_machine_and_takes_bokeh(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "find_spec", lambda name: name if there else None)
    with connected(Cluster(), 1) as ours, Client(ours.scheduler.address) as other:
        assert (dashboard(ours) or "").startswith("http://127.0.0.1:") == there
        assert dashboard(other) == other.dashboard_link


def listening(process: psutil.Process) -> set[str]:
    """Addresses at which a process and those below it wait for connections."""
    return {
        connection.laddr.ip
        for one in [process, *process.children(recursive=True)]
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def test_a_sweep_on_this_machine_listens_to_this_machine_alone() -> None:
    before = listening(psutil.Process())
    with connected(Cluster(), 1):
        assert listening(psutil.Process()) - before <= {"127.0.0.1"}
        assert "127.0.0.1" in listening(psutil.Process())


def test_workers_that_end_while_they_start_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(**settings: Any) -> None:
        raise RuntimeError("no more threads")

    monkeypatch.setattr(workers, "LocalCluster", fails)
    with (
        pytest.raises(UserError, match=r"^The workers do not start on this machine: no more threads\.$"),
        connected(Cluster(), 2),
    ):
        pass


def test_workers_that_others_started_do_what_runs_need_whatever_they_were_set_to() -> None:
    """They pause at a memory limit that any process is above, and would be ended a little above that."""
    limits = {"distributed.worker.memory.pause": 1e-6, "distributed.worker.memory.terminate": False}
    with (
        dask.config.set(limits),
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None, silence_logs=50) as there,
        Client(there) as other,
    ):
        while [one["status"] for one in other.scheduler_info()["workers"].values()] != ["paused"]:
            time.sleep(0.05)
        with connected(Cluster(scheduler=there.scheduler_address), 1) as client:
            assert client.submit(abs, -1).result(timeout=60) == 1
            there.scale(2)  # and one that comes later
            client.wait_for_workers(2, timeout=60)
            pauses = client.run(lambda dask_worker: dask_worker.memory_manager.memory_pause_fraction)
            assert list(pauses.values()) == [math.inf] * 2
            ends = client.run(lambda dask_worker: dask_worker.memory_manager.memory_terminate_fraction, nanny=True)
            assert list(ends.values()) == [math.inf] * 2


def test_all_settings_are_variables_that_dask_reads_back() -> None:
    read = dask.config.collect_env(environment())
    assert {name: dask.config.get(name, config=read) for name in SETTINGS} == SETTINGS
    assert dask.config.get("distributed.worker.memory.terminate", config=read) is False  # rather than a text
    assert environment()["DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE"] == "False"


def test_no_worker_at_a_scheduler_is_said() -> None:
    told: list[str] = []
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=None) as there,
        connected(Cluster(scheduler=there.scheduler_address), 1, told.append),
    ):
        assert told == [f"No worker yet: `dask worker {there.scheduler_address} --nthreads 1` starts one."]


def test_dask_is_quiet_while_sweeps_last_and_handlers_of_others_are_left_as_they_were() -> None:
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.name)  # type: ignore[method-assign]
    theirs, users = logging.getLogger("distributed"), logging.getLogger("a_users_own")
    for logger in (theirs, users):
        logger.addHandler(handler)
    try:
        first, second = clusters._quiet(), clusters._quiet()
        with ExitStack() as both:  # the one that begins first ends first, as sweeps of two threads may
            first.__enter__()
            both.enter_context(second)
            first.__exit__(None, None, None)
            for logger in (theirs, users):
                logger.error("a connection is closed")
        assert heard == ["a_users_own"]
        assert (handler.filters, handler.level) == ([], logging.NOTSET)
        theirs.error("a connection is closed")
        assert heard[-1] == "distributed"
    finally:
        for logger in (theirs, users):
            logger.removeHandler(handler)
