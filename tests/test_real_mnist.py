"""Short runs on the real MNIST: each method does what it is known for. Full budgets stand in `results/`."""

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.metrics import average_accuracy, during_accuracy
from hnet_bench.runs.run import run


@pytest.fixture
def short_run(mnist_folder, spec_of):
    def make(strategy, scenario, **settings):
        stream = {"name": "split_mnist", **settings}
        spec = spec_of(benchmark=stream, scenario=scenario, protocol={"iterations": 150}, strategy=strategy)
        return run(spec, folder=mnist_folder)

    return make


def test_fine_tuning_knows_only_the_last_digits_in_class(short_run):
    record = short_run("finetune", Scenario.CLASS, class_order="per_seed")
    assert average_accuracy(record.score) == pytest.approx(0.199, abs=0.003)
    assert record.score[-1][:4] == [0.0] * 4
    assert during_accuracy(record.score) > 0.98


def test_joint_training_knows_all_digits(short_run):
    assert average_accuracy(short_run("joint", Scenario.CLASS).score) > 0.95


def test_a_hypernetwork_learns_tasks_without_forgetting(short_run):
    record = short_run("hnet", Scenario.TASK)
    assert average_accuracy(record.score) > 0.98
    assert average_accuracy(record.score) == pytest.approx(during_accuracy(record.score), abs=0.005)
    assert record.parameters["compression_ratio"] == pytest.approx(0.9734, abs=1e-4)


def test_entropy_infers_tasks_better_than_chance(short_run):
    record = short_run("hnet_ent", Scenario.CLASS)
    assert average_accuracy(record.task_inference) > 0.4
    assert list(record.data) == ["mnist"]


def test_replay_in_class_beats_fine_tuning_by_far(short_run):
    assert average_accuracy(short_run("hnet_r", Scenario.CLASS).score) > 0.5
