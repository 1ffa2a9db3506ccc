"""Intervals of task embeddings: what a hypernetwork generates for them, and what follows for the outputs.

Bounds are propagated layer by layer (Krukowski et al. 2024, HINT): a linear layer takes the centre of an interval to
the output's centre, and the half-width through the absolute values of its weights; an activation that grows takes the
two ends to the new ends. So every embedding in the interval generates weights within the bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from hnet_bench.nets.hypernetwork import ACTIVATIONS, ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.products import linear, matmul
from hnet_bench.nets.regulariser import GramRegulariser
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

    def interval_hidden(self, embeddings: Interval, theta: Sequence[Tensor] | None = None) -> Interval:
        """As `hidden` for intervals (tasks, n_e) of embeddings: (tasks, chunks, hidden + 1), the 1 without width."""
        theta = self.theta if theta is None else theta
        layers, chunks, tasks = len(self.hidden_weights), theta[0], len(embeddings.centre)
        activate = ACTIVATIONS[self.shape.activation]
        centre, radius = (part.repeat_interleave(len(chunks), dim=0) for part in embeddings)
        centre = torch.cat([centre, chunks.repeat(tasks, 1)], dim=1)
        radius = torch.cat([radius, radius.new_zeros(len(radius), chunks.shape[1])], dim=1)
        for weight, bias in zip(theta[1 : 1 + layers], theta[1 + layers : 1 + 2 * layers], strict=True):
            centre, radius = linear(centre, weight, bias), linear(radius, weight.abs())
            lower, upper = activate(centre - radius), activate(centre + radius)
            centre, radius = (lower + upper) / 2, (upper - lower) / 2
        centre = torch.cat([centre, centre.new_ones(len(centre), 1)], dim=1)
        radius = torch.cat([radius, radius.new_zeros(len(radius), 1)], dim=1)
        return Interval(centre.view(tasks, len(chunks), -1), radius.view(tasks, len(chunks), -1))

    def interval_chunks(self, embeddings: Interval) -> Interval:
        """Generated chunks (chunks, chunk_size) for an interval of task embeddings (n_e,)."""
        hidden = self.interval_hidden(Interval(*(part.unsqueeze(0) for part in embeddings)))
        return Interval(matmul(hidden.centre[0], self.output), matmul(hidden.radius[0], self.output.abs()))

    def chunks(self, task: int) -> Tensor:
        """The middle of what is generated for a task's interval, (chunks, chunk_size)."""
        embeddings = Interval(*(part.unsqueeze(0) for part in self.interval(task)))
        return matmul(self.interval_hidden(embeddings).centre[0], self.output)


def interval_mlp(x: Tensor, chunks: Interval, shape: MlpShape) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs (batch, widths[-1]) of ReLU MLPs for inputs x (batch, widths[0]) that are not negative: the lower bounds
    over all MLPs with parameters in an interval, which are the first entries of `chunks`; those of the MLP in the
    middle; and the upper bounds.

    With x between m - d and m + d, d not negative, the least of w x is m w - d |w| with w the lower end of the weight's
    interval, the greatest m w + d |w| with w the upper end.
    """
    (weight, bias), *layers = shape.views(chunks.centre.reshape(-1))
    (weight_radius, bias_radius), *radii = shape.views(chunks.radius.reshape(-1))
    # Inputs are the same for all MLPs, so that the first layer needs two products alone.
    middle, radius = linear(x, weight, bias), linear(x, weight_radius, bias_radius)
    lower, upper = middle - radius, middle + radius
    for (weight, bias), (weight_radius, bias_radius) in zip(layers, radii, strict=True):
        middle, lower, upper = middle.relu(), lower.relu(), upper.relu()
        centre, radius = (lower + upper) / 2, (upper - lower) / 2
        low, high = weight - weight_radius, weight + weight_radius
        lower = linear(centre, low, bias - bias_radius) - linear(radius, low.abs())
        upper = linear(centre, high, bias + bias_radius) + linear(radius, high.abs())
        middle = linear(middle, weight, bias)
    return lower, middle, upper


class _Part:
    """What a `GramRegulariser` asks of a hypernetwork, which here generates one part alone of what an interval leads
    to: the centre, or the radius, for which the absolute values of the last layer stand in that layer's place."""

    def __init__(self, hypernetwork: IntervalHypernetwork, name: Literal["centre", "radius"]) -> None:
        self._hypernetwork, self._name = hypernetwork, name
        self.shape = hypernetwork.shape

    @property
    def task_embeddings(self) -> list[Tensor]:
        """Centre and radius of the interval of each task, (2 n_e,)."""
        return [torch.cat(self._hypernetwork.interval(task)) for task in range(self.shape.tasks)]

    @property
    def output(self) -> Tensor:
        """The last layer, with the bias as its last row."""
        output = self._hypernetwork.output
        return output if self._name == "centre" else output.abs()

    @property
    def theta(self) -> list[Tensor]:
        """All parameters but the task embeddings, in the order of `ChunkedHypernetwork.theta`."""
        return [*self._hypernetwork.theta[:-1], self.output]

    def hidden(self, task_embeddings: Tensor, theta: Sequence[Tensor]) -> Tensor:
        """Last hidden activations (tasks, chunks, hidden + 1) for (tasks, 2 n_e) embeddings."""
        hidden: Tensor = getattr(
            self._hypernetwork.interval_hidden(Interval(*task_embeddings.chunk(2, dim=1)), theta), self._name
        )
        return hidden


class IntervalRegulariser:
    """Holds what is generated for the intervals of old tasks to what it was when this object is made:

        beta / (number of old tasks) * sum over old tasks of || change of the middle ||^2

    or, with `ends`, of the mean of that and of the squared changes of the lower and the upper ends, which adds two
    thirds of || change of the half-width ||^2, since (c - r)^2 + c^2 + (c + r)^2 = 3 c^2 + 2 r^2. Middle and half-width
    are each linear in the last layer or its absolute values, so that the Gram form of `nets.regulariser` gives both.
    """

    def __init__(self, hypernetwork: IntervalHypernetwork, old_tasks: int, strength: float, *, ends: bool) -> None:
        self._centre = GramRegulariser(_Part(hypernetwork, "centre"), old_tasks, strength)
        self._radius = GramRegulariser(_Part(hypernetwork, "radius"), old_tasks, 2 / 3 * strength) if ends else None

    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> None:
        """Adds the gradient at `theta` to `gradients`, both in the order of `ChunkedHypernetwork.theta`."""
        self._centre.add_gradient(theta, gradients)
        if self._radius:
            *small, output = theta
            of_absolute = torch.zeros_like(output)
            self._radius.add_gradient([*small, output.abs()], [*gradients[:-1], of_absolute])
            gradients[-1].addcmul_(of_absolute, output.sign())
