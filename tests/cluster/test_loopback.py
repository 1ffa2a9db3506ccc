"""A Dask cluster made by hand: a scheduler, workers that are killed and workers that come late."""

import signal

import pytest
from distributed import Client


def test_a_worker_dies_another_comes_late_and_the_sweep_finishes(cluster, begin):
    # By what Dask's memory manager is told, any worker of ours takes too much.
    first = cluster.start_worker("--memory-limit", "300MB")
    sweep = begin("--scheduler", cluster.address)
    sweep.wait_for_checkpoint()
    cluster.kill(first)
    cluster.start_worker("--memory-limit", "300MB")
    records = sweep.records()
    assert sorted(record["spec"]["seed"] for record in records.values()) == [1, 2, 3, 4]
    resumes = [len(record["provenance"]["resumes"]) for record in records.values()]
    assert sorted(resumes) == [0, 0, 0, 1]
    assert not list(sweep.results.rglob("*.failed"))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_scheduler_that_goes_away_is_said_in_a_sentence_and_fails_no_run(cluster, begin, how):
    cluster.start_worker()
    sweep = begin("--scheduler", cluster.address)
    sweep.wait_for_checkpoint()
    cluster.scheduler.send_signal(how)
    assert sweep.ended() == 2
    told = "".join(sweep.lines)
    assert f"Error: The Dask scheduler at {cluster.address} no longer answers; the same command goes on.\n" in told
    assert "Traceback" not in told
    assert not list(sweep.results.rglob("*.failed"))


def test_nobody_at_the_address_is_said_at_once(begin):
    sweep = begin("--scheduler", "tcp://127.0.0.1:9")
    assert sweep.ended() == 2
    assert "Error: No Dask scheduler answers at 'tcp://127.0.0.1:9'" in "".join(sweep.lines)


@pytest.mark.parametrize("which", ["scheduler", "worker"])
def test_an_environment_without_hnet_bench_is_a_sentence(which, tmp_path, monkeypatch, request, begin):
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "sitecustomize.py").write_text("import sys\nsys.modules['hnet_bench'] = None\n")

    def started(what, start):
        with monkeypatch.context() as environment:
            if what == which:
                environment.setenv("PYTHONPATH", str(tmp_path / "without"))
            return start()

    cluster = started("scheduler", lambda: request.getfixturevalue("cluster"))
    started("worker", cluster.start_worker)
    with Client(cluster.address) as client:
        client.wait_for_workers(1)
    sweep = begin("--scheduler", cluster.address)
    assert sweep.ended() == 2
    assert sweep.lines[-1].startswith("Error: ")
    assert sweep.lines[-1].endswith("hnet_bench and what it needs, as it is here.\n")
    assert "Traceback" not in "".join(sweep.lines)
