"""The target network from one flat vector: against torch's own layers, and the fast form against the plain one."""

import pytest
import torch
from torch import nn

from hnet_bench.nets.target import MlpShape, mlp, mlp_from_chunks


def test_parameters_lie_in_the_order_of_a_sequential_network():
    shape = MlpShape((5, 4, 3))
    network = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    flat = nn.utils.parameters_to_vector(network.parameters())
    x = torch.randn(7, 5)
    assert shape.parameters == len(flat) == 39
    assert shape.layout.shapes == tuple(tuple(parameter.shape) for parameter in network.parameters())
    torch.testing.assert_close(mlp(x, flat, shape), network(x))


@pytest.mark.parametrize("widths", [(5, 4, 3), (5, 3), (6, 5, 4, 3, 2)])
@pytest.mark.parametrize("surplus", [0, 1, 17])
def test_the_fast_form_equals_the_plain_one(widths, surplus):
    shape = MlpShape(widths)
    x = torch.randn(9, widths[0], dtype=torch.float64, requires_grad=True)
    flat = torch.randn(shape.parameters + surplus, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(9, widths[-1], dtype=torch.float64)

    expected = mlp(x, flat, shape)
    found = mlp_from_chunks(x, flat.view(1, -1), shape)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    expected_gradients = torch.autograd.grad((expected * weights).sum(), (x, flat))
    found_gradients = torch.autograd.grad((found * weights).sum(), (x, flat))
    for one, other in zip(found_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
    assert not found_gradients[1][shape.parameters :].any()


def test_two_uses_of_the_same_parameters_add_up():
    shape = MlpShape((4, 3, 2))
    flat = torch.randn(1, shape.parameters + 2, dtype=torch.float64, requires_grad=True)
    a, b = torch.randn(5, 4, dtype=torch.float64), torch.randn(6, 4, dtype=torch.float64)
    fast = mlp_from_chunks(a, flat, shape).square().sum() + mlp_from_chunks(b, flat, shape).sum()
    plain = mlp(a, flat.view(-1), shape).square().sum() + mlp(b, flat.view(-1), shape).sum()
    torch.testing.assert_close(torch.autograd.grad(fast, flat), torch.autograd.grad(plain, flat))


def test_the_plain_form_has_the_activation_that_is_asked_for():
    shape = MlpShape((2, 3, 1))
    flat, x = torch.randn(shape.parameters), torch.randn(5, 2)
    hidden = torch.sigmoid(x @ flat[:6].view(3, 2).t() + flat[6:9])
    torch.testing.assert_close(mlp(x, flat, shape, torch.sigmoid), hidden @ flat[9:12].view(3, 1) + flat[12])
