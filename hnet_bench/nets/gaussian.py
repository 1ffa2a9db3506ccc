"""Gaussian posteriors over the parameters of a network, with a mean and a spread for each, as a hypernetwork generates
them; how they are held to what they were (Henning et al. 2021).

What is generated for a spread is its logarithm, less an offset with which an untrained spread is about 0.08. So small,
it is what the softplus of the authors gives as well, but for a few percent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.products import matmul
from hnet_bench.nets.regulariser import TaskDraw

Divergence = Literal["kl_from_old", "kl_from_new", "wasserstein"]

_OFFSET = -2.5
# Of logarithms of spreads, whatever is generated: 8e-7 to 20, so that divergences stay finite.
_LEAST, _GREATEST = -14.0, 3.0


@dataclass
class Gaussian:
    """Independent normal distributions (parameters,): their means and the logarithms of their standard deviations."""

    mean: Tensor
    log_spread: Tensor

    @cached_property
    def spread(self) -> Tensor:
        """Standard deviations."""
        return self.log_spread.exp()

    def at(self, noise: Tensor) -> Tensor:
        """The point (parameters,) which standard normal noise (parameters,) leads to."""
        return torch.addcmul(self.mean, self.spread, noise)


def gaussian(generated: Tensor, parameters: int) -> Gaussian:
    """The posterior of so many parameters from a flat vector (>= 2 * parameters,): their means, then their spreads."""
    mean, raw, _ = generated.split([parameters, parameters, len(generated) - 2 * parameters])
    return Gaussian(mean, (raw + _OFFSET).clamp(_LEAST, _GREATEST))


def kl_to_prior(posterior: Gaussian) -> Tensor:
    """KL(posterior || N(0, I)) in nats."""
    mean, spread = posterior.mean, posterior.spread
    return 0.5 * (mean.dot(mean) + spread.dot(spread) - len(mean)) - posterior.log_spread.sum()


def kl_from_old(old: Gaussian, new: Gaussian) -> tuple[Tensor, Tensor]:
    """Gradient of KL(old || new) with respect to the new means and logarithms of spreads."""
    change, precision = new.mean - old.mean, (-2 * new.log_spread).exp()
    return change * precision, 1 - (old.spread.square() + change.square()) * precision


def kl_from_new(old: Gaussian, new: Gaussian) -> tuple[Tensor, Tensor]:
    """Gradient of KL(new || old) with respect to the same."""
    return (new.mean - old.mean) / old.spread.square(), (new.spread / old.spread).square() - 1


def wasserstein(old: Gaussian, new: Gaussian) -> tuple[Tensor, Tensor]:
    """Gradient of the squared 2-Wasserstein distance with respect to the same."""
    return 2 * (new.mean - old.mean), 2 * (new.spread - old.spread) * new.spread


GRADIENTS: dict[Divergence, Callable[[Gaussian, Gaussian], tuple[Tensor, Tensor]]] = {
    "kl_from_old": kl_from_old,
    "kl_from_new": kl_from_new,
    "wasserstein": wasserstein,
}


class PosteriorRegulariser:
    """Holds the posteriors of old tasks to those that a hypernetwork generates when this object is made:

        beta / (number of old tasks) * sum over old tasks of divergence(old posterior, posterior at theta)

    Draws the tasks of a step, and keeps what they are held to or, with `online`, theta* to compute it
    from, as `GramRegulariser` does, which has the squared distance of all that is generated.
    """

    def __init__(
        self,
        hypernetwork: ChunkedHypernetwork,
        old_tasks: int,
        strength: float,
        divergence: Divergence,
        *,
        draw: TaskDraw | None = None,
        online: bool = False,
    ) -> None:
        if old_tasks < 1:
            raise ValueError(f"There must be at least one old task, found {old_tasks}.")
        self._hypernetwork, self._old_tasks, self._strength = hypernetwork, old_tasks, strength
        self._divergence, self._draw = divergence, draw
        theta = [tensor.detach().clone() for tensor in hypernetwork.theta]
        self._old_theta = theta if online else []
        self._old = [] if online else [self._posterior(task, theta) for task in range(old_tasks)]

    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> None:
        """Adds the gradient at `theta` to `gradients`, both in the order of `ChunkedHypernetwork.theta`."""
        drawn = self._draw.of(self._old_tasks) if self._draw else None
        tasks = range(self._old_tasks) if drawn is None else drawn.tolist()
        at = [tensor.detach().requires_grad_() for tensor in theta]
        for task in tasks:  # one after the other, so that memory does not grow with them
            with torch.no_grad():
                old = self._posterior(task, self._old_theta) if self._old_theta else self._old[task]
            with torch.enable_grad():
                new = self._posterior(task, at)
            with torch.no_grad():
                through = [one * (self._strength / len(tasks)) for one in GRADIENTS[self._divergence](old, new)]
            additions = torch.autograd.grad([new.mean, new.log_spread], at, through)
            for gradient, addition in zip(gradients, additions, strict=True):
                gradient.add_(addition)

    def _posterior(self, task: int, theta: Sequence[Tensor]) -> Gaussian:
        embedding = self._hypernetwork.task_embeddings[task].detach().unsqueeze(0)
        chunks = matmul(self._hypernetwork.hidden(embedding, theta)[0], theta[-1])
        return gaussian(chunks.view(-1)[: self._hypernetwork.shape.generated], self._hypernetwork.shape.generated // 2)
