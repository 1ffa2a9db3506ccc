"""How HNET+R learns: real samples with their labels, replayed samples with what the classifier said of them before.

For each experience first the classifier is trained, on it and on replayed samples of all earlier ones, then the replay
model (but for the last experience). Adam starts anew with every experience, for each.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy
import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.resumable import Phase
from hnet_bench.interfaces import Scenario, Settings, Setup
from hnet_bench.nets.distillation import distillation_loss
from hnet_bench.nets.ordinary import xavier_initialise
from hnet_bench.strategies.hnet_r import HnetR
from hnet_bench.strategies.training.examples import replay_examples
from hnet_bench.strategies.training.replay_model import ReplayedBatches, ReplayModel


class ReplayClassifierTemplate(ClassifierTemplate):
    """HNET+R in every scenario."""

    fresh_optimiser = True

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HnetR,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._settings = settings
        self._replay: ReplayedBatches | None = None
        self._teacher: nn.Module | None = None
        self._new_classes: list[int] = []  # of the present experience
        self._replay_outputs: Tensor | None = None
        self._replay_targets: Tensor | None = None
        super().__init__(setup=setup, plugins=plugins, evaluator=evaluator)
        xavier_initialise(self.model)
        self.replay_model = ReplayModel(setup, settings)

    @property
    def planned_steps(self) -> int:
        """Those of the classifier and of the replay model."""
        return self.setup.protocol.iterations * (self.setup.facts.experiences + self.replay_model.tasks)

    def parameter_counts(self) -> Settings:
        """Those of the classifier; the replay model's stand beside them."""
        return {**super().parameter_counts(), **self.replay_model.parameter_counts()}

    def artefacts(self) -> dict[str, numpy.ndarray]:
        """Replayed samples of every experience but the last."""
        return replay_examples(self.replay_model, self.setup)

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also fixes what is replayed, and what the classifier said before, for the experience that begins."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        self._replay = self._teacher = None
        if self.task > 0:
            self._replay = self.replay_model.replay(self.task, self.setup.protocol.batch_size)
            old = {label for classes in self.classes_of[:-1] for label in classes}
            self._new_classes = [label for label in self.classes_of[-1] if label not in old]
            self._teacher = copy.deepcopy(self.model).eval().requires_grad_(False)

    def forward(self) -> Tensor:
        """Outputs for the real samples; those for replayed ones are kept for the loss."""
        if not self.is_training or self._replay is None or self._teacher is None:
            return super().forward()
        x, tasks = next(self._replay)
        both = torch.cat([self.mb_x.flatten(1), x])
        labels = torch.cat([self.mb_task_id, tasks])
        outputs = self._outputs(self.model, both, labels)
        with torch.no_grad():
            targets = self._outputs(self._teacher, x, tasks)
            if self.scenario is Scenario.CLASS:
                # What the teacher did not know of yet gets the logit 0, as in the authors' code: it is not excluded.
                targets[:, self._new_classes] = 0
        self._replay_targets = targets
        real = len(self.mb_x)
        self._replay_outputs = outputs[real:]
        return outputs[:real]

    def criterion(self) -> Tensor:
        loss: Tensor = super().criterion()
        if not self.is_training or self._replay_outputs is None or self._replay_targets is None:
            return loss
        replayed = distillation_loss(self._replay_outputs, self._replay_targets, self._settings.temperature)
        self._replay_outputs = self._replay_targets = None
        weight = self._settings.replay_weight
        return (1 - weight) * loss + weight * replayed

    def _outputs(self, model: nn.Module, x: Tensor, tasks: Tensor) -> Tensor:
        """Outputs that compete in the loss: of each sample's head in TASK, of the classes seen so far in CLASS."""
        outputs: Tensor = model(x, tasks) if self.scenario is Scenario.TASK else self.active(model(x))
        return outputs

    def further_phases(self) -> list[Callable[[], Phase]]:
        """The replay model learns the experience, unless it is the last."""
        return [self._replay_learning] if self.task < self.replay_model.tasks else []

    def _replay_learning(self) -> Phase:
        return self.replay_model.learning(self.task, self.more_batches(self.setup.protocol.iterations))

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        super()._train_exp(experience, eval_streams, **kwargs)
        self._replay = self._teacher = None
