"""Criteria of task inference: how unsure the classifier of each task is of a sample. The surest one answers.

Each is a function of logits (..., classes) with values (...), of which the least is the best; logarithms of
probabilities are logits, too. Of several networks that are drawn for a task `mean_prediction` makes one, and
`disagreement` looks at how they differ (Henning et al. 2021). With two classes entropy, doubt and gap all grow or fall
with the difference of the two logits alone, and so infer the same tasks, until the entropy of several rounds to 0:
beyond a difference of 103 (float32).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

# Tasks whose derivatives are computed together: more of them cost memory.
_TASKS_AT_ONCE = 10


def entropy(logits: Tensor, form: Literal["stable", "naive"] = "stable") -> Tensor:
    """Entropy in nats of the softmax over the last dimension of `logits` (..., classes), as (...).

    "naive" takes the logarithm of the probabilities: 0 * log 0 is NaN once the gap between two logits exceeds about 104
    (float32). "stable" takes log-softmax, where the term is 0, as in the limit.
    """
    if form == "naive":
        probabilities = torch.softmax(logits, dim=-1)
        return -(probabilities * probabilities.log()).sum(dim=-1)
    log_probabilities = torch.log_softmax(logits, dim=-1)
    return -(log_probabilities.exp() * log_probabilities).sum(dim=-1)


def doubt(logits: Tensor) -> Tensor:
    """Logarithm of the probability that the softmax leaves to all classes but the likeliest, (...).

    It is least where confidence, the greatest probability, is greatest. That itself rounds to 1 once the gap to all
    others exceeds 17 (float32), and the first of many equals would answer.
    """
    likeliest = logits.argmax(dim=-1, keepdim=True)
    others = logits.scatter(-1, likeliest, -math.inf)
    return others.logsumexp(dim=-1) - logits.logsumexp(dim=-1)


def gap(logits: Tensor) -> Tensor:
    """The largest logit minus the second, (...), never negative: here the greatest is the surest."""
    largest = logits.topk(2, dim=-1).values
    return largest[..., 0] - largest[..., 1]


def mean_prediction(log_probabilities: Tensor) -> Tensor:
    """Logarithms of the mean probabilities (..., batch, classes) of networks (..., networks, batch, classes)."""
    return log_probabilities.logsumexp(dim=-3) - math.log(log_probabilities.shape[-3])


def disagreement(log_probabilities: Tensor) -> Tensor:
    """Standard deviation of each class's probability over the networks of (..., networks, batch, classes), averaged
    over the classes, (..., batch). A single network agrees with itself: 0."""
    return log_probabilities.exp().std(dim=-3, correction=0).mean(dim=-1)


def entropy_gradient(logits: Callable[[Tensor], Tensor], embeddings: Tensor) -> Tensor:
    """How fast the entropy grows with the share of each task in a mixture of all, (tasks, batch).

    The mixture is the sum of alpha_j e_j over the embeddings e_j (tasks, size), with all alpha_j equal at first;
    `logits` gives logits (batch, classes) of the network of one embedding (size,), by operations that forward-mode
    derivatives exist of. The entropy falls fastest where the share of the right task grows (Wortsman et al. 2020; for
    hypernetworks Henning et al. 2021).
    """

    mixed = embeddings.mean(dim=0)

    def derivative(direction: Tensor) -> Any:
        return torch.func.jvp(lambda embedding: entropy(logits(embedding)), (mixed,), (direction,))[1]

    derivatives: Tensor = torch.func.vmap(derivative, chunk_size=_TASKS_AT_ONCE)(embeddings)
    return derivatives
