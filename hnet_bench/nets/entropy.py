"""Entropy of a softmax: how uncertain a classifier is."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


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
