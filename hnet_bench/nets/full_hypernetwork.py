"""The full hypernetwork (von Oswald et al. 2020, section 2): a task embedding to all target parameters at once.

It is a chunked one with a single chunk that needs no chunk embedding, so the regulariser and the lookahead serve both.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.nets.hypernetwork import ACTIVATIONS, Activation, ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.layout import Layout


class FullHypernetwork(ChunkedHypernetwork):
    """Generates what is laid out, such as the parameters of an MLP, for each of `tasks` task embeddings.

    Initialisation as in the authors' toy experiments: embeddings from N(0, 1), biases 0, weights Xavier-uniform, those
    of the last layer for each target tensor apart, since there each has an output layer of its own.
    """

    def __init__(
        self,
        layout: Layout,
        *,
        tasks: int,
        hidden_units: tuple[int, ...],
        activation: Activation,
        task_embedding_size: int,
    ) -> None:
        shape = HypernetworkShape(
            generated=layout.parameters,
            tasks=tasks,
            chunk_size=layout.parameters,
            hidden_units=hidden_units,
            activation=activation,
            task_embedding_size=task_embedding_size,
            chunk_embedding_size=0,
        )
        super().__init__(shape)
        del self.chunk_embeddings
        heads = [torch.Size(one).numel() for one in layout.shapes]
        with torch.no_grad():
            for head in self.output[:-1].split(heads, dim=1):
                head.copy_(nn.init.xavier_uniform_(torch.empty_like(head)))

    @property
    def theta(self) -> list[nn.Parameter]:
        """Theta_h: all parameters but the task embeddings, in a fixed order, `output` last."""
        return [*self.hidden_weights, *self.hidden_biases, self.output]

    def hidden(self, task_embeddings: Tensor, theta: Sequence[Tensor] | None = None) -> Tensor:
        """Last hidden activations and a 1 for the bias, (tasks, 1, hidden + 1), for (tasks, n_e) embeddings.

        `theta` takes the place of the module's own parameters, in the order of `theta`; `output` may be left out.
        """
        theta = self.theta if theta is None else theta
        layers = len(self.hidden_weights)
        values = task_embeddings
        for weight, bias in zip(theta[:layers], theta[layers : 2 * layers], strict=True):
            values = ACTIVATIONS[self.shape.activation](functional.linear(values, weight, bias))
        return torch.cat([values, values.new_ones(len(values), 1)], dim=1).unsqueeze(1)
