"""How HNET+TIR learns: HNET's classifiers, and beside them a network that tells from an input which task it is from.

The inference network is an ordinary one. On a new experience it is trained with real samples of it and replayed samples
of the earlier ones, then the replay model learns the experience (but for the last). Both are independent of the
classifiers: their parameters, order of samples and noise come from random streams of their own, so the classifiers are
those of HNET+ENT with the same seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy
import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import FixedIterations
from hnet_bench.avalanche_adapter.resumable import Phase
from hnet_bench.avalanche_adapter.template import per_task
from hnet_bench.interfaces import Settings, Setup
from hnet_bench.nets.ordinary import xavier_mlp
from hnet_bench.strategies.hnet_tir import HnetTir
from hnet_bench.strategies.training.chunked_hypernetwork import ChunkedHypernetworkTemplate
from hnet_bench.strategies.training.examples import replay_examples
from hnet_bench.strategies.training.replay_model import ReplayedBatches, ReplayModel


class TaskInferenceTemplate(ChunkedHypernetworkTemplate):
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

    def further_phases(self) -> list[Callable[[], Phase]]:
        """From the second experience on the inference network learns, and but for the last the replay model."""
        phases: list[Callable[[], Phase]] = [self._inference_learning] if self.task > 0 else []
        return [*phases, self._replay_learning] if self.task < self.replay_model.tasks else phases

    def _inference_learning(self) -> Phase:
        protocol = self.setup.protocol
        return InferenceLearning(
            self.inference,
            self.task,
            self.more_batches(protocol.iterations),
            replay=self.replay_model.replay(self.task, protocol.batch_size),
            learning_rate=protocol.learning_rate,
            replay_weight=self._replay_weight,
        )

    def _replay_learning(self) -> Phase:
        return self.replay_model.learning(self.task, self.more_batches(self.setup.protocol.iterations))


class InferenceLearning(Phase):
    """Softmax over the tasks seen so far, real samples and replayed ones weighted as the settings say."""

    def __init__(
        self,
        inference: nn.Module,
        task: int,
        batches: FixedIterations,
        *,
        replay: ReplayedBatches,
        learning_rate: float,
        replay_weight: float,
    ) -> None:
        super().__init__(batches)
        self._inference, self._task, self._replay, self._replay_weight = inference, task, replay, replay_weight
        self._optimiser = torch.optim.Adam(inference.parameters(), lr=learning_rate, fused=True)

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
