"""Experience replay: stored samples with their true labels beside every batch."""

from __future__ import annotations

from torch import Tensor

from baselines.training.replay import ReplayTemplate
from baselines.training.stored_replay import StoringTemplate


class ErTemplate(StoringTemplate, ReplayTemplate):
    """ER in every scenario: what is stored, and how the two losses are weighted, are those of its bases."""

    _replayed_labels: tuple[Tensor, Tensor] | None = None  # classes and tasks of the samples replayed in this step

    def replayed_inputs(self) -> Tensor | None:
        batch = self.stored_batch()
        if batch is None:
            return None
        x, *labels = batch
        self._replayed_labels = labels[0], labels[1]
        return x

    def replayed_loss(self, outputs: Tensor) -> Tensor:
        assert self._replayed_labels is not None
        return self.stored_loss(outputs, *self._replayed_labels)
