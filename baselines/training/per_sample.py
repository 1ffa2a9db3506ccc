"""Sizes of per-sample gradients in closed form, for networks whose parameters all belong to linear layers.

The gradient of one sample by the weights of a linear layer is the outer product of two vectors: the derivative by the
layer's outputs and the layer's inputs. So its squares are the outer product of their squares, and summing these over a
batch is one matrix product; the same holds for absolute values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from hnet_bench.interfaces import UserError

# Outputs (batch, C) and labels (batch,) -> pairs of weights (batch,) and derivatives (batch, C) of some function by the
# outputs.
Derivatives = Callable[[Tensor, Tensor], Iterable[tuple[Tensor, Tensor]]]
_Calls = list[tuple[nn.Linear, Tensor, Tensor]]  # layer, its inputs (batch, in), its outputs (batch, out)


def mean_sizes(
    model: nn.Module,
    parameters: Sequence[nn.Parameter],
    batches: Iterable[tuple[Tensor, Tensor]],
    outputs: Callable[[Tensor], Tensor],
    derivatives: Derivatives,
    size: Callable[[Tensor], Tensor],
) -> list[Tensor]:
    """For each parameter the mean over samples of: sum over j of weight_j * size(gradient of function j).

    `batches` are inputs and labels; `outputs` calls the model for inputs; `derivatives` says of which functions of the
    outputs the gradients are taken; `size` is torch.square or torch.abs. Raises UserError for a model that is not made
    of linear layers that each are used once, for inputs (batch, features).
    """
    _check(model, parameters)
    sums: dict[Tensor, Tensor] = {parameter: torch.zeros_like(parameter.detach()) for parameter in parameters}
    samples = 0
    for x, labels in batches:
        with _recorded(model) as calls:
            found = outputs(x)
        samples += len(found)
        _add_sizes(sums, calls, found, derivatives(found.detach(), labels), size)
    return [sums[parameter] / samples for parameter in parameters]


def _add_sizes(
    sums: dict[Tensor, Tensor],
    calls: _Calls,
    outputs: Tensor,
    derivatives: Iterable[tuple[Tensor, Tensor]],
    size: Callable[[Tensor], Tensor],
) -> None:
    """Adds those of one batch. The inputs of a layer are the same for all functions: one product per layer for all."""
    results = [result for _, _, result in calls]
    totals = [torch.zeros_like(result) for result in results]
    for weight, derivative in derivatives:
        # By the results of layers alone, so that no gradient by the weights is computed.
        deltas = torch.autograd.grad(outputs, results, derivative, retain_graph=True)
        for total, delta in zip(totals, deltas, strict=True):
            total.addcmul_(size(delta), weight.unsqueeze(1))
    for (layer, inputs, _), total in zip(calls, totals, strict=True):
        if layer.weight in sums:
            sums[layer.weight].addmm_(total.T, size(inputs))
        if layer.bias is not None and layer.bias in sums:
            sums[layer.bias].add_(total.sum(0))


@contextmanager
def _recorded(model: nn.Module) -> Iterator[_Calls]:
    """What goes into and comes out of every linear layer of the model that is called meanwhile."""
    calls: _Calls = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, nn.Linear)
        if any(layer is called for called, _, _ in calls) or inputs[0].dim() != 2:
            raise UserError(
                "Importances of parameters need linear layers that are called once, for inputs of 2 dimensions: found "
                f"one that is called again or for {inputs[0].dim()} dimensions."
            )
        calls.append((layer, inputs[0].detach(), output))

    hooks = [layer.register_forward_hook(record) for layer in _linear_layers(model)]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _linear_layers(model: nn.Module) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def _check(model: nn.Module, parameters: Sequence[nn.Parameter]) -> None:
    owned = [parameter for layer in _linear_layers(model) for parameter in layer.parameters(recurse=False)]
    for parameter in parameters:
        layers = sum(parameter is candidate for candidate in owned)
        if layers != 1:
            raise UserError(
                "Importances of parameters need a model whose parameters each belong to one nn.Linear: found one of "
                f"shape {list(parameter.shape)} that belongs to {layers}."
            )
