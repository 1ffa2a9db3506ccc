"""Which task is inferred: the first of equally certain ones, and never another one because of the batch."""

import pytest
import torch

from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.objective import OBJECTIVES
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol
from hnet_bench.strategies.hnet_ent import HnetEnt
from hnet_bench.strategies.hnet_tir import HnetTir

SMALL = {"chunk_size": 100, "hidden_units": (8, 6), "task_embedding_size": 5, "chunk_embedding_size": 4}


def trained(cls, scenario, benchmark, **protocol):
    torch.manual_seed(0)
    options = {"iterations": 30, "batch_size": 16, "hidden_units": (20,), "learning_rate": 1e-2, **protocol}
    setup = Setup(scenario=scenario, facts=benchmark.facts, protocol=TrainingProtocol(**options), seed=1)
    template = cls(**SMALL).build(setup)
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    return template


@pytest.mark.parametrize("entropy", ["stable", "naive"])
@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_of_equally_certain_classifiers_the_first_answers(entropy, batch):
    """With equal embeddings all tasks have the same classifier; the second experience's samples are of task 1."""
    benchmark = Synthetic().build(scenario=Scenario.DOMAIN, seed=1)
    template = HnetEnt(**SMALL, entropy=entropy).build(
        Setup(
            scenario=Scenario.DOMAIN,
            facts=benchmark.facts,
            protocol=TrainingProtocol(iterations=1, batch_size=4),
            seed=1,
        )
    )
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    hypernetwork, _ = template.classifier.hypernetwork_of(0)
    with torch.no_grad():
        for embedding in hypernetwork.task_embeddings:
            embedding.copy_(hypernetwork.task_embeddings[0])
    template.eval_mb_size = batch
    assert Evaluator(benchmark).evaluate(template).task_inference == [1.0, 0.0, 0.0]


def test_the_lowest_of_equally_probable_classes_is_the_answer():
    """Also among many, where a library compares several values at once."""
    predictions = OBJECTIVES["classification"].predictions
    for width in (2, 10, 100):
        for first in (0, width // 2, width - 1):
            outputs = torch.zeros(5, width)
            outputs[:, first:] = 1.0
            assert predictions(outputs).tolist() == [first] * 5


@pytest.mark.parametrize(
    ("cls", "scenario"), [(HnetEnt, Scenario.CLASS), (HnetEnt, Scenario.DOMAIN), (HnetTir, Scenario.CLASS)]
)
def test_no_answer_depends_on_the_size_of_a_batch(cls, scenario):
    """Products of a few rows are computed by other code than those of many and have other last bits; where hidden
    layers are as wide as here, so do those of a thousand."""
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    template = trained(cls, scenario, benchmark, hidden_units=(100, 100))
    evaluator = Evaluator(benchmark)
    found = []
    for template.eval_mb_size in (1000, 1, 2, 3, 61):
        evaluation = evaluator.evaluate(template)
        found.append((torch.cat(list(evaluation.predictions)).tolist(), evaluation.task_inference))
    assert all(one == found[0] for one in found)
