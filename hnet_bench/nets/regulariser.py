"""The output regulariser: what a hypernetwork generates for old tasks must not move while it learns a new one.

    beta / (number of old tasks) * sum over old tasks t of || f_h(e_t, theta*) - f_h(e_t, theta + delta) ||^2

theta* are the parameters from before the current task, delta the change that the optimiser would make for the task loss
alone (the lookahead), taken as a constant (von Oswald et al. 2020, eq. 2).

`plain_loss` says it literally. `GramRegulariser` gives the same loss and gradient at a cost that hardly grows with
tasks and generated parameters. The last layer is linear: with V its parameters (one row per hidden unit, and the bias)
and h the hidden activations of one chunk (and a 1), the generated chunk is h V. With D = V' - V* and d = h' - h*, its
change is

    h' V' - h* V* = h' D + d V* = z S        where z = [h', d] and S = [D; V*] stacked

so the loss is trace((S S^T) (sum of z^T z)) over all old tasks and chunks, with derivatives

    with respect to V'   2 (sum of h'^T z) S
    with respect to h'   2 z (S V'^T)

The long dimension of a chunk meets only two products with small matrices, whatever the number of tasks. Of the last
chunk only the first columns are used, so it is added apart from the others, where it is used. Columns are walked in
blocks, so that S stays in the processor's cache from one product to the next.
Differences rather than products of weights enter, so nothing cancels.

Of many old tasks a few may be drawn for each step, without replacement; the sum is then over these, and divided by
their number, so that its expectation stays the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import Protocol

import torch
from torch import Tensor

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.products import add_product, product


def plain_loss(
    hypernetwork: ChunkedHypernetwork,
    theta: list[Tensor],
    targets: list[Tensor],
    strength: float,
    tasks: Sequence[int] | None = None,
) -> Tensor:
    """The regulariser as written above, with autograd: the reference for the fast form.

    `theta` (in the order of `ChunkedHypernetwork.theta`) are the parameters at which it is taken, theta + delta;
    `targets` the flat parameters (generated,) of each old task, generated with theta*; `strength` is beta. `tasks` are
    those that the sum is over and that are counted (None: all old tasks).
    """
    total = theta[0].new_zeros(())
    tasks = range(len(targets)) if tasks is None else tasks
    for task in tasks:
        target = targets[task]
        embedding = hypernetwork.task_embeddings[task].detach().unsqueeze(0)
        generated = (hypernetwork.hidden(embedding, theta)[0] @ theta[-1]).reshape(-1)[: len(target)]
        total = total + (target - generated).square().sum()
    return strength * total / len(tasks)


# On the CPU, S of one block is to fit in the L2 cache, unless that makes the block too narrow for matrix products. On
# an accelerator, where every operation has to be launched, there are no blocks.
BLOCK_BYTES = 750_000
LEAST_COLUMNS = 2048


# Chunks whose hidden activations are held at once, so that memory and cache misses do not grow with the tasks.
CHUNKS_AT_ONCE = 4096


class LinearInOutput(Protocol):
    """What the Gram form asks of a hypernetwork, as `ChunkedHypernetwork` has it: the chunks that it generates are
    `hidden` times `output`."""

    @property
    def shape(self) -> HypernetworkShape: ...
    @property
    def task_embeddings(self) -> Iterable[Tensor]: ...
    @property
    def theta(self) -> Sequence[Tensor]: ...
    @property
    def output(self) -> Tensor: ...
    def hidden(self, task_embeddings: Tensor, theta: Sequence[Tensor], /) -> Tensor: ...


@dataclass
class TaskDraw:
    """How many old tasks are regularised in a step, drawn anew for each where there are more; the generator is on the
    CPU."""

    count: int
    generator: torch.Generator

    def of(self, old_tasks: int) -> Tensor | None:
        """The tasks (count,) of the next step; None if all of them are to be regularised, and nothing is drawn."""
        if self.count >= old_tasks:
            return None
        return torch.randperm(old_tasks, generator=self.generator)[: self.count]


@dataclass(frozen=True)
class _Block:
    """A range of columns of the last layer; S of these columns, whose upper half becomes D at every step."""

    columns: slice
    stacked: Tensor
    in_last_chunk: bool


class GramRegulariser:
    """The regulariser against the parameters that a hypernetwork has when this object is made.

    Keeps theta* of the last layer, the hidden activations of the old tasks, and no generated target: its memory does
    not grow with tasks times generated parameters. With `online` it keeps all of theta* instead, and computes these
    activations when they are needed: its memory then does not grow with tasks at all.
    """

    def __init__(
        self,
        hypernetwork: LinearInOutput,
        old_tasks: int,
        strength: float,
        *,
        draw: TaskDraw | None = None,
        online: bool = False,
    ) -> None:
        if old_tasks < 1:
            raise ValueError(f"There must be at least one old task, found {old_tasks}.")
        self._hypernetwork = hypernetwork
        self._strength = strength
        self._draw = draw
        with torch.no_grad():
            embeddings = list(hypernetwork.task_embeddings)[:old_tasks]
            self._embeddings = torch.stack([embedding.detach() for embedding in embeddings])
            self._tasks_at_once = max(1, CHUNKS_AT_ONCE // hypernetwork.shape.chunks)
            # h*: (tasks, chunks, rows); in the groups in which it is compared, so that it is the same to the last bit.
            self._old_theta = [tensor.detach().clone() for tensor in hypernetwork.theta[:-1]] if online else []
            self._old_hidden = None if online else self._hidden(hypernetwork.theta[:-1])
            self._rows = len(hypernetwork.output)
            self._blocks = _blocks(hypernetwork)

    @property
    def kept(self) -> list[Tensor]:
        """Every tensor that is kept from one step to the next."""
        hidden = [] if self._old_hidden is None else [self._old_hidden]
        return [self._embeddings, *self._old_theta, *hidden, *(block.stacked for block in self._blocks)]

    @torch.enable_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> None:
        """Adds the gradient with respect to `theta` to `gradients`, both in the order of `theta`.

        `theta` are the parameters at which the regulariser is taken (theta + delta with lookahead). They are not
        changed, and no value is copied to the host. Draws the tasks of this step if there are to be fewer than all.
        """
        drawn = self._draw.of(len(self._embeddings)) if self._draw else None
        count = len(self._embeddings) if drawn is None else len(drawn)
        scale = self._strength / count
        small, output = [tensor.detach().requires_grad_() for tensor in theta[:-1]], theta[-1].detach()
        through = self._through_output(output, scale)
        moments = [output.new_zeros(self._rows, 2 * self._rows) for _ in range(2)]
        for start in range(0, count, self._tasks_at_once):
            group = slice(start, min(start + self._tasks_at_once, count))
            tasks = group if drawn is None else drawn[group].to(output.device)
            hidden = self._hypernetwork.hidden(self._embeddings[tasks], small)
            with torch.no_grad():
                hidden_gradient = self._hidden_gradient(hidden.detach(), self._old(tasks), through, moments)
            # Where nothing below the last layer is trained the activations are constants: those of a full hypernetwork
            # without hidden layers, and the half-widths of intervals without them.
            if hidden.requires_grad:
                additions = torch.autograd.grad(hidden, small, hidden_gradient)
                for gradient, addition in zip(gradients[:-1], additions, strict=True):
                    gradient.add_(addition)
        of_others, of_all = moments
        for block in self._blocks:
            of = of_all if block.in_last_chunk else of_others
            add_product(gradients[-1][:, block.columns], of, block.stacked, 2 * scale)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def loss(self, theta: list[Tensor]) -> Tensor:
        """The regulariser's value at `theta` over all old tasks, a tensor of no dimension; training needs its gradient
        alone.

        From the changes z S themselves, one task at a time: where the change of h and that of V nearly cancel, the
        trace of the Gram form would lose digits that the changes still have.
        """
        hidden = self._hidden(theta)
        old_hidden = self._hidden(self._old_theta) if self._old_hidden is None else self._old_hidden
        z = torch.cat([hidden, hidden - old_hidden], dim=2)
        total = z.new_zeros(())
        for block in self._blocks:
            self._renew(block, theta[-1])
            for task_changes in z if block.in_last_chunk else z[:, :-1]:
                total = total + (task_changes @ block.stacked).square().sum()
        return self._strength / len(self._embeddings) * total

    def _hidden(self, theta: Sequence[Tensor]) -> Tensor:
        """Hidden activations of all old tasks, computed in the groups in which they are compared."""
        groups = self._embeddings.split(self._tasks_at_once)
        return torch.cat([self._hypernetwork.hidden(group, theta) for group in groups])

    def _old(self, tasks: slice | Tensor) -> Tensor:
        """h* of some tasks, (tasks, chunks, rows)."""
        if self._old_hidden is None:
            return self._hypernetwork.hidden(self._embeddings[tasks], self._old_theta)
        return self._old_hidden[tasks]

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def _through_output(self, output: Tensor, scale: float) -> tuple[Tensor, Tensor]:
        """2 scale S V'^T over all columns, and over those that the last chunk uses; S is brought up to date."""
        of_last = output.new_zeros(2 * self._rows, self._rows)
        of_others = torch.zeros_like(of_last)
        for block in self._blocks:
            self._renew(block, output)
            to = of_last if block.in_last_chunk else of_others
            add_product(to, block.stacked, output[:, block.columns].t(), 2 * scale)
        return of_others.add_(of_last), of_last

    def _hidden_gradient(
        self, hidden: Tensor, old_hidden: Tensor, through: tuple[Tensor, Tensor], moments: list[Tensor]
    ) -> Tensor:
        """Gradient with respect to h' of some tasks, (tasks, chunks, rows).

        Adds their sums of h'^T z to `moments`: over all chunks but the last, and over all.
        """
        rows, (through_others, through_last) = self._rows, through
        h, d = hidden[:, :-1].flatten(0, 1), (hidden[:, :-1] - old_hidden[:, :-1]).flatten(0, 1)
        last_h, last_d = hidden[:, -1], hidden[:, -1] - old_hidden[:, -1]
        of_others = torch.cat([product(h.t(), h), product(h.t(), d)], dim=1)
        moments[0].add_(of_others)
        moments[1].add_(of_others).add_(last_h.t() @ torch.cat([last_h, last_d], dim=1))
        gradient = add_product(product(h, through_others[:rows]), d, through_others[rows:])
        last_gradient = torch.addmm(last_h @ through_last[:rows], last_d, through_last[rows:])
        return torch.cat([gradient.view(len(hidden), -1, rows), last_gradient.unsqueeze(1)], dim=1)

    def _renew(self, block: _Block, output: Tensor) -> None:
        torch.sub(output[:, block.columns], block.stacked[self._rows :], out=block.stacked[: self._rows])


def _blocks(hypernetwork: LinearInOutput) -> list[_Block]:
    """The columns that all chunks use, then those that all but the last use, in blocks of about the same width."""
    shape, output = hypernetwork.shape, hypernetwork.output.detach()
    bytes_per_column = 2 * len(output) * output.element_size()
    width = max(LEAST_COLUMNS, BLOCK_BYTES // bytes_per_column) if output.device.type == "cpu" else shape.chunk_size
    blocks = []
    for start, stop in ((0, shape.last_chunk), (shape.last_chunk, shape.chunk_size)):
        if start == stop or (start > 0 and shape.chunks == 1):
            continue
        count = math.ceil((stop - start) / width)
        edges = [start + (stop - start) * index // count for index in range(count + 1)]
        for columns in starmap(slice, pairwise(edges)):
            blocks.append(_Block(columns, output[:, columns].repeat(2, 1), in_last_chunk=start == 0))
    return blocks
