"""Learning without Forgetting: the current inputs, labelled by the classifier as it was, stand for all old ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from baselines.distillation_settings import DistillationSettings
from hnet_bench.interfaces import Scenario, Setup

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Lwf(DistillationSettings):
    """Li & Hoiem 2017 in the forms that van de Ven & Tolias compare with; KD is the loss of `DistillationSettings`.

    "shares" (arXiv 1904.07734): (1 / t) CE + (1 - 1 / t) KD in experience t, KD the mean over old heads in CL1.
    "experiences" (van de Ven et al. 2022): CE + (t - 1) KD in CL1 (so the sum over old heads) and CL2, CE + KD in CL3.
    """

    name: ClassVar[str] = "lwf"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    weighting: Literal["shares", "experiences"] = "shares"  # of cross-entropy and distillation

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        from baselines.training.distillation import DistillationTemplate
        from hnet_bench.avalanche_adapter.classifier import ANY_NETWORK

        by_experiences = self.weighting == "experiences"

        class LwfTemplate(DistillationTemplate):
            learns_with = ANY_NETWORK

            def replayed(self) -> list[Tensor | None]:
                """The inputs of the batch itself, so that one forward pass serves both losses."""
                return [None, self.teacher_outputs(self.mb_x)]

            def weights(self) -> tuple[float, float]:
                if by_experiences:
                    return 1, 1 if self.scenario is Scenario.CLASS else self.task
                return super().weights()

        return LwfTemplate(setup=setup, distillation=self)
