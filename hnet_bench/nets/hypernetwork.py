"""The chunked hypernetwork (von Oswald et al. 2020, section 2.3): task and chunk embeddings to target parameters.

A small MLP maps [task embedding; chunk embedding] to the parameters of one chunk; all chunks together, cut off at the
end, are the parameters of the target network. Chunk boundaries ignore layer boundaries.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.nets.products import linear, matmul

Activation = Literal["relu", "elu", "sigmoid"]
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "elu": functional.elu,
    "sigmoid": torch.sigmoid,
}


@dataclass(frozen=True, kw_only=True)
class HypernetworkShape:
    """Sizes of a chunked hypernetwork."""

    generated: int  # number of target parameters
    tasks: int  # T: all task embeddings exist from the start
    chunk_size: int
    hidden_units: tuple[int, ...]
    activation: Activation
    task_embedding_size: int
    chunk_embedding_size: int

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return math.ceil(self.generated / self.chunk_size)

    @property
    def last_chunk(self) -> int:
        """How many parameters of the last chunk are used; what exceeds the target network is cut off."""
        return self.generated - (self.chunks - 1) * self.chunk_size


class ChunkedHypernetwork(nn.Module):
    """Generates the parameters of a target network for each of `shape.tasks` task embeddings.

    Initialisation as in the authors' MNIST experiments: embeddings from N(0, 1), weights Xavier-uniform, biases 0.

    The last layer is one tensor `output` of shape (hidden + 1, chunk_size): its rows are the weights from each hidden
    unit, and last the bias. With the long dimension contiguous, its products read memory in order.
    """

    def __init__(self, shape: HypernetworkShape, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.task_embeddings = nn.ParameterList(  # e_t; not part of theta
            torch.randn(shape.task_embedding_size, generator=generator) for _ in range(shape.tasks)
        )
        self.chunk_embeddings = nn.Parameter(  # c_i; part of theta
            torch.randn(shape.chunks, shape.chunk_embedding_size, generator=generator)
        )
        widths = [shape.task_embedding_size + shape.chunk_embedding_size, *shape.hidden_units]
        self.hidden_weights = nn.ParameterList()
        self.hidden_biases = nn.ParameterList()
        for fan_in, fan_out in pairwise(widths):
            self.hidden_weights.append(_xavier_uniform(fan_out, fan_in, generator))
            self.hidden_biases.append(torch.zeros(fan_out))
        weights = _xavier_uniform(shape.chunk_size, widths[-1], generator).t()
        self.output = nn.Parameter(torch.cat([weights, torch.zeros(1, shape.chunk_size)]).contiguous())

    @property
    def theta(self) -> list[nn.Parameter]:
        """Theta_h: all parameters but the task embeddings, in a fixed order, `output` last."""
        return [self.chunk_embeddings, *self.hidden_weights, *self.hidden_biases, self.output]

    @property
    def trained_parameters(self) -> int:
        """Number of all parameters, task embeddings included."""
        return sum(parameter.numel() for parameter in self.parameters())

    def hidden(self, task_embeddings: Tensor, theta: Sequence[Tensor] | None = None) -> Tensor:
        """Last hidden activations and a 1 for the bias, (tasks, chunks, hidden + 1), for (tasks, n_e) embeddings.

        `theta` takes the place of the module's own parameters, in the order of `theta`; `output` may be left out.
        """
        theta = self.theta if theta is None else theta
        layers = len(self.hidden_weights)
        chunk_embeddings, weights, biases = theta[0], theta[1 : 1 + layers], theta[1 + layers : 1 + 2 * layers]
        tasks, chunks = len(task_embeddings), len(chunk_embeddings)
        activate = ACTIVATIONS[self.shape.activation]
        if layers:
            # The first layer is linear in [e; c], so its two parts are computed once per task and once per chunk.
            size = task_embeddings.shape[1]
            from_tasks = task_embeddings @ weights[0][:, :size].t()
            from_chunks = torch.addmm(biases[0], chunk_embeddings, weights[0][:, size:].t())
            values = activate(from_tasks.unsqueeze(1) + from_chunks)
            for weight, bias in zip(weights[1:], biases[1:], strict=True):
                values = activate(linear(values.flatten(0, 1), weight, bias)).view(tasks, chunks, -1)
        else:
            values = torch.cat(
                [
                    task_embeddings.unsqueeze(1).expand(-1, chunks, -1),
                    chunk_embeddings.unsqueeze(0).expand(tasks, -1, -1),
                ],
                dim=2,
            )
        return torch.cat([values, values.new_ones(tasks, chunks, 1)], dim=2)

    def chunks(self, task: int) -> Tensor:
        """Generated chunks of one task, (chunks, chunk_size): the parameters, and what is cut off."""
        return matmul(self.hidden(self.task_embeddings[task].unsqueeze(0))[0], self.output)

    def forward(self, task: int) -> Tensor:
        """Target parameters f_h(e_t, theta) of one task as a flat vector, (shape.generated,)."""
        return self.chunks(task).reshape(-1)[: self.shape.generated]

    def of_embedding(self, embedding: Tensor) -> Tensor:
        """Target parameters (shape.generated,) for any task embedding (n_e,), computed in float64 by PyTorch's own
        products, which have derivatives of every kind."""
        theta = [parameter.double() for parameter in self.theta]
        hidden = self.hidden(embedding.double().unsqueeze(0), theta)[0]
        return (hidden @ theta[-1]).reshape(-1)[: self.shape.generated].to(embedding.dtype)


def _xavier_uniform(fan_out: int, fan_in: int, generator: torch.Generator | None) -> Tensor:
    bound = math.sqrt(6 / (fan_in + fan_out))
    return torch.empty(fan_out, fan_in).uniform_(-bound, bound, generator=generator)
