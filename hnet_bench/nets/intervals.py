"""Intervals of task embeddings: what a hypernetwork generates for them, and what follows for the outputs.

Bounds are propagated layer by layer (Krukowski et al. 2024, HINT): a linear layer takes the centre of an interval to
the output's centre, and the half-width through the absolute values of its weights; an activation that grows takes the
two ends to the new ends. So every embedding in the interval generates weights within the bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hnet_bench.nets.hypernetwork import ACTIVATIONS, ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.products import linear, matmul
from hnet_bench.nets.target import MlpShape


class Interval(NamedTuple):
    """All between centre - radius and centre + radius, entry by entry."""

    centre: Tensor
    radius: Tensor  # half-width, not negative


class IntervalHypernetwork(ChunkedHypernetwork):
    """A chunked hypernetwork that takes an interval of task embeddings.

    The interval of task t has the half-width epsilon * softmax(p_t), of which p_t is learnt, around e_t. `nested`, all
    intervals meet: the half-width is epsilon / n in each of n dimensions, and the centre cos(e_t) half of that.
    """

    def __init__(self, shape: HypernetworkShape, *, epsilon: float, nested: bool) -> None:
        super().__init__(shape)
        self.epsilon, self.nested = epsilon, nested
        # p_t, with which the half-width is at first the same in all dimensions; not part of theta.
        self.widths = nn.ParameterList(
            torch.zeros(0 if nested else shape.task_embedding_size) for _ in range(shape.tasks)
        )

    def interval(self, task: int, share: float = 1.0) -> Interval:
        """That of a task's embeddings, (n_e,) each, with this share of epsilon."""
        embedding, epsilon = self.task_embeddings[task], share * self.epsilon
        if not self.nested:
            return Interval(embedding, epsilon * self.widths[task].softmax(0))
        radius = torch.full_like(embedding, epsilon / len(embedding))
        return Interval(radius / 2 * embedding.cos(), radius)

    def universal(self, tasks: int) -> Tensor:
        """The middle (n_e,) of what the intervals of the first tasks have in common, or where they have nothing in
        common, the middle between those two ends that are furthest apart."""
        intervals = [self.interval(task) for task in range(tasks)]
        lower = torch.stack([centre - radius for centre, radius in intervals]).amax(0)
        upper = torch.stack([centre + radius for centre, radius in intervals]).amin(0)
        return (lower + upper) / 2

    def generated(self, embeddings: Interval, theta: Sequence[Tensor] | None = None) -> Interval:
        """Target parameters (shape.generated,) for an interval of task embeddings, in the order of `theta`."""
        theta = self.theta if theta is None else theta
        layers = len(self.hidden_weights)
        chunks, weights, biases, output = theta[0], theta[1 : 1 + layers], theta[1 + layers : 1 + 2 * layers], theta[-1]
        activate = ACTIVATIONS[self.shape.activation]
        centre = torch.cat([embeddings.centre.expand(len(chunks), -1), chunks], dim=1)
        radius = torch.cat([embeddings.radius.expand(len(chunks), -1), torch.zeros_like(chunks)], dim=1)
        for weight, bias in zip(weights, biases, strict=True):
            centre, radius = linear(centre, weight, bias), linear(radius, weight.abs())
            lower, upper = activate(centre - radius), activate(centre + radius)
            centre, radius = (lower + upper) / 2, (upper - lower) / 2
        middle = matmul(torch.cat([centre, centre.new_ones(len(chunks), 1)], dim=1), output)
        return Interval(
            middle.reshape(-1)[: self.shape.generated],
            matmul(radius, output[:-1].abs()).reshape(-1)[: self.shape.generated],
        )

    def chunks(self, task: int) -> Tensor:
        """The middle of what is generated for a task's interval, a single row (1, shape.generated)."""
        return self.generated(self.interval(task)).centre.unsqueeze(0)


def interval_mlp(x: Tensor, parameters: Interval, shape: MlpShape) -> tuple[Tensor, Tensor]:
    """Bounds (batch, widths[-1]) of the outputs of all ReLU MLPs with parameters in an interval, for inputs x (batch,
    widths[0]) that are not negative."""
    ends = (parameters.centre - parameters.radius, parameters.centre + parameters.radius)
    layers = list(zip(*(shape.views(end) for end in ends), strict=True))
    (low_weight, low_bias), (high_weight, high_bias) = layers[0]
    lower, upper = linear(x, low_weight, low_bias), linear(x, high_weight, high_bias)
    for (low_weight, low_bias), (high_weight, high_bias) in layers[1:]:
        lower, upper = lower.relu(), upper.relu()
        lower, upper = (
            linear(lower, low_weight.clamp(min=0), low_bias) + linear(upper, low_weight.clamp(max=0)),
            linear(upper, high_weight.clamp(min=0), high_bias) + linear(lower, high_weight.clamp(max=0)),
        )
    return lower, upper


class IntervalRegulariser:
    """Holds what is generated for the intervals of old tasks to what it was when this object is made:

        beta / (number of old tasks) * sum over old tasks of || change of the middle ||^2

    or, with `ends`, of the mean of that and of the squared changes of the lower and the upper ends, by autograd.
    """

    def __init__(self, hypernetwork: IntervalHypernetwork, old_tasks: int, strength: float, *, ends: bool) -> None:
        self._hypernetwork, self._strength, self._ends = hypernetwork, strength, ends
        with torch.no_grad():
            self._intervals = [hypernetwork.interval(task) for task in range(old_tasks)]
            self._old = [hypernetwork.generated(interval) for interval in self._intervals]

    @torch.enable_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> None:
        """Adds the gradient at `theta` to `gradients`, both in the order of `ChunkedHypernetwork.theta`."""
        at = [tensor.detach().requires_grad_() for tensor in theta]
        for interval, old in zip(self._intervals, self._old, strict=True):
            new = self._hypernetwork.generated(interval, at)
            changed = (new.centre - old.centre).square().sum()
            if self._ends:  # (c - r)^2 + c^2 + (c + r)^2 = 3 c^2 + 2 r^2
                changed = changed + 2 / 3 * (new.radius - old.radius).square().sum()
            additions = torch.autograd.grad(self._strength / len(self._old) * changed, at)
            for gradient, addition in zip(gradients, additions, strict=True):
                gradient.add_(addition)
