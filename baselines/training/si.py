"""Synaptic intelligence: a parameter is important if moving it has lowered the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor

from baselines.training.anchored import AnchoredTemplate, gradients_of
from hnet_bench.interfaces import Setup


class SiTemplate(AnchoredTemplate):
    """One penalty about the latest weights; `damping` as in `baselines.si`."""

    def __init__(
        self,
        *,
        setup: Setup,
        strength: float,
        damping: float,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._damping = damping
        # Of the present experience, by parameter: the weights it began with, and by how much moving each parameter has
        # lowered the loss since. Empty between experiences.
        self._start: list[Tensor] = []
        self._gain: list[Tensor] = []
        super().__init__(setup=setup, scale=strength, plugins=plugins, evaluator=evaluator)

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also begins to follow the path of the parameters."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        self._start = [parameter.detach().clone() for parameter in self.trained_parameters()]
        self._gain = [torch.zeros_like(tensor) for tensor in self._start]

    def optimizer_step(self) -> None:
        parameters: list[Tensor] = [*self.trained_parameters()]
        before = [parameter.detach().clone() for parameter in parameters]
        super().optimizer_step()
        with torch.no_grad():
            torch._foreach_sub_(before, parameters)
            torch._foreach_addcmul_(self._gain, gradients_of(parameters), before)

    @torch.no_grad()
    def consolidate(self) -> None:
        """Moves the penalty to the present weights; importances of all experiences add up."""
        parameters = self.trained_parameters()
        importance = [
            gain / ((parameter - start).square() + self._damping)
            for gain, parameter, start in zip(self._gain, parameters, self._start, strict=True)
        ]
        self.penalty.move(importance, parameters)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self._start, self._gain = [], []
