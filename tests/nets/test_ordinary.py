"""Ordinary networks of the protocol: the same functions as the generated ones, of weights of their own."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.nets.networks import NETWORKS, ordinary_network, target_network

IMAGES = Synthetic(image_side=12)


def pair(setup):
    """The ordinary network, its generated form, and the parameters that make this the same function."""
    torch.manual_seed(0)
    ordinary = ordinary_network(setup).double()
    named = dict(ordinary.named_parameters())
    for name, parameter in named.items():
        if name.startswith("normalisations"):  # else all gains are 1 and all shifts 0
            nn.init.normal_(parameter)
    # The generated form has normalisations first.
    names = sorted(named, key=lambda name: not name.startswith("normalisations"))
    flat = torch.cat([named[name].detach().flatten() for name in names]).view(1, -1)
    return ordinary, target_network(setup, sets=3).double(), flat.requires_grad_(), [named[name] for name in names]


@pytest.mark.parametrize("network", NETWORKS)
def test_value_gradients_and_statistics_are_those_of_the_generated_network(network, setup_of):
    setup = setup_of(Scenario.TASK, stream=IMAGES, network=network)
    ordinary, generated, flat, parameters = pair(setup)
    x, y = torch.rand(6, 3, 12, 12, dtype=torch.float64), torch.randint(6, (6,))
    apart = (1,) if network == "resnet32" else ()
    found = expected = None
    for _ in range(2):
        torch.manual_seed(1)  # the same dropout
        found = ordinary(x, *apart)
        torch.manual_seed(1)
        expected = generated(x, flat, 1)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    functional.cross_entropy(found, y).backward()
    (gradient,) = torch.autograd.grad(functional.cross_entropy(expected, y), flat)
    own = torch.cat([parameter.grad.flatten() for parameter in parameters])
    torch.testing.assert_close(own, gradient[0], rtol=1e-7, atol=1e-9)

    buffers = [dict(one.named_buffers()) for one in (ordinary, generated)]
    assert buffers[0].keys() == buffers[1].keys()
    assert all(torch.allclose(one, buffers[1][name]) for name, one in buffers[0].items())
    with torch.no_grad():
        found, expected = ordinary.eval()(x, *apart), generated.eval()(x, flat, 1)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_statistics_of_tasks_are_kept_where_the_task_is_known(setup_of):
    moved = []
    for scenario in Scenario:
        network = ordinary_network(setup_of(scenario, stream=IMAGES, network="resnet32"))
        network(torch.rand(4, 3, 12, 12), network.sets - 1)
        moved.append([bool(one.mean.any()) for one in network.statistics])
    assert moved == [[False, False, True], [True], [True]]


@pytest.mark.parametrize("network", ["resnet32", "zenke"])
@pytest.mark.parametrize("initialisation", ["torch", "xavier"])
def test_weights_begin_as_the_protocol_says(network, initialisation, setup_of):
    torch.manual_seed(0)
    setup = setup_of(Scenario.TASK, stream=IMAGES, network=network, initialisation=initialisation)
    for layer in ordinary_network(setup).modules():
        if not isinstance(layer, (nn.Conv2d, nn.Linear)):
            continue
        fan_in = layer.weight[0].numel()
        fan_out = layer.weight.numel() // layer.weight.shape[1]
        # Uniform: in torch's default up to 1 / sqrt(fan in), of Glorot and Bengio up to sqrt(6 / (fan in + fan out)).
        most = (6 / (fan_in + fan_out)) ** 0.5 if initialisation == "xavier" else fan_in**-0.5
        assert 0.9 * most < layer.weight.abs().max() <= most
        assert bool(layer.bias.any()) == (initialisation == "torch")


def test_a_network_of_fixed_architecture_has_its_own_activation(setup_of):
    with pytest.raises(UserError, match="The network zenke has ReLU: found activation = sigmoid"):
        ordinary_network(setup_of(Scenario.TASK, stream=IMAGES, network="zenke", activation="sigmoid"))
