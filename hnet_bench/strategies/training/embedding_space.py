"""Accuracy of each task over a grid of task embeddings, for `reporting.figures.embedding_space`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy
import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor

from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.template import head_columns
from hnet_bench.interfaces import Setup
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.products import product
from hnet_bench.nets.target import mlp_from_chunks
from hnet_bench.strategies.hnet_embedding_space import HnetEmbeddingSpace
from hnet_bench.strategies.training.chunked_hypernetwork import ChunkedHypernetworkTemplate

# Generated parameters that are held at once.
_PARAMETERS_AT_ONCE = 20_000_000


class EmbeddingSpaceTemplate(ChunkedHypernetworkTemplate):
    """HNET in TASK, with a map of the embeddings in the end."""

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HnetEmbeddingSpace,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._map = settings
        super().__init__(setup=setup, settings=settings, plugins=plugins, evaluator=evaluator)

    def evaluated_artefacts(self, evaluator: Evaluator) -> dict[str, numpy.ndarray]:
        """ "embedding_grid" (n, n, 2), "embedding_accuracy" (T, n, n) and "task_embeddings" (T, 2)."""
        learned = torch.stack(list(self.classifier.hypernetwork.task_embeddings)).detach()
        grid = embedding_grid(learned, self._map.grid_points, self._map.grid_limit)
        scores = self.scores(grid.flatten(0, 1), evaluator)
        return {
            "embedding_grid": grid.cpu().numpy(),
            "embedding_accuracy": scores.T.reshape(len(learned), *grid.shape[:2]),
            "task_embeddings": learned.cpu().numpy(),
        }

    def scores(self, embeddings: Tensor, evaluator: Evaluator) -> numpy.ndarray:
        """Score of each task (embeddings, T) with each embedding (embeddings, 2)."""
        tasks = range(self.setup.facts.experiences)
        inputs = [evaluator.inputs(task, self._map.grid_samples).flatten(1).to(self.device) for task in tasks]
        # All samples go through the network of an embedding together; only the head that is read depends on the task.
        together, sizes = torch.cat(inputs), [len(one) for one in inputs]
        columns = [head_columns(self.setup, task) for task in tasks]
        rows = []
        for chunks in generated_chunks(self.classifier.hypernetwork, embeddings):
            parts = mlp_from_chunks(together, chunks, self.classifier.target).split(sizes)
            rows.append([evaluator.score(task, parts[task][:, columns[task]]) for task in tasks])
        return numpy.array(rows, dtype=numpy.float32)


def embedding_grid(learned: Tensor, points: int, limit: float | None) -> Tensor:
    """Regular grid (points, points, 2) with grid[i, j] = (x[j], y[i]) that spans `limit` to both sides of 0 each way.

    None: half as far again as the farthest component of the learned embeddings (T, 2).
    """
    extent = 1.5 * float(learned.abs().max()) if limit is None else limit
    ticks = torch.linspace(-extent, extent, points, device=learned.device)
    return torch.stack(torch.meshgrid(ticks, ticks, indexing="xy"), dim=2)


def generated_chunks(hypernetwork: ChunkedHypernetwork, embeddings: Tensor) -> Iterator[Tensor]:
    """Chunks (chunks, chunk_size) for each of these embeddings (n, n_e), generated for many at once."""
    shape = hypernetwork.shape
    at_once = max(1, _PARAMETERS_AT_ONCE // (shape.chunks * shape.chunk_size))
    for group in embeddings.split(at_once):
        hidden = hypernetwork.hidden(group)
        generated = product(hidden.flatten(0, 1), hypernetwork.output)
        yield from generated.view(len(group), shape.chunks, shape.chunk_size)
