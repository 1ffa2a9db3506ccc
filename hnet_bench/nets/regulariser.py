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
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, starmap

import torch
from torch import Tensor

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.products import add_product, product


def plain_loss(
    hypernetwork: ChunkedHypernetwork, theta: list[Tensor], targets: list[Tensor], strength: float
) -> Tensor:
    """The regulariser as written above, with autograd: the reference for the fast form.

    `theta` (in the order of `ChunkedHypernetwork.theta`) are the parameters at which it is taken, theta + delta;
    `targets` the flat parameters (generated,) of each old task, generated with theta*; `strength` is beta.
    """
    total = theta[0].new_zeros(())
    for task, target in enumerate(targets):
        embedding = hypernetwork.task_embeddings[task].detach().unsqueeze(0)
        generated = (hypernetwork.hidden(embedding, theta)[0] @ theta[-1]).reshape(-1)[: len(target)]
        total = total + (target - generated).square().sum()
    return strength * total / len(targets)


# On the CPU, S of one block is to fit in the L2 cache, unless that makes the block too narrow for matrix products. On
# an accelerator, where every operation has to be launched, there are no blocks.
BLOCK_BYTES = 750_000
LEAST_COLUMNS = 2048


@dataclass(frozen=True)
class _Block:
    """A range of columns of the last layer; S of these columns, whose upper half becomes D at every step."""

    columns: slice
    stacked: Tensor
    in_last_chunk: bool


class GramRegulariser:
    """The regulariser against the parameters that a hypernetwork has when this object is made.

    Keeps theta* of the last layer, the hidden activations of the old tasks, and no generated target: its memory does
    not grow with tasks times generated parameters.
    """

    def __init__(self, hypernetwork: ChunkedHypernetwork, old_tasks: int, strength: float) -> None:
        if old_tasks < 1:
            raise ValueError(f"There must be at least one old task, found {old_tasks}.")
        self._hypernetwork = hypernetwork
        self._scale = strength / old_tasks
        with torch.no_grad():
            embeddings = list(hypernetwork.task_embeddings)[:old_tasks]
            self._embeddings = torch.stack([embedding.detach() for embedding in embeddings])
            self._old_hidden = hypernetwork.hidden(self._embeddings)  # h*: (tasks, chunks, rows)
            self._rows = len(hypernetwork.output)
            self._blocks = _blocks(hypernetwork)

    @property
    def kept(self) -> list[Tensor]:
        """Every tensor that is kept from one step to the next."""
        return [self._embeddings, self._old_hidden, *(block.stacked for block in self._blocks)]

    @torch.enable_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> None:
        """Adds the gradient with respect to `theta` to `gradients`, both in the order of `theta`.

        `theta` are the parameters at which the regulariser is taken (theta + delta with lookahead). They are not
        changed, and no value is copied to the host.
        """
        small = [tensor.detach().requires_grad_() for tensor in theta[:-1]]
        hidden = self._hypernetwork.hidden(self._embeddings, small)
        with torch.no_grad():
            hidden_gradient = self._last_layer_gradient(hidden.detach(), theta[-1].detach(), gradients[-1])
        for gradient, addition in zip(gradients[:-1], torch.autograd.grad(hidden, small, hidden_gradient), strict=True):
            gradient.add_(addition)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def loss(self, theta: list[Tensor]) -> Tensor:
        """The regulariser's value at `theta`, a tensor of no dimension; training needs its gradient alone.

        From the changes z S themselves, one task at a time: where the change of h and that of V nearly cancel, the
        trace of the Gram form would lose digits that the changes still have.
        """
        hidden = self._hypernetwork.hidden(self._embeddings, theta)
        z = torch.cat([hidden, hidden - self._old_hidden], dim=2)
        total = z.new_zeros(())
        for block in self._blocks:
            self._renew(block, theta[-1])
            for task_changes in z if block.in_last_chunk else z[:, :-1]:
                total = total + (task_changes @ block.stacked).square().sum()
        return self._scale * total

    def _last_layer_gradient(self, hidden: Tensor, output: Tensor, output_gradient: Tensor) -> Tensor:
        """Adds the gradient with respect to V' to `output_gradient`; returns that with respect to h'."""
        rows, scale = self._rows, 2 * self._scale
        h, d = hidden[:, :-1].flatten(0, 1), (hidden[:, :-1] - self._old_hidden[:, :-1]).flatten(0, 1)
        last_h, last_d = hidden[:, -1], hidden[:, -1] - self._old_hidden[:, -1]
        moments = torch.cat([product(h.t(), h), product(h.t(), d)], dim=1)  # sum of h'^T z over all chunks but the last
        moments_of_all = moments + last_h.t() @ torch.cat([last_h, last_d], dim=1)
        through, through_all = hidden.new_zeros(2 * rows, rows), hidden.new_zeros(2 * rows, rows)  # S V'^T
        for block in self._blocks:
            self._renew(block, output)
            of, to = (moments_of_all, through_all) if block.in_last_chunk else (moments, through)
            add_product(output_gradient[:, block.columns], of, block.stacked, scale)
            add_product(to, block.stacked, output[:, block.columns].t(), scale)
        through += through_all
        gradient = add_product(product(h, through[:rows]), d, through[rows:])
        last_gradient = torch.addmm(last_h @ through_all[:rows], last_d, through_all[rows:])
        return torch.cat([gradient.view(len(hidden), -1, rows), last_gradient.unsqueeze(1)], dim=1)

    def _renew(self, block: _Block, output: Tensor) -> None:
        torch.sub(output[:, block.columns], block.stacked[self._rows :], out=block.stacked[: self._rows])


def _blocks(hypernetwork: ChunkedHypernetwork) -> list[_Block]:
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
