"""The network of HNET+TIR that tells from an input which task it is from, and how it learns.

It is an ordinary one. Its parameters, order of samples and noise come from random streams of their own, so that the
classifiers are those of HNET+ENT with the same seed.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import FixedIterations
from hnet_bench.avalanche_adapter.resumable import Phase
from hnet_bench.interfaces import Setup
from hnet_bench.nets.ordinary import xavier_mlp
from hnet_bench.strategies.training.replay_model import ReplayedBatches


def inference_network(setup: Setup) -> nn.Module:
    """Inputs to one output for every task, with the protocol's hidden units."""
    widths = (setup.facts.inputs, *setup.protocol.hidden_units, setup.facts.experiences)
    return xavier_mlp(widths).to(setup.device)


class InferenceLearning(Phase):
    """Softmax over the tasks seen so far; real samples are of the present task, replayed ones, which count
    `replay_weight` in the loss, of the tasks before it."""

    training = "inference"

    def __init__(
        self,
        setup: Setup,
        inference: nn.Module,
        task: int,
        batches: FixedIterations,
        *,
        replay: ReplayedBatches,
        replay_weight: float,
    ) -> None:
        super().__init__(batches)
        self._inference, self._task, self._replay, self._replay_weight = inference, task, replay, replay_weight
        self._optimiser = setup.optimiser(inference.parameters())

    def step(self, batch: list[Tensor]) -> None:
        x = batch[0]
        replayed, tasks = next(self._replay)
        self._optimiser.zero_grad()
        outputs = self._inference(torch.cat([x.flatten(1), replayed]))[:, : self._task + 1]
        present = torch.full((len(x),), self._task, dtype=torch.int64, device=x.device)
        real_loss = functional.cross_entropy(outputs[: len(x)], present)
        replay_loss = functional.cross_entropy(outputs[len(x) :], tasks)
        loss: Tensor = (1 - self._replay_weight) * real_loss + self._replay_weight * replay_loss
        loss.backward()
        self._optimiser.step()
        self.loss = loss.detach()

    def skipped(self, steps: int) -> None:
        self._replay.skip(steps)
