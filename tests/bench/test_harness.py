"""What the harness adds to training: processes, checkpoints, records; and what a second process gains.

Four runs of split MNIST at a fortieth of the budget, so that the start of the workers, which a sweep pays once, shows.
"""

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.runs.checkpoint import Checkpoints
from hnet_bench.runs.cluster import Cluster
from hnet_bench.runs.engine import Options, run_all
from hnet_bench.runs.events import ignore
from hnet_bench.runs.run import run_with_artefacts
from hnet_bench.runs.spec import resolve
from hnet_bench.runs.store import Store


def spec_of(seed, iterations):
    return resolve(
        benchmark={"name": "split_mnist", "class_order": "fixed"},
        scenario=Scenario.TASK,
        protocol={"iterations": iterations},
        strategy="hnet",
        hyperparameters={},
        seed=seed,
        where="a benchmark",
    )


def sweep(specs, store, jobs):
    run_all(specs, store=store, cluster=Cluster(jobs=jobs), options=Options(device="cpu"), observer=ignore)


@pytest.mark.benchmark(group="one run of split MNIST")
@pytest.mark.parametrize("with_checkpoints", [False, True], ids=["bare", "with checkpoints and record"])
def test_a_run(benchmark, tmp_path, with_checkpoints):
    spec, store = spec_of(1, 100), Store(tmp_path)
    checkpoints = Checkpoints(store.checkpoint_path(spec), {}) if with_checkpoints else None

    def work():
        record, artefacts = run_with_artefacts(spec, checkpoints=checkpoints)
        if checkpoints:
            store.path(spec).unlink(missing_ok=True)
            store.write(spec, record, artefacts)
            checkpoints.remove()

    benchmark.pedantic(work, rounds=2, iterations=1)


@pytest.mark.benchmark(group="a sweep of four runs")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_sweep(benchmark, tmp_path, jobs):
    specs = [spec_of(seed, 50) for seed in (1, 2, 3, 4)]
    # The first sweep of this process also loads the libraries that all workers share.
    sweep([spec_of(9, 1)], Store(tmp_path / "first"), 1)

    benchmark.pedantic(sweep, args=(specs, Store(tmp_path), jobs), rounds=1, iterations=1)
    assert all(Store(tmp_path).has(spec) for spec in specs)
