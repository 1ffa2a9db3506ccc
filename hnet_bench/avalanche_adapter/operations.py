"""Floating-point operations of training, counted by torch, in few steps of many so that it costs next to nothing.

What is counted are matrix products and convolutions, forward and backward, whatever network or formula they belong to:
a step's own network, old copies of it, what a hypernetwork generates and its regulariser, replay models. A product of
(m, k) and (k, n) has 2 m k n operations, a multiplication and an addition each. What is done element by element does
not count, such as Adam's steps or the penalty of EWC.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from hnet_bench.avalanche_adapter.batches import FixedIterations
from hnet_bench.interfaces import Setup
from hnet_bench.nets.networks import target_network

# Steps of each loop, after its first, whose mean stands for those after them: as many as methods that replay generate
# inputs for at once. Counting makes a step of a small network twice as long.
SAMPLED = 8


def _of_linear(x: Any, weight: Any, *_: Any, **__: Any) -> int:
    """For x (batch, in) and weight (out, in)."""
    return int(2 * torch.Size(x).numel() * weight[0])


def _of_product(left: int, right: int) -> Callable[..., int]:
    """For matrices or vectors (m, k) and (k, n) among the arguments, by their shapes."""

    def operations(*shapes: Any, **_: Any) -> int:
        columns = shapes[right][1] if len(shapes[right]) > 1 else 1
        return int(2 * torch.Size(shapes[left]).numel() * columns)

    return operations


# What torch does not count by itself: oneDNN's product (`nets.products`), products in place, those with vectors.
_MORE: dict[Any, Callable[..., int]] = {
    torch.ops.aten.addmm_: _of_product(1, 2),
    torch.ops.aten.mv: _of_product(0, 1),
    torch.ops.aten.addmv: _of_product(1, 2),
    torch.ops.aten.dot: _of_product(0, 1),
}
if (_onednn := getattr(torch.ops.mkldnn, "_linear_pointwise", None)) is not None:
    _MORE[_onednn] = _of_linear


def counter() -> FlopCounterMode:
    """Counts while it is entered; it changes no number that is computed."""
    return FlopCounterMode(display=False, custom_mapping=_MORE)


def operations_of_a_step(setup: Setup) -> int:
    """Of a forward and a backward pass of the protocol's network by itself for a batch of the protocol's size."""
    network = target_network(setup).to("meta")  # shapes alone
    x = torch.empty(setup.protocol.batch_size, *setup.facts.input_shape, device="meta")
    parameters = torch.empty(1, network.layout.parameters, device="meta", requires_grad=True)
    with counter() as found:
        network(x, parameters, 0).sum().backward()
    return int(found.get_total_flops())


@dataclass
class Operations:
    """Those of an experience, until now; its fields are what a checkpoint keeps of it."""

    total: int = 0
    sampled: int = 0  # of steps 2 to 1 + SAMPLED of the present loop, which stand for those after them
    taken: int = 0  # steps after them


class OperationCounter:
    """Counts all that an experience computes outside steps, and the first steps of each of its loops."""

    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        self._counter: FlopCounterMode | None = None

    def begin(self, loop: FixedIterations | None) -> None:
        """What follows is counted, if it is not one of the many steps of a loop."""
        if loop is None or loop.done <= SAMPLED or not loop.left:
            self._counter = counter()
            self._counter.__enter__()

    def end(self, loop: FixedIterations | None) -> None:
        """Adds what was counted since `begin`: with a loop, its last step, and what was done before its first."""
        operations, found = self.operations, None
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            found, self._counter = int(self._counter.get_total_flops()), None
            operations.total += found
        if loop is None:
            return
        if loop.done > 1 + SAMPLED:
            operations.taken += 1
        elif loop.done > 1:
            operations.sampled += found or 0
        if not loop.left:
            self.skipped(0)

    def skipped(self, steps: int) -> None:
        """Adds so many steps that were not taken, after those that are counted, and with them those that were not
        counted: the last of a loop."""
        operations = self.operations
        operations.total += operations.sampled * (operations.taken + steps) // SAMPLED
        operations.sampled = operations.taken = 0
