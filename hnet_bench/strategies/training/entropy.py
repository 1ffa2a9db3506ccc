"""Task inference by entropy: every learnt task's classifier is asked, the most certain one answers.

von Oswald et al. 2020, section 3. All samples of a batch are classified at once for each task.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor

from hnet_bench.interfaces import Setup
from hnet_bench.nets.entropy import entropy
from hnet_bench.strategies.hnet_ent import HnetEnt
from hnet_bench.strategies.training.chunked_hypernetwork import ChunkedHypernetworkTemplate


class EntropyTemplate(ChunkedHypernetworkTemplate):
    """HNET+ENT; `mb_inferred_task` (batch,) holds the inferred tasks of a batch that is evaluated."""

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HnetEnt,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._form = settings.entropy
        self.mb_inferred_task: Tensor | None = None
        super().__init__(setup=setup, settings=settings, plugins=plugins, evaluator=evaluator)

    def forward(self) -> Tensor:
        if self.is_training:
            return super().forward()
        # Before any training there is still a classifier to ask: that of the first task.
        tasks = range(max(1, self.tasks_seen))
        heads = torch.stack([self.classifier.head(self.mb_x, task) for task in tasks])  # (tasks, batch, K)
        entropies = entropy(heads, self._form)
        if self._form == "naive":
            nan = int(entropies.isnan().sum())
            self.diagnostics["nan_entropies"] = self.diagnostics.get("nan_entropies", 0) + nan
        # Of equally certain classifiers the first answers: argmin gives the first of equal values on every processor,
        # as topk and sort do not.
        self.mb_inferred_task = entropies.argmin(dim=0)
        outputs = torch.stack([self.full_width(head, task) for task, head in enumerate(heads)])
        chosen = self.mb_inferred_task.view(1, -1, 1).expand(1, -1, outputs.shape[2])
        return outputs.gather(0, chosen).squeeze(0)
