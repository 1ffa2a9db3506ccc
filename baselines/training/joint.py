"""Training on the union of the experiences seen so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from avalanche.benchmarks.utils import concat_datasets
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin

from hnet_bench.avalanche_adapter.batches import ConcatenatedBatches
from hnet_bench.avalanche_adapter.benchmark import Samples, concatenated, in_memory_samples
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
        # Of every experience seen its task label and its samples, or, of a stock Avalanche benchmark, its dataset.
        self._seen: list[tuple[int, Any]] = []
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
        samples = in_memory_samples(self.experience)
        # Where a run lies its samples anyway, so that a checkpoint need not hold them.
        kept = self.experience.dataset if samples is None else samples.to(self.device)
        self._seen.append((self._task_label(), kept))
        super().train_dataset_adaptation(**kwargs)
        if samples is None:
            self.adapted_dataset = concat_datasets([dataset.train() for _, dataset in self._seen])

    def make_train_dataloader(self, **kwargs: Any) -> None:
        """In TASK every batch has equally many samples of each task, so that all heads weigh the same."""
        if in_memory_samples(self.experience) is None:
            super().make_train_dataloader(**kwargs)
            return
        size = self.setup.protocol.batch_size
        if self.scenario is not Scenario.TASK:
            self.dataloader = self.infinite_batches(self.all_seen(), 0, size)
            return
        share = math.ceil(size / len(self._seen))
        self.dataloader = ConcatenatedBatches(
            [self.infinite_batches(samples, label, share) for label, samples in self._seen]
        )

    def all_seen(self) -> Samples:
        """The samples of all experiences seen, in order."""
        return concatenated([samples for _, samples in self._seen])
