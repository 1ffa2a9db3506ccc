"""Training on the union of the experiences seen so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from avalanche.benchmarks.utils import concat_datasets
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin

from hnet_bench.avalanche_adapter.batches import SideBySide
from hnet_bench.avalanche_adapter.benchmark import concatenated, in_memory_samples
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.interfaces import Scenario, Setup


class JointTemplate(ClassifierTemplate):
    """An ordinary classifier on all data seen; `incremental` as in `baselines.joint`."""

    def __init__(
        self,
        *,
        setup: Setup,
        incremental: bool,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._incremental = incremental
        self._seen: list[int] = []  # their numbers in the stream
        super().__init__(setup=setup, plugins=plugins, evaluator=evaluator)

    @property
    def iterations(self) -> int:
        """The protocol's number on every experience, or all of them on the last."""
        iterations = self.setup.protocol.iterations
        if self._incremental:
            return iterations
        experiences = self.setup.facts.experiences
        return iterations * experiences if self.tasks_seen == experiences else 0

    def train_dataset_adaptation(self, **kwargs: Any) -> None:
        """Adds the present experience to what is trained on."""
        self._seen.append(self.experience.current_experience)
        super().train_dataset_adaptation(**kwargs)
        if in_memory_samples(self.experience) is None:
            self.adapted_dataset = concat_datasets([experience.dataset.train() for experience in self._experiences()])

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """In TASK every batch has equally many samples of each task, so that all heads weigh the same."""
        experiences = self._experiences()
        parts = [in_memory_samples(experience) for experience in experiences]
        samples = [part for part in parts if part is not None]
        if len(samples) < len(parts):
            super().make_train_dataloader(**kwargs)
            return
        size = self.setup.protocol.batch_size
        if self.scenario is not Scenario.TASK:
            self.dataloader = self.endless_batches(concatenated(samples), 0, size)
            return
        share = math.ceil(size / len(samples))
        labels = [int(experience.task_labels[0]) for experience in experiences]
        self.dataloader = SideBySide(
            [self.endless_batches(part, label, share) for part, label in zip(samples, labels, strict=True)]
        )

    def _experiences(self) -> list[Any]:
        """The experiences seen, in order; looked up in the stream, which a checkpoint could not hold."""
        return [self.experience.origin_stream[index] for index in self._seen]
