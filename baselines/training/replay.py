"""What methods share that repeat old knowledge beside every batch: two losses, weighted by how many experiences."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor

from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.interfaces import Setup


class ReplayTemplate(ClassifierTemplate):
    """From the second experience on, L = (1 / t) L_current + (1 - 1 / t) L_replayed while experience t is learnt.

    So van de Ven & Tolias (arXiv 1904.07734) weight whatever is replayed. Subclasses say what that is
    (`replayed_inputs`) and what its outputs should be (`replayed_loss`); `weights` can be overridden.
    """

    def __init__(
        self,
        *,
        setup: Setup,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._replayed_outputs: Tensor | None = None
        super().__init__(setup=setup, plugins=plugins, evaluator=evaluator)

    def replayed_inputs(self) -> Tensor | None:
        """Inputs (batch, ...) to replay beside the current batch; None stands for the inputs of the batch itself."""
        raise NotImplementedError

    def replayed_loss(self, outputs: Tensor) -> Tensor:
        """Loss of the outputs (batch, setup.outputs) of all heads or classes for the replayed inputs."""
        raise NotImplementedError

    def weights(self) -> tuple[float, float]:
        """Weights of the current and of the replayed loss."""
        share = 1 / self.tasks_seen
        return share, 1 - share

    def forward(self) -> Tensor:
        """Outputs for the current samples; those for the replayed ones, from the same pass, are kept for the loss."""
        if not self.is_training or self.task == 0:
            return super().forward()
        current = len(self.mb_x)
        replayed = self.replayed_inputs()
        together = self.mb_x if replayed is None else torch.cat([self.mb_x.flatten(1), replayed.flatten(1)])
        outputs = self.all_outputs(together)
        self._replayed_outputs = outputs if replayed is None else outputs[current:]
        return self.competing(outputs[:current], self.mb_task_id)

    def criterion(self) -> Tensor:
        loss: Tensor = super().criterion()
        if not self.is_training or self._replayed_outputs is None:
            return loss
        current, replayed = self.weights()
        weighted = current * loss + replayed * self.replayed_loss(self._replayed_outputs)
        self._replayed_outputs = None
        return weighted
