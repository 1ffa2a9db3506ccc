"""Training on the union of all tasks, mixed at random where one head serves them all."""

from __future__ import annotations

from typing import Any

from baselines.training.joint import JointTemplate
from hnet_bench.avalanche_adapter.benchmark import in_memory_samples


class MultiTaskTemplate(JointTemplate):
    """As joint training; `forward` looks at no task label where there is a single head."""

    learns_with = ("regression", "sigmoid", "xavier")

    def make_train_dataloader(self, **kwargs: Any) -> None:
        if self.setup.facts.heads(self.scenario) > 1 or in_memory_samples(self.experience) is None:
            super().make_train_dataloader(**kwargs)
        else:
            self.dataloader = self.infinite_batches(self.all_seen(), 0, self.setup.protocol.batch_size)
