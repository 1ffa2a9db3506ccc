"""Strategies that replay something beside every batch: two losses from one pass through the classifier."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate, MultiHead


class ReplayTemplate(ClassifierTemplate):
    """From the second experience on, L = w_1 L_current + w_2 L_replayed; in the first it is fine-tuning.

    The weights are 1 / t and 1 - 1 / t while experience t is learnt, unless `weights` says otherwise: so van de Ven &
    Tolias (arXiv 1904.07734) weight whatever is replayed. Subclasses say what that is (`replayed`) and what its outputs
    should be (`replayed_loss`).
    """

    mb_output: Tensor

    def replayed(self) -> list[Tensor | None]:
        """What is replayed in a step: inputs (n, ...), or None for those of the batch itself, and the tensors that
        `replayed_loss` needs for them."""
        raise NotImplementedError

    def replayed_loss(self, outputs: Tensor, targets: list[Tensor]) -> Tensor:
        """Loss of the outputs (n, setup.outputs) of all heads or classes for the replayed inputs; `targets` are the
        tensors that `replayed` gave with them."""
        raise NotImplementedError

    def weights(self) -> tuple[float, float]:
        """Weights of the current and of the replayed loss."""
        share = 1 / self.tasks_seen
        return share, 1 - share

    @property
    def replays(self) -> bool:
        """Whether the present step replays anything."""
        return self.is_training and self.task > 0

    def _unpack_minibatch(self) -> None:
        """What is replayed stands in the mini-batch, between targets and task labels."""
        super()._unpack_minibatch()
        if self.replays:
            self.mbatch[2:-1] = self.replayed()

    def replayed_tasks(self, targets: list[Tensor]) -> Tensor:
        """Task labels (n,) of replayed inputs, asked for where the network has batch statistics of each."""
        raise NotImplementedError

    def forward(self) -> Tensor:
        """Outputs for the current samples; where something is replayed, of all heads or classes and for both."""
        if not self.replays:
            return super().forward()
        _, _, replayed, *targets, _ = self.mbatch
        if replayed is None:
            return self.all_outputs(self.mb_x)
        x = torch.cat([self.mb_x, replayed.view(-1, *self.mb_x.shape[1:])])
        if not (isinstance(self.model, MultiHead) and self.model.tasks_apart):
            return self.all_outputs(x)
        return self.all_outputs(x, task_labels=torch.cat([self.mb_task_id, self.replayed_tasks(targets)]))

    def criterion(self) -> Tensor:
        if not self.replays:
            loss: Tensor = super().criterion()
            return loss
        _, _, replayed, *targets, _ = self.mbatch
        outputs, current = self.mb_output, len(self.mb_x)
        # From now on, for metrics and plugins too, the outputs are those of the current samples.
        self.mb_output = self.competing(outputs[:current], self.mb_task_id)
        weight, replay_weight = self.weights()
        loss = weight * super().criterion()
        return loss + replay_weight * self.replayed_loss(outputs if replayed is None else outputs[current:], targets)


def frozen_copy(model: nn.Module) -> nn.Module:
    """A copy of a network as it is now, to ask for outputs alone."""
    return copy.deepcopy(model).eval().requires_grad_(False)
