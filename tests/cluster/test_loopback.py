"""A Dask cluster made by hand: a scheduler, workers that are killed and workers that come late."""

import signal

import pytest


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
