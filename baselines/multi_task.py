"""Multi-task learning: one network for all tasks, trained on the data of all of them together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from baselines.training.multi_task import MultiTaskTemplate


@dataclass(frozen=True, kw_only=True)
class MultiTask:
    """Not a continual learner. As `joint`, but where one head serves all tasks batches mix them at random, as in
    DOMAIN (hypercl, toy_example/train_multitask.py, method 0, which is not incremental).
    """

    name: ClassVar[str] = "multi_task"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK, Scenario.DOMAIN)

    incremental: bool = True  # else one training on all data at the end of the stream, for as many iterations in all

    def build(self, setup: Setup) -> MultiTaskTemplate:
        """The strategy for one run."""
        from baselines.training.multi_task import MultiTaskTemplate

        return MultiTaskTemplate(setup=setup, incremental=self.incremental)
