"""Sizes of per-sample gradients in closed form equal those of one backward pass per sample, in float64."""

import pytest
import torch
from torch import nn

from baselines.training.per_sample import mean_sizes
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.networks import ordinary_network
from hnet_bench.nets.normalisation import Normalisation


def network():
    torch.manual_seed(0)
    # The first layer has no bias, the last one two outputs that nobody looks at.
    layers = [nn.Flatten(), nn.Linear(6, 5, bias=False), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 5)]
    return nn.Sequential(*layers).double()


def derivatives(outputs, labels):
    """Two functions of the outputs: their sum of squares, and minus the cube of the one that the label names."""
    yield torch.full_like(outputs[:, 0], 0.3), 2 * outputs
    chosen = nn.functional.one_hot(labels, outputs.shape[1])
    yield labels.double(), -3 * outputs**2 * chosen


def functions(outputs, label):
    """The same two of one sample's outputs, each with its weight."""
    return [(0.3, (outputs**2).sum()), (float(label), -(outputs[label] ** 3))]


@pytest.mark.parametrize("size", [torch.square, torch.abs])
def test_means_equal_a_backward_pass_per_sample(size, one_by_one):
    model = network()
    model[3].bias.requires_grad_(False)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    x, labels = torch.rand(7, 2, 3).double(), torch.tensor([0, 2, 1, 1, 0, 2, 2])
    batches = [(x[:4], labels[:4]), (x[4:], labels[4:])]
    found = mean_sizes(model, parameters, batches, lambda x: model(x)[:, :3], derivatives, size)

    expected = one_by_one(parameters, lambda x, y: functions(model(x[None])[0, :3], y), x, labels, size=size)
    assert len(found) == len(expected) == 4
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)
    assert not any(tensor.requires_grad for tensor in found)
    assert all(parameter.grad is None for parameter in parameters)


@pytest.mark.parametrize("name", ["resnet32", "zenke"])
@pytest.mark.parametrize("size", [torch.square, torch.abs])
def test_convolutions_and_batch_normalisation_too(name, size, setup_of, one_by_one):
    torch.manual_seed(0)
    images = Synthetic(image_side=12, experiences=1, classes_per_experience=3)
    model = ordinary_network(setup_of(Scenario.DOMAIN, stream=images, network=name)).double()
    x, labels = torch.rand(5, 3, 12, 12).double(), torch.tensor([0, 2, 1, 1, 2])
    for layer in model.modules():
        if isinstance(layer, Normalisation):  # else all gains are 1 and all shifts 0
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.bias)
    model(x)  # which moves statistics from where they begin
    model.eval()
    parameters = list(model.parameters())
    found = mean_sizes(model, parameters, [(x[:3], labels[:3]), (x[3:], labels[3:])], model, derivatives, size)
    expected = one_by_one(parameters, lambda x, y: functions(model(x[None])[0], y), x, labels, size=size)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-14)


def test_nothing_stays_behind_in_the_model():
    model = network()
    mean_sizes(model, list(model.parameters()), [(torch.rand(2, 6).double(), None)], model, lambda o, _: [], torch.abs)
    assert not any(module._forward_hooks for module in model.modules())


def used_twice():
    layer = nn.Linear(6, 6)
    return nn.Sequential(layer, nn.ReLU(), layer)


def tied():
    model = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    model[1].weight = model[0].weight
    return model


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (nn.Sequential(nn.Linear(6, 6), nn.LayerNorm(6)), (2, 6), r"found one of shape \[6\] that belongs to 0"),
        (tied(), (2, 6), r"found one of shape \[6, 6\] that belongs to 2"),
        (used_twice(), (2, 6), "called again"),
        (nn.Linear(6, 6), (2, 3, 6), "3 dimensions"),
        (nn.Conv2d(4, 4, 1, groups=2), (2, 4, 3, 3), r"found one of shape \[4, 2, 1, 1\] that belongs to 0"),
        (nn.Conv2d(4, 4, 1, padding_mode="circular"), (2, 4, 3, 3), "that belongs to 0"),
    ],
)
def test_models_for_which_the_closed_form_would_be_wrong_are_refused(model, shape, message):
    batches = [(torch.rand(shape), torch.zeros(shape[0], dtype=torch.int64))]
    with pytest.raises(UserError, match=message):
        mean_sizes(model, list(model.parameters()), batches, model, derivatives, torch.square)
