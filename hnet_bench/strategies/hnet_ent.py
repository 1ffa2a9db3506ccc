"""HNET+ENT: HNET that infers the task as the one whose classifier is most certain (von Oswald et al. 2020, section 3).

All samples of a batch are classified at once for each task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.interfaces import Scenario, Settings, Setup
from hnet_bench.strategies.settings import HypernetworkSettings

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class HnetEnt(HypernetworkSettings):
    """For CL2 and CL3. Training is that of HNET with one shared head in CL2, a head for each task in CL3."""

    name: ClassVar[str] = "hnet_ent"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.DOMAIN, Scenario.CLASS)

    # stable: from log-softmax. naive: sum of p * log p as in the authors' code, NaN once a probability underflows to 0;
    # kept to measure what that does.
    entropy: Literal["stable", "naive"] = "stable"

    def trainings(self, setup: Setup) -> dict[str, Settings]:
        """The classifier, which HNET in CL1 and HNET+TIR train in the same way."""
        return {"classifier": self.classifier_training(setup)}

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        import torch

        from hnet_bench.nets.criteria import entropy
        from hnet_bench.strategies.training.hypernetwork import ChunkedHypernetworkTemplate

        form = self.entropy

        class EntropyTemplate(ChunkedHypernetworkTemplate):
            """`mb_inferred_task` (batch,) holds the inferred tasks of a batch that is evaluated."""

            mb_inferred_task: Tensor | None = None

            def forward(self) -> Tensor:
                if self.is_training:
                    return super().forward()
                # Before any training there is still a classifier to ask: that of the first task.
                tasks = range(max(1, self.tasks_seen))
                heads = torch.stack([self.classifier.head(self.mb_x, task) for task in tasks])  # (tasks, batch, K)
                entropies = entropy(heads, form)
                if form == "naive":
                    nan = int(entropies.isnan().sum())
                    self.diagnostics["nan_entropies"] = self.diagnostics.get("nan_entropies", 0) + nan
                # Of equally certain classifiers the first answers: argmin gives the first of equal values on every
                # processor, as topk and sort do not.
                self.mb_inferred_task = entropies.argmin(dim=0)
                outputs = torch.stack([self.full_width(head, task) for task, head in enumerate(heads)])
                chosen = self.mb_inferred_task.view(1, -1, 1).expand(1, -1, outputs.shape[2])
                return outputs.gather(0, chosen).squeeze(0)

        return EntropyTemplate(setup=setup, settings=self)
