"""Matrix products in float32 on the CPU, by the faster of the two libraries that PyTorch brings along.

PyTorch leaves such products to MKL, which does without the widest vector instructions where the processor is not
Intel's. oneDNN uses them: on an AMD processor with AVX-512 it is 1.5 to 2.2 times as fast, five times where the inner
dimension is the long one (`tests/bench/test_products.py` measures it). With AVX2 alone neither is the faster one for
all sizes, and `BY_PYTORCH` says which of them are PyTorch's. Its product is not in PyTorch's public interface, so
whatever stands in its way (another device, another precision, a PyTorch without it) leads to PyTorch's own; the choice
depends on nothing else but the sizes and the processor's vector instructions, so that on one machine the same run gives
the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Multiplications below which a call costs more than it saves.
LEAST_WORK = 500_000
# Inner dimension below which a product that is added to something costs little more than that addition.
LEAST_INNER = 64


# Large products of (m, k) and (k, n) matrices that PyTorch's library computes faster than oneDNN, by the vector
# instructions that torch finds on the processor; all others are oneDNN's. Measured on an AMD Zen 1: docs/performance.md
# has the times. Whoever adds a line changes the last digits of all runs on such processors.
BY_PYTORCH: dict[str, Callable[[int, int, int], bool]] = {
    "AVX2": lambda m, k, n: k < 24 or (k >= 1000 and min(m, n) >= 128),
}


def _onednn() -> Any:
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)


_times_transposed = _onednn()  # x, w, bias, "none" or "relu", ... -> x w^T + bias, or its positive part
_by_pytorch = BY_PYTORCH.get(torch.backends.cpu.get_cpu_capability())


def library() -> str:
    """Which library computes large products on the CPU, for the record: one, or both by the sizes of `BY_PYTORCH`."""
    if _times_transposed is None:
        return "PyTorch"
    return "oneDNN or PyTorch by size" if _by_pytorch else "oneDNN"


def product(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """left (m, k) times right (k, n), without autograd; `out` (m, n) takes the result if it is given."""
    if not _suits(left, right, right.shape[1]):
        return torch.mm(left, right, out=out)
    result = _by_onednn(left, right.t(), None, "none")
    return result if out is None else out.copy_(result)


def add_product(target: Tensor, left: Tensor, right: Tensor, factor: float = 1.0) -> Tensor:
    """Adds factor * left (m, k) times right (k, n) to `target` (m, n) in place, without autograd."""
    if left.shape[1] < LEAST_INNER or not _suits(left, right, right.shape[1]):
        return target.addmm_(left, right, alpha=factor)
    return target.add_(product(left, right), alpha=factor)


def affine(x: Tensor, weight: Tensor, bias: Tensor, *, relu: bool = False) -> Tensor:
    """Outputs x weight^T + bias for x (batch, in), weight (out, in), bias (out,); their positive part if `relu`."""
    if _suits(x, weight, len(weight)):
        return _by_onednn(x, weight, bias, "relu" if relu else "none")
    result = torch.addmm(bias, x, weight.t())
    return result.relu_() if relu else result


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """As `torch.nn.functional.linear`; differentiable once."""
    if x.dim() == 2 and _suits(x, weight, len(weight)):
        result: Tensor = _Linear.apply(x, weight, bias)
        return result
    return functional.linear(x, weight, bias)


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """As `torch.mm`; differentiable once."""
    result: Tensor = _Matmul.apply(left, right)
    return result


class Linear(nn.Linear):
    """As `torch.nn.Linear`."""

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, out) for inputs (batch, in)."""
        return linear(x, self.weight, self.bias)


def _suits(left: Tensor, right: Tensor, columns: int) -> bool:
    return (
        _times_transposed is not None
        and left.device.type == "cpu"
        and left.dtype == right.dtype == torch.float32
        and left.numel() * columns >= LEAST_WORK
        and not (_by_pytorch and _by_pytorch(len(left), left.shape[1], columns))
    )


def _by_onednn(x: Tensor, weight: Tensor, bias: Tensor | None, then: str) -> Tensor:
    result: Tensor = _times_transposed(_dense(x), _dense(weight), bias, then, [], "")
    return result


def _dense(matrix: Tensor) -> Tensor:
    """The matrix without gaps between its rows or columns; with gaps oneDNN would fall back on plain loops."""
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _by_onednn(x, weight, bias, "none")

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        return (
            product(gradient, weight) if of_x else None,
            product(gradient.t(), x) if of_weight else None,
            gradient.sum(0) if of_bias else None,
        )


class _Matmul(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor) -> Tensor:
        ctx.save_for_backward(left, right)
        return product(left, right)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        left, right = ctx.saved_tensors
        of_left, of_right = ctx.needs_input_grad
        return (
            product(gradient, right.t()) if of_left else None,
            product(left.t(), gradient) if of_right else None,
        )
