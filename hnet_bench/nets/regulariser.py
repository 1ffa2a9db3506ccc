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
chunk only the first columns are used, so columns are treated in two groups: those that all chunks use and those that
the last does not. Differences rather than products of weights enter, so nothing cancels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork


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
            rows = len(hypernetwork.output)
            # S: the upper half becomes D at every step, the lower half is V*.
            self._stacked = hypernetwork.output.detach().repeat(2, 1)
        self._rows = rows

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
        z, groups = self._changes(self._hypernetwork.hidden(self._embeddings, theta), theta[-1])
        total = z.new_zeros(())
        for columns, chunks in groups:
            for task_changes in z[:, :chunks]:
                total = total + (task_changes @ self._stacked[:, columns]).square().sum()
        return self._scale * total

    def _last_layer_gradient(self, hidden: Tensor, output: Tensor, output_gradient: Tensor) -> Tensor:
        """Adds the gradient with respect to V' to `output_gradient`; returns that with respect to h'."""
        rows, tasks = self._rows, len(hidden)
        z, groups = self._changes(hidden, output)
        hidden_gradient = torch.zeros_like(hidden)
        for columns, chunks in groups:
            stacked, used = self._stacked[:, columns], z[:, :chunks].flatten(0, 1)
            moments = used[:, :rows].t() @ used  # sum of h'^T z
            output_gradient[:, columns].addmm_(moments, stacked, alpha=2 * self._scale)
            product = stacked @ output[:, columns].t()  # S V'^T
            hidden_gradient[:, :chunks] += (used @ product).view(tasks, chunks, rows)
        return hidden_gradient.mul_(2 * self._scale)

    def _changes(self, hidden: Tensor, output: Tensor) -> tuple[Tensor, list[tuple[slice, int]]]:
        """z of every old task and chunk, (tasks, chunks, 2 rows), with S brought up to date; and the groups of columns,
        each with the number of chunks that use it."""
        rows, shape = self._rows, self._hypernetwork.shape
        torch.sub(output, self._stacked[rows:], out=self._stacked[:rows])
        z = torch.cat([hidden, hidden - self._old_hidden], dim=2)
        groups = [(slice(0, shape.last_chunk), shape.chunks)]
        if shape.last_chunk < shape.chunk_size and shape.chunks > 1:
            groups.append((slice(shape.last_chunk, shape.chunk_size), shape.chunks - 1))
        return z, groups
