"""Sizes of per-sample gradients in closed form, for networks of linear layers, convolutions and batch normalisation.

The gradient of one sample by the weights of a linear layer is the outer product of two vectors: the derivative by the
layer's outputs and the layer's inputs. So its squares are the outer product of their squares, and summing these over a
batch is one matrix product; the same holds for absolute values. A convolution is a linear layer that is applied in many
places of an image: the gradients of one sample are a sum of outer products, one matrix product for each sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.interfaces import UserError
from hnet_bench.nets.normalisation import Normalisation

# Outputs (batch, C) and labels (batch,) -> pairs of weights (batch,) and derivatives (batch, C) of some function by the
# outputs.
Derivatives = Callable[[Tensor, Tensor], Iterable[tuple[Tensor, Tensor]]]
# Outputs of a layer whose part of kernels is summed at once.
_UNITS_AT_ONCE = 8
_Layer = nn.Linear | nn.Conv2d | Normalisation
_Calls = list[tuple[_Layer, Tensor, Tensor]]  # layer, its inputs (batch, in, ...), its outputs (batch, out, ...)


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
    of such layers, each used once, linear ones for inputs (batch, features).
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
    """Adds those of one batch. The inputs of a layer are the same for all functions: one product per linear layer for
    all."""
    results = [result for _, _, result in calls]
    totals = [torch.zeros_like(result) if isinstance(layer, nn.Linear) else None for layer, _, result in calls]
    for weight, derivative in derivatives:
        # By the results of layers alone, so that no gradient by the weights is computed.
        deltas = torch.autograd.grad(outputs, results, derivative, retain_graph=True)
        for (layer, inputs, _), total, delta in zip(calls, totals, deltas, strict=True):
            if total is not None:
                total.addcmul_(size(delta), weight.unsqueeze(1))
                continue
            for parameter, gradients in _gradients(layer, inputs, delta):
                if parameter in sums:
                    sums[parameter].view(-1).addmv_(size(gradients.flatten(1)).T, weight)
    for (layer, inputs, _), total in zip(calls, totals, strict=True):
        if total is None:
            continue
        if layer.weight in sums:
            sums[layer.weight].addmm_(total.T, size(inputs))
        if layer.bias is not None and layer.bias in sums:
            sums[layer.bias].add_(total.sum(0))


def _gradients(layer: _Layer, inputs: Tensor, delta: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Parameters of a layer for images, and the gradients (batch, ...) of each sample by them, given the derivatives
    `delta` (batch, out, height, width) by its outputs."""
    delta = delta.flatten(2)
    if isinstance(layer, nn.Conv2d):
        if isinstance(layer.padding, str):
            raise UserError(f"Importances of parameters need a padding in pixels, found '{layer.padding}'.")
        patches = functional.unfold(inputs, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        yield layer.weight, delta @ patches.transpose(1, 2)
    else:
        yield layer.weight, (delta * inputs.flatten(2)).sum(2)
    if layer.bias is not None:
        yield layer.bias, delta.sum(2)


def jacobian_kernels(
    model: nn.Module,
    parameters: Sequence[nn.Parameter],
    x: Tensor,
    functions: Callable[[Tensor], Tensor],
    variances: Sequence[Tensor],
) -> Tensor:
    """K_c = J_c diag(variances) J_c^T, (C, n, n) in float64, where J_c (n, parameters) is the Jacobian of function c.

    `functions` calls the model for inputs (n, ...) and gives (n, C); `variances` are as the parameters. In closed form
    for linear layers: with derivatives d (n, out) by a layer's outputs and its inputs h (n, in), the entry of a and b
    is the sum over units u of d_au d_bu (sum over j of h_aj v_uj h_bj), and the latter is the same for all functions.
    Raises UserError as `mean_sizes`, and for a model with other layers.
    """
    _check(model, parameters)
    with _recorded(model) as calls:
        values = functions(x)
    if others := [layer for layer, _, _ in calls if not isinstance(layer, nn.Linear)]:
        raise UserError(f"Kernels of Jacobians need linear layers alone, found a {type(others[0]).__name__}.")
    results = [result for _, _, result in calls]
    deltas = [
        torch.autograd.grad(one.sum(), results, retain_graph=True, materialize_grads=True) for one in values.unbind(1)
    ]
    variance: dict[Tensor, Tensor] = dict(zip(parameters, variances, strict=True))
    kernels = torch.zeros(values.shape[1], len(x), len(x), dtype=torch.float64, device=x.device)
    for index, (layer, inputs, _) in enumerate(calls):
        of_functions = torch.stack([delta[index] for delta in deltas]).double()  # (C, n, out)
        inputs = inputs.double()
        for units in torch.arange(of_functions.shape[2], device=x.device).split(_UNITS_AT_ONCE):
            of_weights = variance[layer.weight][units].double().unsqueeze(1)  # (units, 1, in)
            shared = (inputs * of_weights) @ inputs.T  # (units, n, n)
            if layer.bias is not None:
                shared += variance[layer.bias][units].double().view(-1, 1, 1)
            for kernel, derivatives in zip(kernels, of_functions[:, :, units], strict=True):
                kernel += torch.einsum("au,bu,uab->ab", derivatives, derivatives, shared)
    return kernels


@contextmanager
def _recorded(model: nn.Module) -> Iterator[_Calls]:
    """What goes into and comes out of every layer of the model that is called meanwhile. What goes into batch
    normalisation is what its gain multiplies."""
    calls: _Calls = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(layer, _Layer)
        dimensions = 2 if isinstance(layer, nn.Linear) else 4
        if any(layer is called for called, _, _ in calls) or inputs[0].dim() != dimensions:
            raise UserError(
                f"Importances of parameters need layers that are called once, a {type(layer).__name__} for inputs of "
                f"{dimensions} dimensions: found one that is called again or for {inputs[0].dim()} dimensions."
            )
        given = inputs[0].detach()
        if isinstance(layer, Normalisation):
            _, mean, variance = inputs
            given = functional.batch_norm(given, mean, variance)
        calls.append((layer, given, output))

    hooks = [layer.register_forward_hook(record) for layer in _layers(model)]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _layers(model: nn.Module) -> list[_Layer]:
    """Those for which there is a closed form."""
    return [
        module
        for module in model.modules()
        if isinstance(module, (nn.Linear, Normalisation))
        or (isinstance(module, nn.Conv2d) and (module.groups, module.padding_mode) == (1, "zeros"))
    ]


def _check(model: nn.Module, parameters: Sequence[nn.Parameter]) -> None:
    owned = [parameter for layer in _layers(model) for parameter in layer.parameters(recurse=False)]
    for parameter in parameters:
        layers = sum(parameter is candidate for candidate in owned)
        if layers != 1:
            raise UserError(
                "Importances of parameters need a model whose parameters each belong to one nn.Linear, nn.Conv2d "
                f"(without groups) or Normalisation: found one of shape {list(parameter.shape)} that belongs to "
                f"{layers}."
            )
