"""The full hypernetwork: against the authors' library, its size, its initialisation, and the regulariser on it."""

import math

import pytest
import torch

from hnet_bench.nets.full_hypernetwork import FullHypernetwork
from hnet_bench.nets.regulariser import GramRegulariser, plain_loss
from hnet_bench.nets.target import MlpShape

TOY = MlpShape((1, 10, 10, 1))


def made(**changes):
    settings = {"tasks": 3, "hidden_units": (10, 10), "activation": "sigmoid", "task_embedding_size": 2}
    return FullHypernetwork(TOY.layout, **{**settings, **changes})


def test_the_toy_network_has_the_published_sizes():
    assert TOY.parameters == 141
    hypernetwork = made()
    assert sum(parameter.numel() for parameter in hypernetwork.theta) == 1691
    assert hypernetwork.trained_parameters == 1691 + 3 * 2
    assert hypernetwork(0).shape == (141,)


@pytest.mark.parametrize("activation", ["relu", "elu", "sigmoid"])
@pytest.mark.parametrize("hidden_units", [(10, 10), (4,), ()])
def test_generates_what_the_authors_library_generates_from_the_same_weights(
    activation, hidden_units, assert_generates_what_ours_does
):
    from hypnettorch.hnets.mlp_hnet import HMLP

    torch.manual_seed(0)
    ours = made(activation=activation, hidden_units=hidden_units)
    functions = {"relu": torch.nn.ReLU(), "elu": torch.nn.ELU(), "sigmoid": torch.nn.Sigmoid()}
    theirs = HMLP(
        [list(shape) for shape in TOY.layout.shapes],
        cond_in_size=2,
        layers=hidden_units,
        activation_fn=functions[activation],
        num_cond_embs=3,
        verbose=False,
    )
    layers = [*zip(ours.hidden_weights, ours.hidden_biases, strict=True), (ours.output[:-1].t(), ours.output[-1])]
    values = [*ours.task_embeddings, *(tensor for layer in layers for tensor in layer)]
    assert_generates_what_ours_does(theirs, ours, values)


def test_each_target_tensor_has_an_output_layer_with_xavier_bounds_of_its_own():
    torch.manual_seed(0)
    many = torch.stack([made().output.detach() for _ in range(50)])
    assert not many[:, -1].any()
    for head, shape in zip(
        many[:, :-1].split([math.prod(s) for s in TOY.layout.shapes], dim=2), TOY.layout.shapes, strict=True
    ):
        bound = math.sqrt(6 / (10 + math.prod(shape)))
        assert 0.97 * bound < float(head.abs().max()) <= bound


@pytest.mark.parametrize("hidden_units", [(10, 10), ()])
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_the_regulariser_and_its_gradient_are_those_written_out(activation, hidden_units):
    """Of a hypernetwork without hidden layers theta is the last layer alone."""
    torch.manual_seed(0)
    hypernetwork = made(activation=activation, hidden_units=hidden_units).double()
    targets = [hypernetwork(task).detach() for task in range(2)]
    regulariser = GramRegulariser(hypernetwork, 2, 0.3)
    moved = [(tensor + 0.1 * torch.randn_like(tensor)).detach().requires_grad_() for tensor in hypernetwork.theta]
    expected = plain_loss(hypernetwork, moved, targets, 0.3)
    gradients = [torch.zeros_like(tensor) for tensor in moved]
    regulariser.add_gradient(moved, gradients)
    torch.testing.assert_close(regulariser.loss(moved), expected.detach())
    torch.testing.assert_close(gradients, list(torch.autograd.grad(expected, moved)))
