"""ResNet-32 from one flat vector: against torch's own layers and the authors' library, value, gradients, statistics."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hnet_bench.nets.normalisation import BatchStatistics
from hnet_bench.nets.resnet import ResNet32


class Block(nn.Module):
    def __init__(self, fan_in, filters):
        super().__init__()
        self.stride = filters // fan_in  # 1 or 2
        self.first = nn.Conv2d(fan_in, filters, 3, stride=self.stride, padding=1)
        self.first_norm = nn.BatchNorm2d(filters)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)
        self.second_norm = nn.BatchNorm2d(filters)

    def forward(self, x):
        values = self.second_norm(self.second(functional.relu(self.first_norm(self.first(x)))))
        shortcut = values.new_zeros(values.shape)
        extra = values.shape[1] - x.shape[1]
        shortcut[:, extra // 2 : values.shape[1] - extra // 2] = x[:, :, :: self.stride, :: self.stride]
        return functional.relu(values + shortcut)


class Ordinary(nn.Module):
    """The same network with layers of torch's own."""

    def __init__(self, outputs, channels=3):
        super().__init__()
        self.first = nn.Conv2d(channels, 16, 3, padding=1)
        self.norm = nn.BatchNorm2d(16)
        sizes = [(16, 16)] * 5 + [(16, 32)] + [(32, 32)] * 4 + [(32, 64)] + [(64, 64)] * 4
        self.blocks = nn.Sequential(*(Block(fan_in, filters) for fan_in, filters in sizes))
        self.last = nn.Linear(64, outputs)

    def forward(self, x):
        x = self.blocks(functional.relu(self.norm(self.first(x))))
        return self.last(nn.AdaptiveAvgPool2d(1)(x).flatten(1))

    def norms(self):
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]

    def in_our_order(self, pick):
        """What `pick` gives for each parameter: normalisations, then convolutions, then the last layer."""
        layers = [*self.norms(), *(module for module in self.modules() if isinstance(module, nn.Conv2d)), self.last]
        return torch.cat([pick(tensor).flatten() for layer in layers for tensor in (layer.weight, layer.bias)])


def pair(outputs=7):
    torch.manual_seed(0)
    theirs = Ordinary(outputs).double()
    for norm in theirs.norms():  # else all gains are 1 and all shifts 0
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    ours = ResNet32(outputs)
    return ours, BatchStatistics(ours.filters).double(), theirs


def test_the_parameters_of_the_paper():
    layout = ResNet32(60).layout
    assert layout.parameters == 468_540
    convolutions = 3 * 9 * 16 + 10 * 9 * 16**2 + 9 * 16 * 32 + 9 * 9 * 32**2 + 9 * 32 * 64 + 9 * 9 * 64**2
    assert layout.parameters == 2272 + convolutions + 2272 // 2 + 65 * 60
    assert sum(parameter.numel() for parameter in Ordinary(60).parameters()) == 468_540


@pytest.mark.parametrize("channels_last", [False, True])
def test_values_gradients_and_running_statistics_are_those_of_ordinary_layers(channels_last):
    ours, statistics, theirs = pair()
    x = torch.randn(6, 3, 8, 8, dtype=torch.float64)
    y = torch.randint(7, (6,))
    surplus = torch.zeros(11, dtype=torch.float64)
    flat = torch.cat([theirs.in_our_order(lambda tensor: tensor.detach()), surplus]).requires_grad_()
    given = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    for _ in range(2):
        found = ours(given, flat, statistics, training=True)
        expected = theirs(x)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    (gradient,) = torch.autograd.grad(functional.cross_entropy(found, y), flat)
    functional.cross_entropy(expected, y).backward()
    torch.testing.assert_close(gradient[:-11], theirs.in_our_order(lambda tensor: tensor.grad), rtol=1e-7, atol=1e-9)
    assert not gradient[-11:].any()

    means, variances = statistics.of_layers()
    for norm, mean, variance in zip(theirs.norms(), means, variances, strict=True):
        torch.testing.assert_close(mean, norm.running_mean)
        torch.testing.assert_close(variance, norm.running_var)
    theirs.eval()
    with torch.no_grad():
        torch.testing.assert_close(ours(given, flat, statistics, training=False), theirs(x), rtol=1e-9, atol=1e-9)


def test_evaluation_leaves_the_statistics_alone():
    ours, statistics, theirs = pair()
    flat = theirs.in_our_order(lambda tensor: tensor.detach())
    ours(torch.randn(4, 3, 8, 8, dtype=torch.float64), flat, statistics, training=False)
    assert not statistics.mean.any()
    assert (statistics.variance == 1).all()


def test_the_authors_library_has_the_same_parameters_in_the_same_order_and_the_same_outputs():
    from hypnettorch.mnets.resnet import ResNet

    theirs = ResNet(in_shape=(8, 8, 3), num_classes=60, no_weights=True, verbose=False).double()
    ours = ResNet32(60)
    assert [tuple(shape) for shape in theirs.param_shapes] == list(ours.layout.shapes)
    torch.manual_seed(0)
    flat = 0.2 * torch.randn(ours.layout.parameters, dtype=torch.float64)
    x = torch.rand(5, 3, 8, 8, dtype=torch.float64)
    statistics = BatchStatistics(ours.filters).double()
    for training in (True, False):
        theirs.train(training)
        expected = theirs.forward(x.permute(0, 2, 3, 1).flatten(1), weights=ours.layout.views(flat))
        torch.testing.assert_close(ours(x, flat, statistics, training=training), expected, rtol=1e-9, atol=1e-9)
