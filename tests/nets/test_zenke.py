"""The network of Zenke et al. from one flat vector: against torch's own layers, its sizes, its dropout."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hnet_bench.nets.zenke import SMALLEST_SIDE, ZenkeNet


def ordinary(outputs, side):
    left = ((side - 2) // 2 - 2) // 2
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding="same"), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout2d(0.25),
        nn.Conv2d(32, 64, 3, padding="same"), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Dropout2d(0.25),
        nn.Flatten(), nn.Linear(64 * left**2, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, outputs),
    ).double()  # fmt: skip


def test_the_parameters_of_the_paper():
    shapes = ZenkeNet(60).layout.shapes
    assert ZenkeNet(60).layout.parameters == 1_276_508
    assert (shapes[8], shapes[10]) == ((512, 2304), (60, 512))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("side", [SMALLEST_SIDE, 13])
def test_values_and_gradients_are_those_of_ordinary_layers(side, training):
    torch.manual_seed(0)
    theirs = ordinary(9, side).train(training)
    flat = nn.utils.parameters_to_vector(theirs.parameters()).detach().requires_grad_()
    x, y = torch.rand(6, 3, side, side, dtype=torch.float64), torch.randint(9, (6,))
    torch.manual_seed(1)  # the same dropout
    found = ZenkeNet(9, side)(x, flat, training=training)
    torch.manual_seed(1)
    expected = theirs(x)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(found, y), flat)
    functional.cross_entropy(expected, y).backward()
    whole = torch.cat([parameter.grad.flatten() for parameter in theirs.parameters()])
    torch.testing.assert_close(gradient, whole, rtol=1e-8, atol=1e-10)


def test_layout_in_memory_does_not_change_the_outputs():
    torch.manual_seed(0)
    network = ZenkeNet(4, 12)
    flat = 0.1 * torch.randn(network.layout.parameters, dtype=torch.float64)
    x = torch.rand(3, 3, 12, 12, dtype=torch.float64)
    last = x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(last, flat, training=False), network(x, flat, training=False))
