"""What ER and A-GEM share: a random choice of every experience is stored, and batches are drawn from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor
from torch.nn import functional

from baselines.training.buffer import Buffer, samples_of
from hnet_bench.avalanche_adapter.batches import Batch, ConcatenatedBatches, InfiniteBatches
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.interfaces import Scenario, Settings, Setup


class StoringTemplate(ClassifierTemplate):
    """Stores `per_class` samples of each class after every experience."""

    def __init__(
        self,
        *,
        setup: Setup,
        per_class: int,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self.buffer = Buffer()
        self._per_class = per_class
        self._choice = setup.generator("buffer")
        self._replay_order = setup.generator("replay")
        self._stored_batches: InfiniteBatches | ConcatenatedBatches | None = None
        super().__init__(setup=setup, plugins=plugins, evaluator=evaluator)

    def parameter_counts(self) -> Settings:
        """Those of the classifier, and the numbers stored beside them."""
        return {**super().parameter_counts(), "stored_values": self.buffer.stored_values}

    def stored_batch(self) -> Batch | None:
        """Inputs, labels and task labels of stored samples; None while there are none.

        In TASK equally many of each past experience, ceil(batch size / past experiences), so that the mean loss is
        also the mean over their heads. Elsewhere one batch of the protocol's size from all that is stored, which may
        be less. Without replacement until all were drawn.
        """
        return None if self._stored_batches is None else next(self._stored_batches)

    def stored_loss(self, outputs: Tensor, y: Tensor, task_labels: Tensor) -> Tensor:
        """Cross-entropy of outputs (batch, setup.outputs) of all heads or classes for a stored batch."""
        return functional.cross_entropy(self.competing(outputs, task_labels), y)

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also begins to draw from what is stored by now."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        self._stored_batches = self._new_batches() if self.buffer.groups else None

    def _new_batches(self) -> InfiniteBatches | ConcatenatedBatches:
        size = self.setup.protocol.batch_size
        if self.scenario is not Scenario.TASK:
            stored = self.buffer.samples()
            return self._batches(0, min(size, len(stored)))
        groups = self.buffer.groups
        return ConcatenatedBatches([self._batches(group, math.ceil(size / len(groups)), group) for group in groups])

    def _batches(self, task_label: int, size: int, group: int | None = None) -> InfiniteBatches:
        return InfiniteBatches(
            self.buffer.samples(group),
            task_label=task_label,
            batch_size=size,
            generator=self._replay_order,
            device=self.device,
        )

    def _train_exp(self, experience: Any, eval_streams: Any = None, **kwargs: Any) -> None:
        super()._train_exp(experience, eval_streams, **kwargs)
        self._stored_batches = None
        group = self._task_label() if self.scenario is Scenario.TASK else self.task
        self.buffer.put_random(group, samples_of(self.experience), self._per_class, self._choice)
