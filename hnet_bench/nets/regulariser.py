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
    with respect to h'   2 z (S V'^T),   and S V'^T follows from S S^T, since V' = D + V*

The long dimension of a chunk meets only S S^T and one product with an inner matrix. Of the last chunk only the first
columns are used, so columns are treated in two groups: those that all chunks use and those that the last does not.
Differences rather than products of weights enter, so nothing cancels.
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
    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> Tensor:
        """Adds the gradient with respect to `theta` to `gradients`, both in the order of `theta`; returns the loss.

        `theta` are the parameters at which the regulariser is taken (theta + delta with lookahead). They are not
        changed. The loss is a tensor of no dimension, without history; no value is copied to the host.
        """
        small = [tensor.detach().requires_grad_() for tensor in theta[:-1]]
        output = theta[-1].detach()
        hidden = self._hypernetwork.hidden(self._embeddings, small)
        with torch.no_grad():
            loss, hidden_gradient = self._last_layer(hidden.detach(), output, gradients[-1])
        for gradient, addition in zip(gradients[:-1], torch.autograd.grad(hidden, small, hidden_gradient), strict=True):
            gradient.add_(addition)
        return loss

    def _last_layer(self, hidden: Tensor, output: Tensor, output_gradient: Tensor) -> tuple[Tensor, Tensor]:
        rows, shape = self._rows, self._hypernetwork.shape
        torch.sub(output, self._stacked[rows:], out=self._stacked[:rows])
        z = torch.cat([hidden, hidden - self._old_hidden], dim=2)  # (tasks, chunks, 2 rows)
        loss = z.new_zeros(())
        z_gradient = torch.zeros_like(hidden)
        # The last chunk uses the first columns alone; where it is full there is one group.
        groups = [(slice(0, shape.last_chunk), shape.chunks)]
        if shape.last_chunk < shape.chunk_size and shape.chunks > 1:
            groups.append((slice(shape.last_chunk, shape.chunk_size), shape.chunks - 1))
        for columns, chunks in groups:
            stacked = self._stacked[:, columns]
            used = z[:, :chunks].reshape(-1, 2 * rows)
            moments = used.t() @ used  # sum of z^T z
            gram = stacked @ stacked.t()  # S S^T
            loss = loss + (gram * moments).sum()
            output_gradient[:, columns].addmm_(moments[:rows], stacked, alpha=2 * self._scale)
            product = gram[:, :rows] + gram[:, rows:]  # S V'^T
            z_gradient[:, :chunks] += (used @ product).view(len(hidden), chunks, rows)
        return self._scale * loss, z_gradient.mul_(2 * self._scale)
