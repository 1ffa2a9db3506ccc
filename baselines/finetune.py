"""Fine-tuning ("None"): the lower bound. Each experience is learnt in turn, with no measure against forgetting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate


@dataclass(frozen=True, kw_only=True)
class Finetune:
    """No hyperparameters. "None (lower bound)" in van de Ven & Tolias, arXiv 1904.07734, Table 4."""

    name: ClassVar[str] = "finetune"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate

        return ClassifierTemplate(setup=setup)
