"""The output regulariser where each old task counts only the outputs of its own head, as in the authors' CIFAR code.

    beta / (number of old tasks) * sum over old tasks t of || m_t * (f_h(e_t, theta*) - f_h(e_t, theta + delta)) ||^2

with m_t 1 for all parameters but weights and biases of the outputs of other heads, where it is 0.

The outputs' parameters come last, so m_t differs from 1 in the last chunks alone. All others are taken in the Gram form
of `nets.regulariser`, which says what z and S are; in the last ones every change z S is computed, masked, and led back.
Columns that the last chunk does not use are masked too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.products import add_product, product


class MaskedRegulariser:
    """The regulariser against the parameters that a hypernetwork has when this object is made.

    `masks` holds m_t (generated,) for each of the old tasks, the first ones.
    """

    def __init__(self, hypernetwork: ChunkedHypernetwork, masks: list[Tensor], strength: float) -> None:
        if not masks:
            raise ValueError("There must be at least one old task, found 0.")
        self._hypernetwork = hypernetwork
        self._scale = strength / len(masks)
        self._rows = len(hypernetwork.output)
        output = hypernetwork.output.detach()
        shape = hypernetwork.shape
        used = torch.zeros(len(masks), shape.chunks * shape.chunk_size, dtype=output.dtype, device=output.device)
        used[:, : shape.generated] = torch.stack(masks)
        by_chunk = used.view(len(masks), shape.chunks, shape.chunk_size)
        whole = by_chunk.all(dim=2).all(dim=0).tolist()
        self._plain = [*whole, False].index(False)  # so many chunks, the first ones, are not masked for any task
        with torch.no_grad():
            self._masks = by_chunk[:, self._plain :].flatten(0, 1).clone()
            embeddings = list(hypernetwork.task_embeddings)[: len(masks)]
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
        plain, masked = z[:, : self._plain].flatten(0, 1), z[:, self._plain :].flatten(0, 1)
        changes = (plain @ self._stacked).square().sum() + (masked @ self._stacked).mul_(self._masks).square().sum()
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
            h, masked = hidden[:, self._plain :].flatten(0, 1), z[:, self._plain :].flatten(0, 1)
            changes = product(masked, self._stacked).mul_(self._masks)
            of_hidden[:, self._plain :] = product(changes, output.t()).view(len(hidden), -1, self._rows)
            add_product(gradient, h.t(), changes, 2 * self._scale)
        return of_hidden.mul_(2 * self._scale)

    def _renew(self, output: Tensor) -> None:
        torch.sub(output, self._stacked[self._rows :], out=self._stacked[: self._rows])
