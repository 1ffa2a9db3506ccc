"""ResNet-32 from one flat vector against the authors' library: values, gradients, statistics."""

import pytest
import torch
from torch.nn import functional

from hnet_bench.nets.normalisation import BatchStatistics
from hnet_bench.nets.resnet import ResNet32


def test_the_parameters_of_the_paper():
    layout = ResNet32(60).layout
    assert layout.parameters == 468_540
    convolutions = 3 * 9 * 16 + 10 * 9 * 16**2 + 9 * 16 * 32 + 9 * 9 * 32**2 + 9 * 32 * 64 + 9 * 9 * 64**2
    assert layout.parameters == 2272 + convolutions + 2272 // 2 + 65 * 60


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_authors_library_has_the_same_parameters_in_the_same_order_and_does_the_same_with_them(channels_last):
    """Outputs, gradients, and running statistics, which evaluation uses and leaves alone."""
    from hypnettorch.mnets.resnet import ResNet

    theirs = ResNet(in_shape=(8, 8, 3), num_classes=60, no_weights=True, verbose=False).double()
    ours = ResNet32(60)
    assert [tuple(shape) for shape in theirs.param_shapes] == list(ours.layout.shapes)
    torch.manual_seed(0)
    flat = 0.2 * torch.randn(ours.layout.parameters + 11, dtype=torch.float64)  # longer than is used
    flat.requires_grad_()
    x, y = torch.rand(5, 3, 8, 8, dtype=torch.float64), torch.randint(60, (5,))
    given = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    statistics = BatchStatistics(ours.filters).double()
    for training in (True, True, False, False):
        theirs.train(training)
        expected = theirs.forward(x.permute(0, 2, 3, 1).flatten(1), weights=ours.layout.views(flat))
        found = ours(given, flat, statistics, training=training)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        gradients = [torch.autograd.grad(functional.cross_entropy(one, y), flat) for one in (found, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-7, atol=1e-9)
