"""Target networks, whose parameters are generated, and the perceptron: its parameters are slices of one flat vector.

`mlp` is the plain form, with any activation. `mlp_from_chunks` is the fast form, for ReLU and generated weights:
its backward pass writes the gradient of every parameter straight into its place in one buffer, where autograd would
zero-fill a vector of full length for each slice and add them up. A test holds both equal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.nets.layout import Layout
from hnet_bench.nets.normalisation import BatchStatistics
from hnet_bench.nets.products import affine, product


@dataclass(frozen=True)
class MlpShape:
    """Widths of an MLP from inputs to outputs; parameters lie in the order W1, b1, W2, b2, ..."""

    widths: tuple[int, ...]

    @property
    def layout(self) -> Layout:
        """Where the parameters lie: those of shape (out, in), (out,), ..."""
        return Layout(tuple(shape for fan_in, out in pairwise(self.widths) for shape in ((out, fan_in), (out,))))

    @property
    def parameters(self) -> int:
        """Number of parameters in all."""
        return self.layout.parameters

    def views(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Weight and bias of every layer as views of the first `parameters` entries of `flat`, which may be longer."""
        tensors = self.layout.views(flat)
        return list(zip(tensors[::2], tensors[1::2], strict=True))


def mlp(x: Tensor, flat: Tensor, shape: MlpShape, activate: Callable[[Tensor], Tensor] = functional.relu) -> Tensor:
    """Outputs (batch, widths[-1]) for inputs (batch, widths[0]) and parameters (>= shape.parameters,)."""
    *hidden, output = shape.views(flat)
    for layer in hidden:
        x = activate(functional.linear(x, *layer))
    return functional.linear(x, *output)


def mlp_from_chunks(x: Tensor, chunks: Tensor, shape: MlpShape) -> Tensor:
    """As `mlp(x, chunks.view(-1), shape)`, differentiable once, with respect to `chunks` (contiguous) and `x`."""
    outputs: Tensor = _FlatMlp.apply(x, chunks, shape)
    return outputs


class _FlatMlp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, chunks: Tensor, shape: MlpShape) -> Tensor:
        layers = shape.views(chunks.view(-1))
        activations = [x]
        for weight, bias in layers[:-1]:
            activations.append(affine(activations[-1], weight, bias, relu=True))
        weight, bias = layers[-1]
        outputs = affine(activations[-1], weight, bias)
        ctx.shape = shape
        ctx.save_for_backward(chunks, *activations)
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        chunks, *activations = ctx.saved_tensors
        shape: MlpShape = ctx.shape
        chunks_gradient = torch.empty_like(chunks)
        flat_gradient = chunks_gradient.view(-1)
        flat_gradient[shape.parameters :].zero_()
        layers = shape.views(chunks.view(-1))
        gradients = shape.views(flat_gradient)
        for index in reversed(range(len(layers))):
            product(gradient.t(), activations[index], out=gradients[index][0])
            torch.sum(gradient, 0, out=gradients[index][1])
            if index > 0 or ctx.needs_input_grad[0]:
                gradient = product(gradient, layers[index][0])
            if index > 0:
                torch.ops.aten.threshold_backward.grad_input(gradient, activations[index], 0, grad_input=gradient)
        return (gradient if ctx.needs_input_grad[0] else None), chunks_gradient, None


class TargetNetwork(nn.Module):
    """A network whose parameters are generated, but for some that it may hold; it keeps `sets` sets of running
    statistics, if it has such."""

    def __init__(self, layout: Layout, sets: int = 0, filters: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.layout = layout
        self._sets = [BatchStatistics(filters) for _ in range(sets)]
        self.statistics = nn.ModuleList(self._sets)

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        """Outputs (batch, outputs) of all heads for inputs (batch, ...), with the parameters generated for a task."""
        raise NotImplementedError
