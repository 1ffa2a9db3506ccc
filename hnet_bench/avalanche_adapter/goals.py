"""What follows from what a benchmark asks for: the loss, what counts as an answer, and the score of answers.

The one place that tells classification and regression apart; a further goal is one entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hnet_bench.interfaces import BenchmarkFacts, GoalName


@dataclass(frozen=True, kw_only=True)
class Goal:
    """How outputs (batch, K) are trained, read and scored against the targets of a benchmark."""

    loss: Callable[[], nn.Module]  # called with outputs and targets, a mean over the batch
    answers: Callable[[Tensor], Tensor]  # outputs -> what is compared with targets
    telling: Callable[[Tensor], Tensor]  # outputs -> what must be finite for the answers to mean anything
    score: Callable[[Tensor, Tensor], float]  # of answers and targets of one experience
    score_name: str
    form: str  # of a score in a log
    classes: Callable[[Tensor], list[int]]  # targets -> the classes among them, ascending
    has_classes: bool


def goal_of(facts: BenchmarkFacts) -> Goal:
    """The goal of a benchmark."""
    return GOALS[facts.goal]


def agreement(found: Tensor, expected: Tensor | int) -> float:
    """Fraction of equal entries."""
    return int((found == expected).sum()) / len(found)


def mean_squared_error(found: Tensor, expected: Tensor) -> float:
    """Mean over samples and values."""
    if found.shape != expected.shape:
        raise ValueError(f"Expected answers of shape {tuple(expected.shape)}, found {tuple(found.shape)}.")
    return float((found.double() - expected.double()).square().mean())


def _most_probable(outputs: Tensor) -> Tensor:
    return outputs.argmax(dim=1)  # the lowest class of those that are equally probable


def _highest(outputs: Tensor) -> Tensor:
    return outputs.amax(dim=1)  # NaN where there is any


def _as_they_are(outputs: Tensor) -> Tensor:
    return outputs


def _labels(targets: Tensor) -> list[int]:
    return [int(label) for label in torch.unique(targets)]


def _none(targets: Tensor) -> list[int]:
    return []


GOALS: dict[GoalName, Goal] = {
    # Targets are labels (N,), int64.
    "classification": Goal(
        loss=nn.CrossEntropyLoss,
        answers=_most_probable,
        telling=_highest,  # a logit of -inf excludes its class
        score=agreement,
        score_name="accuracy",
        form=".2%",
        classes=_labels,
        has_classes=True,
    ),
    # Targets are values (N, K), float32.
    "regression": Goal(
        loss=nn.MSELoss,
        answers=_as_they_are,
        telling=_as_they_are,
        score=mean_squared_error,
        score_name="mean_squared_error",
        form=".3g",
        classes=_none,
        has_classes=False,
    ),
}
