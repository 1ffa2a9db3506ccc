"""The target network with any activation: an MLP by autograd, whose parameters are slices of one flat vector.

`target.mlp_from_chunks` is faster, and for ReLU alone.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from hnet_bench.nets.target import MlpShape


def generated_mlp(x: Tensor, flat: Tensor, shape: MlpShape, activate: Callable[[Tensor], Tensor]) -> Tensor:
    """Outputs (batch, widths[-1]) for inputs (batch, widths[0]) and parameters (>= shape.parameters,)."""
    *hidden, (weight, bias) = shape.views(flat)
    for layer in hidden:
        x = activate(functional.linear(x, *layer))
    return functional.linear(x, weight, bias)
