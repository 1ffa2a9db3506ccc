"""How LwF learns: from every batch twice, from its labels and from what the classifier said of it before."""

from __future__ import annotations

from collections.abc import Sequence

from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor

from baselines.lwf import Lwf
from baselines.training.taught import TaughtTemplate
from hnet_bench.interfaces import Scenario, Setup


class LwfTemplate(TaughtTemplate):
    """Replays the current inputs themselves, so one forward pass serves both losses."""

    def __init__(
        self,
        *,
        setup: Setup,
        settings: Lwf,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._weighting = settings.weighting
        super().__init__(setup=setup, distillation=settings, plugins=plugins, evaluator=evaluator)

    def replayed(self) -> tuple[None, Tensor]:
        return None, self.said_before(self.mb_x)

    def weights(self) -> tuple[float, float]:
        """As `baselines.lwf` says of `weighting`."""
        if self._weighting == "shares":
            return super().weights()
        return 1, 1 if self.scenario is Scenario.CLASS else self.task
