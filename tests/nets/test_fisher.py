"""The Fisher diagonal of a generated perceptron is that of one gradient for each sample and class, by autograd."""

import pytest
import torch

from hnet_bench.nets.fisher import fisher_diagonal
from hnet_bench.nets.target import MlpShape, mlp


@pytest.mark.parametrize("widths", [(3, 6), (4, 5, 6), (4, 7, 5, 6)])
def test_it_is_the_mean_of_squared_gradients_over_samples_and_drawn_classes(widths):
    generator = torch.Generator().manual_seed(1)
    shape, head = MlpShape(widths), slice(2, 5)
    flat = torch.randn(shape.parameters + 3, generator=generator, dtype=torch.float64)  # longer than is used
    x = torch.randn(9, widths[0], generator=generator, dtype=torch.float64)
    expected = torch.zeros(shape.parameters, dtype=torch.float64)
    for sample in x:
        parameters = flat.clone().requires_grad_()
        logarithms = mlp(sample.view(1, -1), parameters, shape)[0, head].log_softmax(0)
        for logarithm in logarithms:
            (gradient,) = torch.autograd.grad(logarithm, parameters, retain_graph=True)
            expected += logarithm.exp().detach() * gradient[: shape.parameters].square() / len(x)
    torch.testing.assert_close(fisher_diagonal(x.split(4), flat, shape, head), expected)
    assert (expected[-6:] == 0).tolist() == [True, True, False, False, False, True]  # biases of the outputs
