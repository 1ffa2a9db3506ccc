"""How many runs a cluster does at a time: what a plan and a budget count with is what a sweep would start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.runs import cluster as clusters
from hnet_bench.runs.cluster import Cluster, has_dashboard, runs_at_a_time, slurm_settings

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
    assert runs_at_a_time(cluster, MANY, device) == expected
    assert runs_at_a_time(cluster, 1, device) == 1
    assert runs_at_a_time(cluster, 0, device) == 1


@pytest.mark.parametrize(
    ("profile", "jobs", "expected"),
    [('memory = "1GB"', None, 1), ('memory = "1GB"\njobs = 5\nprocesses = 4', None, 20), ('memory = "1GB"', 7, 7)],
)
def test_slurm_has_the_jobs_of_its_profile_or_those_that_are_asked_for(
    tmp_path: Path, profile: str, jobs: int | None, expected: int
) -> None:
    (tmp_path / "profile.toml").write_text(profile)
    assert runs_at_a_time(Cluster(slurm=tmp_path / "profile.toml", jobs=jobs), MANY, "auto") == expected


@pytest.mark.parametrize("wrong", [0, -1, "4", 1.5, True])
def test_a_profile_with_no_number_of_jobs_is_refused(wrong: Any) -> None:
    for name in ("jobs", "processes"):
        with pytest.raises(UserError, match=f"'{name}' in the Slurm profile mine.toml must be a number of {name}"):
            slurm_settings({"memory": "1GB", name: wrong}, "mine.toml")


def scheduler_with(monkeypatch: pytest.MonkeyPatch, *workers: dict[str, Any]) -> None:
    client = SimpleNamespace(
        nthreads=lambda: {str(index): worker["nthreads"] for index, worker in enumerate(workers)},
        scheduler_info=lambda: {"workers": {str(index): worker for index, worker in enumerate(workers)}},
    )

    @contextmanager
    def existing(address: str) -> Iterator[SimpleNamespace]:
        assert address == "tcp://a:1"
        yield client

    monkeypatch.setattr(clusters, "_existing", existing)


def test_a_scheduler_is_asked_for_its_threads_and_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = {"nthreads": 3, "resources": {}}
    scheduler_with(monkeypatch, worker, {"nthreads": 6, "resources": {"GPU": 4.0}})
    assert runs_at_a_time(Cluster(scheduler="tcp://a:1"), MANY, "auto") == 9
    assert runs_at_a_time(Cluster(scheduler="tcp://a:1", gpu_slots=4), MANY, "cuda") == 4
    assert runs_at_a_time(Cluster(scheduler="tcp://a:1", gpu_slots=4), MANY, "cpu") == 9
    assert runs_at_a_time(Cluster(scheduler="tcp://a:1", jobs=20), MANY, "auto") == 20
    scheduler_with(monkeypatch)
    with pytest.raises(UserError, match=r"has no worker yet, so nobody knows .*: say it with -j\.$"):
        runs_at_a_time(Cluster(scheduler="tcp://a:1"), MANY, "auto")


def test_a_true_scheduler_tells_its_threads_and_slots() -> None:
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=3, processes=False, dashboard_address=None, resources={"GPU": 2}
    ) as there:
        assert runs_at_a_time(Cluster(scheduler=there.scheduler_address), MANY, "cpu") == 6
        assert runs_at_a_time(Cluster(scheduler=there.scheduler_address, gpu_slots=2), MANY, "cuda") == 4


@pytest.mark.parametrize("shown", [True, False])
def test_a_dashboard_is_there_only_where_the_scheduler_shows_one(shown: bool) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=0, processes=False, dashboard_address=":0", scheduler_kwargs={"dashboard": shown}
        ) as there,
        Client(there.scheduler_address) as client,
    ):
        assert "dashboard" in client.scheduler_info()["services"]  # in either case: it does not tell
        assert has_dashboard(client) is shown


def test_a_dashboard_that_cannot_be_reached_is_none() -> None:
    client = SimpleNamespace(scheduler_info=lambda n_workers: {"address": "tcp://127.0.0.1:1", "services": services})
    services: dict[str, int] = {}
    assert not has_dashboard(client)
    services["dashboard"] = 1  # where nobody listens
    assert not has_dashboard(client)
