"""A classifier whose tasks share the weights of one network, under a generated mask each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.interfaces import Setup
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.layout import Layout
from hnet_bench.nets.masks import mask
from hnet_bench.nets.networks import GeneratedMlp, ordinary_network
from hnet_bench.strategies.training.generated import GeneratedClassifier


class MaskedClassifier(GeneratedClassifier):
    """The weights of a task are `weights` times its mask; the biases of the outputs, which come last, have none."""

    def __init__(
        self, setup: Setup, hypernetwork: Callable[[Layout, int], ChunkedHypernetwork], *, percentile: float
    ) -> None:
        """`hypernetwork` makes one that generates what is laid out, for a number of tasks."""
        target = GeneratedMlp(setup)
        self.masked = Layout(target.layout.shapes[:-1])
        super().__init__(setup, target, lambda tasks: hypernetwork(self.masked, tasks))
        self.percentile = percentile
        self.weights = nn.Parameter(nn.utils.parameters_to_vector(ordinary_network(setup).parameters()).detach())

    def mask(self, raw: Tensor, percentile: float) -> Tensor:
        """Mask (parameters,) of the whole network from raw outputs (masked.parameters,) of the hypernetwork."""
        outputs = self.target.layout.parameters - self.masked.parameters
        return functional.pad(mask(raw, self.masked, percentile), (0, outputs), value=1.0)

    def generated(self, task: int) -> Tensor:
        """Weights of one task, (parameters,)."""
        return self.weights * self.mask(self.hypernetwork(task), self.percentile)

    def hidden(self, tasks: int) -> Tensor:
        """Last hidden activations of the hypernetwork for the first tasks, (tasks * chunks, hidden + 1)."""
        return self.hypernetwork.hidden(torch.stack(list(self.hypernetwork.task_embeddings)[:tasks])).flatten(0, 1)

    def raw(self, chunks: Tensor) -> Tensor:
        """Raw outputs (tasks, masked.parameters) from chunks (tasks * chunks, chunk_size)."""
        shape = self.hypernetwork.shape
        rows = chunks.view(-1, shape.chunks * shape.chunk_size)
        return rows if rows.shape[1] == shape.generated else rows[:, : shape.generated]


def torch_initialise(hypernetwork: ChunkedHypernetwork) -> None:
    """Gives all layers torch's initialisation of linear layers, from which masks begin well between 0 and 1."""
    output = hypernetwork.output
    weights, biases = [*hypernetwork.hidden_weights, output[:-1].t()], [*hypernetwork.hidden_biases, output[-1]]
    with torch.no_grad():
        for weight, bias in zip(weights, biases, strict=True):
            bound = weight.shape[1] ** -0.5
            weight.uniform_(-bound, bound)
            bias.uniform_(-bound, bound)
