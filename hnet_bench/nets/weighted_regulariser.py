"""The output regulariser where the generated parameters of each old task have weights.

    beta / (number of old tasks) * sum over old tasks t of w_t . (f_h(e_t, theta*) - f_h(e_t, theta + delta))^2

with squares by parameter. In the authors' CIFAR code each old task counts only the outputs of its own head: w_t is 1
but for weights and biases of the outputs of other heads, where it is 0. In their toy example it may be how important a
parameter is for the task, by the diagonal of the Fisher matrix.

Chunks at the beginning where all weights are 1 are taken in the Gram form of `nets.regulariser`, which says what z and
S are: with masks of heads all but the last, since the outputs' parameters come last. In the others every change z S is
computed, weighted, and led back. Columns that the last chunk does not use have the weight 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.products import add_product, product


class WeightedRegulariser:
    """The regulariser against the parameters that a hypernetwork has when this object is made.

    `weights` holds those (generated,) of each of the old tasks, the first ones.
    """

    def __init__(self, hypernetwork: ChunkedHypernetwork, weights: list[Tensor], strength: float) -> None:
        if not weights:
            raise ValueError("There must be at least one old task, found 0.")
        self._hypernetwork = hypernetwork
        self._scale = strength / len(weights)
        self._rows = len(hypernetwork.output)
        output = hypernetwork.output.detach()
        shape = hypernetwork.shape
        used = torch.zeros(len(weights), shape.chunks * shape.chunk_size, dtype=output.dtype, device=output.device)
        used[:, : shape.generated] = torch.stack(weights)
        by_chunk = used.view(len(weights), shape.chunks, shape.chunk_size)
        whole = (by_chunk == 1).all(dim=2).all(dim=0).tolist()
        self._plain = [*whole, False].index(False)  # so many chunks, the first ones, have weights 1 for all tasks
        with torch.no_grad():
            self._weights = by_chunk[:, self._plain :].flatten(0, 1).clone()
            embeddings = list(hypernetwork.task_embeddings)[: len(weights)]
            self._embeddings = torch.stack([embedding.detach() for embedding in embeddings])
            self._old_hidden = hypernetwork.hidden(self._embeddings).detach()  # h*: (tasks, chunks, rows)
            self._stacked = output.repeat(2, 1)  # S = [D; V*]: (2 rows, chunk_size)

    @torch.enable_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def add_gradient(self, theta: list[Tensor], gradients: list[Tensor]) -> None:
        """Adds the gradient with respect to `theta` to `gradients`, both in the order of `ChunkedHypernetwork.theta`.

        `theta` are the parameters at which the regulariser is taken (theta + delta with lookahead); they are not
        changed.
        """
        small, output = [tensor.detach().requires_grad_() for tensor in theta[:-1]], theta[-1].detach()
        hidden = self._hypernetwork.hidden(self._embeddings, small)
        with torch.no_grad():
            hidden_gradient = self._add_of_output(hidden.detach(), output, gradients[-1])
        additions = torch.autograd.grad(hidden, small, hidden_gradient)
        for gradient, addition in zip(gradients[:-1], additions, strict=True):
            gradient.add_(addition)

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def loss(self, theta: list[Tensor]) -> Tensor:
        """The regulariser's value at `theta`, a tensor of no dimension; training needs its gradient alone."""
        hidden = self._hypernetwork.hidden(self._embeddings, theta)
        self._renew(theta[-1])
        z = torch.cat([hidden, hidden - self._old_hidden], dim=2)
        plain, weighted = z[:, : self._plain].flatten(0, 1), z[:, self._plain :].flatten(0, 1)
        changes = (plain @ self._stacked).square().sum() + (weighted @ self._stacked).square().mul_(self._weights).sum()
        return self._scale * changes

    def _add_of_output(self, hidden: Tensor, output: Tensor, gradient: Tensor) -> Tensor:
        """Adds the gradient of V' to `gradient`; returns that of h' (tasks, chunks, rows)."""
        self._renew(output)
        z = torch.cat([hidden, hidden - self._old_hidden], dim=2)
        of_hidden = torch.empty_like(hidden)
        if self._plain:
            h, plain = hidden[:, : self._plain].flatten(0, 1), z[:, : self._plain].flatten(0, 1)
            through = product(self._stacked, output.t())  # S V'^T
            of_hidden[:, : self._plain] = product(plain, through).view(len(hidden), self._plain, self._rows)
            add_product(gradient, product(h.t(), plain), self._stacked, 2 * self._scale)
        if self._plain < hidden.shape[1]:
            h, weighted = hidden[:, self._plain :].flatten(0, 1), z[:, self._plain :].flatten(0, 1)
            changes = product(weighted, self._stacked).mul_(self._weights)
            of_hidden[:, self._plain :] = product(changes, output.t()).view(len(hidden), -1, self._rows)
            add_product(gradient, h.t(), changes, 2 * self._scale)
        return of_hidden.mul_(2 * self._scale)

    def _renew(self, output: Tensor) -> None:
        torch.sub(output, self._stacked[self._rows :], out=self._stacked[: self._rows])
