"""The map of task embeddings: it tells the truth at learned embeddings, and training does not notice it."""

import numpy
import pytest
import torch

from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario
from hnet_bench.reporting.figures.arrays import EMBEDDING_SHAPES, require
from hnet_bench.strategies.hnet import Hnet
from hnet_bench.strategies.hnet_embedding_space import HnetEmbeddingSpace
from hnet_bench.strategies.training.embedding_space import embedding_grid, generated_chunks

SMALL = {"chunk_size": 100, "task_embedding_size": 2, "chunk_embedding_size": 3}
PROTOCOL = {"iterations": 60}


@pytest.fixture(scope="module")
def mapped(learnt):
    template = learnt(HnetEmbeddingSpace(**SMALL, grid_points=4, grid_samples=None), Scenario.TASK, **PROTOCOL)
    return template, Synthetic().build(scenario=Scenario.TASK, seed=1)


def test_training_is_that_of_hnet_bit_for_bit(mapped, learnt):
    other = learnt(Hnet(**SMALL), Scenario.TASK, **PROTOCOL)
    for mine, its in zip(mapped[0].model.parameters(), other.model.parameters(), strict=True):
        assert torch.equal(mine, its)


def test_at_the_learned_embeddings_scores_are_those_of_the_evaluation(mapped):
    template, benchmark = mapped
    learned = torch.stack(list(template.classifier.hypernetwork.task_embeddings)).detach()
    with torch.no_grad():
        scores = template.scores(learned, Evaluator(benchmark))
    expected = Evaluator(benchmark).evaluate(template).score
    assert numpy.diag(scores).tolist() == pytest.approx(expected)
    assert min(expected) > 0.8


def test_the_map_has_the_shapes_that_the_figure_reads_and_draws_no_random_numbers(mapped):
    template, benchmark = mapped
    before = torch.get_rng_state()
    with torch.no_grad():
        arrays = template.evaluated_artefacts(Evaluator(benchmark))
    assert torch.equal(torch.get_rng_state(), before)
    kept = require(arrays, EMBEDDING_SHAPES, where="a test")
    assert kept["embedding_accuracy"].shape == (3, 4, 4)
    embeddings = list(template.classifier.hypernetwork.task_embeddings)
    for row, embedding in zip(kept["task_embeddings"], embeddings, strict=True):
        assert row.tolist() == embedding.tolist()
    # One point of the map by the plain way: the second component grows with the row.
    point = torch.from_numpy(kept["embedding_grid"][3, 1])
    assert point[1] == kept["embedding_grid"][..., 1].max()
    with torch.no_grad():
        embeddings[2].copy_(point)
        expected = Evaluator(benchmark).evaluate(template).score[2]
    assert kept["embedding_accuracy"][2, 3, 1] == pytest.approx(expected)


def test_the_grid_spans_what_was_asked_for_or_half_as_far_again_as_what_was_learned():
    learned = torch.tensor([[0.5, -2.0], [1.0, 0.0]])
    assert embedding_grid(learned, 3, None)[..., 0].tolist() == [[-3.0, 0.0, 3.0]] * 3
    grid = embedding_grid(learned, 2, 8.0)
    assert grid[0].tolist() == [[-8.0, -8.0], [8.0, -8.0]]
    assert grid[1].tolist() == [[-8.0, 8.0], [8.0, 8.0]]


def test_many_are_generated_as_each_is_alone(mapped, monkeypatch):
    monkeypatch.setattr("hnet_bench.strategies.training.embedding_space._PARAMETERS_AT_ONCE", 1500)
    hypernetwork = mapped[0].classifier.hypernetwork
    embeddings = torch.randn(5, 2)
    with torch.no_grad():
        found = list(generated_chunks(hypernetwork, embeddings))
        for embedding, chunks in zip(embeddings, found, strict=True):
            alone = hypernetwork.hidden(embedding.unsqueeze(0))[0] @ hypernetwork.output
            torch.testing.assert_close(chunks, alone)
