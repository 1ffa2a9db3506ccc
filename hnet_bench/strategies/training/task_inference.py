"""How HNET+TIR learns: HNET's classifiers, and beside them a network that tells from an input which task it is from.

The inference network is an ordinary one. On a new experience it is trained with real samples of it and replayed samples
of the earlier ones, then the replay model learns the experience (but for the last). Both are independent of the
classifiers: their parameters, order of samples and noise come from random streams of their own, so the classifiers are
those of HNET+ENT with the same seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor
from torch.nn import functional

from hnet_bench.avalanche_adapter.template import per_task
from hnet_bench.interfaces import Settings, Setup
from hnet_bench.nets.ordinary import xavier_mlp
from hnet_bench.strategies.hnet_tir import HnetTir
from hnet_bench.strategies.training.examples import replay_examples
from hnet_bench.strategies.training.hypernetwork import HypernetworkTemplate
from hnet_bench.strategies.training.replay_model import ReplayModel


class TaskInferenceTemplate(HypernetworkTemplate):
    """HNET+TIR; `mb_inferred_task` (batch,) holds the inferred tasks of a batch that is evaluated."""

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HnetTir,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._replay_weight = settings.replay_weight
        self.mb_inferred_task: Tensor | None = None
        super().__init__(setup=setup, settings=settings, plugins=plugins, evaluator=evaluator)
        widths = (setup.facts.inputs, *setup.protocol.hidden_units, setup.facts.experiences)
        self.inference = xavier_mlp(widths).to(setup.device)
        self.replay_model = ReplayModel(setup, settings)

    @property
    def planned_steps(self) -> int:
        """Those of the classifiers, of the inference network (but on the first experience) and of the replay model."""
        experiences = self.setup.facts.experiences
        return self.setup.protocol.iterations * (experiences + (experiences - 1) + self.replay_model.tasks)

    def parameter_counts(self) -> Settings:
        """Those of the classifiers' hypernetwork; the other networks' stand beside them."""
        inference = sum(parameter.numel() for parameter in self.inference.parameters())
        return {**super().parameter_counts(), "inference": inference, **self.replay_model.parameter_counts()}

    def artefacts(self) -> dict[str, numpy.ndarray]:
        """Replayed samples of every experience but the last."""
        return replay_examples(self.replay_model, self.setup)

    def forward(self) -> Tensor:
        if self.is_training:
            return super().forward()
        # The units of tasks not seen yet are untrained; before any training the answer is the first task.
        self.mb_inferred_task = self.inference(self.mb_x)[:, : max(1, self.tasks_seen)].argmax(dim=1)
        outputs: Tensor = self.mb_x.new_zeros(len(self.mb_x), self.setup.outputs)
        for task, positions in per_task(self.mb_inferred_task):
            head = self.classifier.head(self.mb_x[positions], task)
            outputs[positions] = self.full_width(head, task)
        return outputs

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        super()._train_exp(experience, eval_streams, **kwargs)
        if self.task > 0:
            self._train_inference()
        if self.task < self.replay_model.tasks:
            inputs = (x for x, *_ in self.more_batches(self.setup.protocol.iterations))
            self.replay_model.learn(self.task, inputs, self.count_step)

    def _train_inference(self) -> None:
        """Softmax over the tasks seen so far, real samples and replayed ones weighted as the settings say."""
        protocol, seen = self.setup.protocol, self.tasks_seen
        optimiser = torch.optim.Adam(self.inference.parameters(), lr=protocol.learning_rate, fused=True)
        replay = self.replay_model.replay(self.task, protocol.batch_size)
        for (x, *_), (replayed, tasks) in zip(self.more_batches(protocol.iterations), replay, strict=False):
            optimiser.zero_grad()
            outputs = self.inference(torch.cat([x.flatten(1), replayed]))[:, :seen]
            present = torch.full((len(x),), self.task, dtype=torch.int64, device=x.device)
            real_loss = functional.cross_entropy(outputs[: len(x)], present)
            replay_loss = functional.cross_entropy(outputs[len(x) :], tasks)
            loss: Tensor = (1 - self._replay_weight) * real_loss + self._replay_weight * replay_loss
            loss.backward()
            optimiser.step()
            self.count_step()
