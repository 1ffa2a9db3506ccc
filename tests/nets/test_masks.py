"""Masks over weights: which values are cut off, by NumPy's percentile of each tensor, and which gradients there are."""

import numpy
import pytest
import torch

from hnet_bench.nets.layout import Layout
from hnet_bench.nets.masks import mask


@pytest.mark.parametrize("percentile", [0.0, 0.5, 12.5, 25.0, 50.0, 99.9])
def test_it_is_numpys_percentile(percentile):
    layout = Layout(((40, 10), (40,), (9, 40), (9,)))  # 25 and 50 fall upon a value of the last one
    generated = torch.randn(layout.parameters)
    expected = numpy.abs(numpy.tanh(generated.numpy()))
    for tensor in numpy.split(expected, [400, 440, 800]):  # views
        tensor[tensor < numpy.percentile(tensor, percentile)] = 0
    found = mask(generated, layout, percentile).numpy()
    assert ((found == 0) == (expected == 0)).all()
    numpy.testing.assert_allclose(found, expected, rtol=1e-6)


def test_gradients_reach_what_is_kept_as_if_the_percentile_were_a_constant():
    generated = torch.tensor([0.3, -0.1, 0.2, 0.5, -0.4], dtype=torch.float64).atanh().requires_grad_()
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    (found,) = torch.autograd.grad((mask(generated, Layout(((5,),)), 30.0) * weights).sum(), generated)
    torch.testing.assert_close(found, weights * torch.tensor([0.91, 0, 0, 0.75, -0.84], dtype=torch.float64))
