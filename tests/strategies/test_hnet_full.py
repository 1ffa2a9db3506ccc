"""The full hypernetwork on regression: it remembers, without its regulariser it forgets, from scratch nothing moves."""

import pytest
import torch

from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.interfaces import Scenario
from hnet_bench.strategies.hnet_full import HnetFull

CURVES = Regression1d()
PROTOCOL = {"batch_size": 32, "hidden_units": (10, 10), "activation": "sigmoid", "initialisation": "xavier"}


@pytest.fixture(scope="module")
def run(built):
    """The template, and after each experience the scores and the task embeddings."""

    def make(iterations=400, **settings):
        benchmark = CURVES.build(scenario=Scenario.TASK, seed=1)
        strategy = HnetFull(activation="relu", **settings)
        template = built(strategy, Scenario.TASK, stream=CURVES, iterations=iterations, **PROTOCOL)
        evaluator, score, embeddings = Evaluator(benchmark), [], []
        for experience in benchmark.avalanche.train_stream:
            template.train(experience, eval_streams=[])
            score.append(evaluator.evaluate(template).score)
            embeddings.append([e.detach().clone() for e in template.classifier.hypernetwork.task_embeddings])
        return template, score, embeddings

    return make


@pytest.fixture(scope="module")
def regularised(run):
    return run(regularisation_strength=0.05)


def test_it_learns_and_remembers_and_embeddings_of_other_tasks_stay(regularised):
    template, score, embeddings = regularised
    assert max(score[index][index] for index in range(3)) < 0.05
    assert max(score[2]) < 0.05
    for trained in (1, 2):
        for task in range(3):
            same = torch.equal(embeddings[trained][task], embeddings[trained - 1][task])
            assert same == (task != trained)
    assert template.parameter_counts() == {"trained": 1697, "target": 141}  # with all embeddings


def test_without_regularisation_it_forgets_by_orders_of_magnitude(regularised, run):
    _, score, _ = run(regularisation_strength=0.0)
    assert score[0] == regularised[1][0]  # the first task has nothing to regularise
    assert min(score[2][:2]) > 20 * max(regularised[1][2][:2])


def test_without_hidden_layers_it_is_regularised_too(run):
    first_task = [
        run(iterations=100, hidden_units=(), regularisation_strength=strength)[1][2][0] for strength in (0.05, 0.0)
    ]
    assert first_task[0] < 0.5 * first_task[1]


def test_from_scratch_later_training_touches_nothing_of_earlier_tasks(run):
    template, score, _ = run(iterations=100, regularisation_strength=0.0, from_scratch=True)
    assert score[0][0] == score[1][0] == score[2][0]
    assert score[1][1] == score[2][1]
    assert template.parameter_counts() == {"trained": 3 * (1691 + 2), "target": 141}
