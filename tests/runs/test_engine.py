"""The engine: every run ends as a record or as a failure that says why, and the number of processes changes nothing."""

import json

import pytest
import torch

from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.runs.cluster import Cluster
from hnet_bench.runs.engine import Options, run_all
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
        hyperparameters={"chunk_size": 200} if strategy.startswith("hnet") else {},
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
    assert store.failed_seeds(bad) == (1,)
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


def test_a_device_that_is_not_there_ends_the_sweep_before_it_begins(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    store = Store(tmp_path)
    with pytest.raises(UserError, match="torch finds none here"):
        sweep_of([spec_of("joint", Scenario.TASK)], store, jobs=1, device="cuda")
    assert not list(tmp_path.rglob("*.*"))


def test_nothing_to_do_starts_no_worker(tmp_path):
    outcome = sweep_of([], Store(tmp_path))
    assert (outcome.done, outcome.failed) == (0, ())
