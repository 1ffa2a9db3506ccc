"""The full hypernetwork on regression: it remembers, without its regulariser it forgets, from scratch nothing moves."""

import math

import pytest
import torch

from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError
from hnet_bench.strategies.hnet_full import HnetFull


def learnt(iterations=400, **settings):
    torch.manual_seed(0)
    benchmark = Regression1d().build(scenario=Scenario.TASK, seed=1)
    protocol = TrainingProtocol(
        iterations=iterations,
        batch_size=32,
        learning_rate=1e-2,
        hidden_units=(10, 10),
        activation="sigmoid",
        initialisation="xavier",
    )
    setup = Setup(scenario=Scenario.TASK, facts=benchmark.facts, protocol=protocol, seed=1)
    template, evaluator = HnetFull(activation="relu", **settings).build(setup), Evaluator(benchmark)
    score, embeddings = [], []
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
        score.append(evaluator.evaluate(template).score)
        embeddings.append([e.detach().clone() for e in template.classifier.hypernetworks[0].task_embeddings])
    return template, score, embeddings


@pytest.fixture(scope="module")
def regularised():
    return learnt(regularisation_strength=0.05)


@pytest.fixture(scope="module")
def fine_tuned():
    return learnt(regularisation_strength=0.0)


def test_it_learns_and_remembers(regularised):
    _, score, _ = regularised
    assert max(score[index][index] for index in range(3)) < 0.05
    assert max(score[2]) < 0.05


def test_without_regularisation_it_forgets_by_orders_of_magnitude(regularised, fine_tuned):
    _, score, _ = fine_tuned
    assert score[0] == regularised[1][0]  # the first task has nothing to regularise
    assert min(score[2][:2]) > 20 * max(regularised[1][2][:2])


def test_embeddings_of_other_tasks_stay(regularised):
    _, _, embeddings = regularised
    for trained in (1, 2):
        for task in range(3):
            same = torch.equal(embeddings[trained][task], embeddings[trained - 1][task])
            assert same == (task != trained)


def test_from_scratch_later_training_touches_nothing_of_earlier_tasks():
    template, score, _ = learnt(iterations=100, regularisation_strength=0.0, from_scratch=True)
    assert score[0][0] == score[1][0] == score[2][0]
    assert score[1][1] == score[2][1]
    assert template.parameter_counts() == {"trained": 3 * (1691 + 2), "target": 141}


def test_one_hypernetwork_counts_with_all_embeddings(regularised):
    assert regularised[0].parameter_counts() == {"trained": 1697, "target": 141}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"from_scratch": True}, "set regularisation_strength to 0"),
        ({"regularisation_strength": math.nan}, "must not be negative, found nan"),
        ({"task_embedding_size": 0}, "task_embedding_size must be at least 1"),
        ({"hidden_units": (3, 0)}, "Every item of hidden_units"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, words):
    with pytest.raises(UserError, match=words):
        HnetFull(**change)
