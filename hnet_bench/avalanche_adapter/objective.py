"""What follows from a benchmark's problem type: the loss, what counts as a prediction, and the metric.

The one place that tells classification and regression apart; a further problem type is one entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hnet_bench.interfaces import BenchmarkFacts, ProblemType


@dataclass(frozen=True, kw_only=True)
class Objective:
    """How outputs (batch, K) are trained, read and scored against the targets of a benchmark."""

    has_classes: bool  # targets are labels (N,), int64; else values (N, K), float32
    loss: Callable[[], nn.Module]  # called with outputs and targets, a mean over the batch
    predictions: Callable[[Tensor], Tensor]  # outputs -> what is compared with targets
    decisive: Callable[[Tensor], Tensor]  # outputs -> what must be finite for the predictions to mean anything
    metric: Callable[[Tensor, Tensor], float]  # of predictions and targets of one experience
    metric_name: str
    metric_format: str  # in a log

    def classes(self, targets: Tensor) -> list[int]:
        """Classes among the targets, ascending; none in regression."""
        return [int(label) for label in torch.unique(targets)] if self.has_classes else []


def objective_of(facts: BenchmarkFacts) -> Objective:
    """The objective of a benchmark."""
    return OBJECTIVES[facts.problem_type]


def accuracy(found: Tensor, expected: Tensor | int) -> float:
    """Fraction of equal entries."""
    return int((found == expected).sum()) / len(found)


def mean_squared_error(found: Tensor, expected: Tensor) -> float:
    """Mean over samples and values."""
    if found.shape != expected.shape:
        raise ValueError(f"Expected predictions of shape {tuple(expected.shape)}, found {tuple(found.shape)}.")
    return float((found.double() - expected.double()).square().mean())


OBJECTIVES: dict[ProblemType, Objective] = {
    "classification": Objective(
        has_classes=True,
        loss=nn.CrossEntropyLoss,
        predictions=lambda outputs: outputs.argmax(dim=1),  # the lowest class of those that are equally probable
        decisive=lambda outputs: outputs.amax(dim=1),  # NaN where there is any; a logit of -inf excludes its class
        metric=accuracy,
        metric_name="accuracy",
        metric_format=".2%",
    ),
    "regression": Objective(
        has_classes=False,
        loss=nn.MSELoss,
        predictions=lambda outputs: outputs,
        decisive=lambda outputs: outputs,
        metric=mean_squared_error,
        metric_name="mean_squared_error",
        metric_format=".3g",
    ),
}
