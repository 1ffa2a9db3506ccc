"""Experience replay: some samples of every class are stored and repeated beside every batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Er:
    """ER in van de Ven et al. 2022 (Nature Machine Intelligence 4), Table 2, with its default budget.

    Stored samples have their true labels. In experience t the loss of the current batch counts 1/t, that of a replayed
    batch of the same size the rest. In CL1 it has equally many samples of each past experience, each on its own head.
    """

    name: ClassVar[str] = "er"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    per_class: int = 100  # samples stored of each class of every experience, also where experiences share labels

    def __post_init__(self) -> None:
        if self.per_class < 1:
            raise UserError(f"per_class of er must be at least 1, found {self.per_class}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        from baselines.training.buffer import StoringTemplate
        from hnet_bench.avalanche_adapter.classifier import ANY_NETWORK
        from hnet_bench.avalanche_adapter.replay import ReplayTemplate

        class ErTemplate(StoringTemplate, ReplayTemplate):
            learns_with = ANY_NETWORK

            def replayed(self) -> list[Tensor | None]:
                return [*self.stored_batch()]

            def replayed_loss(self, outputs: Tensor, targets: list[Tensor]) -> Tensor:
                y, task_labels = targets
                return self.stored_loss(outputs, y, task_labels)

            def replayed_tasks(self, targets: list[Tensor]) -> Tensor:
                return targets[-1]

        return ErTemplate(setup=setup, per_class=self.per_class)
