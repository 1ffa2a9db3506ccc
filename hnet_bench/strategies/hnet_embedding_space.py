"""HNET that in the end maps what each task's accuracy would be elsewhere in the space of task embeddings.

von Oswald et al. 2020, Figure 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError
from hnet_bench.strategies.settings import HypernetworkSettings

if TYPE_CHECKING:
    from hnet_bench.strategies.training.embedding_space import EmbeddingSpaceTemplate


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

    def build(self, setup: Setup) -> EmbeddingSpaceTemplate:
        """The strategy for one run."""
        from hnet_bench.strategies.training.embedding_space import EmbeddingSpaceTemplate

        return EmbeddingSpaceTemplate(setup=setup, settings=self)
