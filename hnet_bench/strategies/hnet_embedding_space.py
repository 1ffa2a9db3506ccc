"""HNET that in the end maps what each task's accuracy would be elsewhere in the space of task embeddings.

von Oswald et al. 2020, Figure 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError
from hnet_bench.strategies.settings import HypernetworkSettings

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor

    from hnet_bench.avalanche_adapter.evaluation import Evaluator


@dataclass(frozen=True, kw_only=True)
class HnetEmbeddingSpace(HypernetworkSettings):
    """Trained as HNET, bit for bit; the map is made after the last experience. For embeddings of two components."""

    name: ClassVar[str] = "hnet_embedding_space"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK,)

    task_embedding_size: int = 2
    grid_points: int = 50  # each way
    # The grid spans [-grid_limit, grid_limit] each way; None: half as far again as the farthest component of a learned
    # embedding, so that all lie well within.
    grid_limit: float | None = None
    grid_samples: int | None = 200  # test samples of each experience, evenly spread over them; None: all

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task_embedding_size != 2:
            raise UserError(f"A map of the embeddings needs task_embedding_size 2, found {self.task_embedding_size}.")
        if self.grid_points < 2:
            raise UserError(f"grid_points must be at least 2, found {self.grid_points}.")
        if self.grid_limit is not None and not self.grid_limit > 0:
            raise UserError(f"grid_limit must be positive, found {self.grid_limit}.")
        if self.grid_samples is not None and self.grid_samples < 1:
            raise UserError(f"grid_samples must be at least 1, found {self.grid_samples}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        import numpy
        import torch

        from hnet_bench.avalanche_adapter.template import head_columns
        from hnet_bench.strategies.training.embedding_space import embedding_grid, generated_chunks
        from hnet_bench.strategies.training.hypernetwork import ChunkedHypernetworkTemplate

        points, limit, most_samples = self.grid_points, self.grid_limit, self.grid_samples

        class EmbeddingSpaceTemplate(ChunkedHypernetworkTemplate):
            def evaluated_artefacts(self, evaluator: Evaluator) -> dict[str, numpy.ndarray]:
                """ "embedding_grid" (n, n, 2), "embedding_accuracy" (T, n, n) and "task_embeddings" (T, 2)."""
                learned = torch.stack(list(self.classifier.hypernetwork.task_embeddings)).detach()
                grid = embedding_grid(learned, points, limit)
                scores = self.scores(grid.flatten(0, 1), evaluator)
                return {
                    "embedding_grid": grid.cpu().numpy(),
                    "embedding_accuracy": scores.T.reshape(len(learned), *grid.shape[:2]),
                    "task_embeddings": learned.cpu().numpy(),
                }

            def scores(self, embeddings: Tensor, evaluator: Evaluator) -> numpy.ndarray:
                """Score of each task (embeddings, T) with each embedding (embeddings, 2)."""
                tasks = range(self.setup.facts.experiences)
                inputs = [evaluator.inputs(task, most_samples).flatten(1).to(self.device) for task in tasks]
                # All samples go through the network of an embedding together; only the head that is read depends on the
                # task.
                together, sizes = torch.cat(inputs), [len(one) for one in inputs]
                columns = [head_columns(self.setup, task) for task in tasks]
                rows = []
                for chunks in generated_chunks(self.classifier.hypernetwork, embeddings):
                    parts = self.classifier.target(together, chunks, 0).split(sizes)
                    rows.append([evaluator.score(task, parts[task][:, columns[task]]) for task in tasks])
                return numpy.array(rows, dtype=numpy.float32)

        return EmbeddingSpaceTemplate(setup=setup, settings=self)
