"""Joint training and multi-task learning, the upper bounds: all data seen so far are at hand at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from avalanche.training.templates import SupervisedTemplate


@dataclass(frozen=True, kw_only=True)
class Joint:
    """Joint training, an upper bound: all data seen so far are learnt together, which no continual learner does.

    Incremental: every experience continues the training for the protocol's iterations on the union of what was seen
    so far ("Offline" in van de Ven & Tolias, arXiv 1904.07734). Otherwise: one training on all data at the end of the
    stream, for as many iterations in all ("Joint" in van de Ven et al. 2022).
    """

    name: ClassVar[str] = "joint"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    incremental: bool = True  # else one training on all data at the end of the stream, for as many iterations in all

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, incremental=self.incremental, mixes_tasks=False)


@dataclass(frozen=True, kw_only=True)
class MultiTask:
    """Multi-task learning, an upper bound: joint training, but batches mix all tasks at random where they share a head.

    That is in DOMAIN, as in hypercl, toy_example/train_multitask.py, method 0, which is not incremental.
    """

    name: ClassVar[str] = "multi_task"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.TASK, Scenario.DOMAIN)

    incremental: bool = True  # else one training on all data at the end of the stream, for as many iterations in all

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, incremental=self.incremental, mixes_tasks=True)


def _template(setup: Setup, *, incremental: bool, mixes_tasks: bool) -> SupervisedTemplate:
    from avalanche.benchmarks.utils import concat_datasets

    from hnet_bench.avalanche_adapter.batches import ConcatenatedBatches
    from hnet_bench.avalanche_adapter.benchmark import concatenated, in_memory_samples
    from hnet_bench.avalanche_adapter.classifier import ANY_NETWORK, ClassifierTemplate

    class JointTemplate(ClassifierTemplate):
        learns_with = (*ANY_NETWORK, *(("regression", "sigmoid") if mixes_tasks else ()))

        # Of every experience seen its task label and its samples, or, of a stock Avalanche benchmark, its dataset.
        _seen: Sequence[tuple[int, Any]] = ()

        @property
        def iterations(self) -> int:
            """The protocol's number on every experience, or all of them on the last."""
            if incremental:
                return super().iterations
            return self.planned_steps if self.tasks_seen == self.setup.facts.experiences else 0

        def train_dataset_adaptation(self, **kwargs: Any) -> None:
            """Adds the present experience to what is trained on."""
            samples = in_memory_samples(self.experience)
            # Where a run lies its samples anyway, so that a checkpoint need not hold them.
            kept = self.experience.dataset if samples is None else samples.to(self.device)
            self._seen = [*self._seen, (self._task_label(), kept)]
            super().train_dataset_adaptation(**kwargs)
            if samples is None:
                self.adapted_dataset = concat_datasets([dataset.train() for _, dataset in self._seen])

        def make_train_dataloader(self, **kwargs: Any) -> None:
            """In TASK every batch has equally many samples of each task, so that all heads weigh the same, unless tasks
            that share a head are mixed."""
            if in_memory_samples(self.experience) is None:
                super().make_train_dataloader(**kwargs)
                return
            size = self.setup.protocol.batch_size
            if self.scenario is not Scenario.TASK or (mixes_tasks and self.setup.facts.heads(self.scenario) == 1):
                every = concatenated([samples for _, samples in self._seen])
                self.dataloader = self.infinite_batches(every, 0, size)
                return
            share = math.ceil(size / len(self._seen))
            streams = [self.infinite_batches(samples, label, share) for label, samples in self._seen]
            self.dataloader = ConcatenatedBatches(streams)

    return JointTemplate(setup=setup)
