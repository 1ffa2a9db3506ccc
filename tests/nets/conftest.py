"""What the tests of several networks need: small hypernetworks, parameters a little away from theirs, twins."""

import pytest
import torch

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.vae import VaeShape

SMALL = {
    "generated": 28,
    "tasks": 3,
    "chunk_size": 9,
    "hidden_units": (6,),
    "activation": "relu",
    "task_embedding_size": 5,
    "chunk_embedding_size": 4,
}


@pytest.fixture(scope="session")
def shape_of():
    """Makes the sizes of a hypernetwork; arguments replace those of a small one."""
    return lambda **sizes: HypernetworkShape(**{**SMALL, **sizes})


@pytest.fixture(scope="session")
def decoder_shapes(shape_of):
    """Makes the sizes of a small replay model, and those of the hypernetwork that generates its decoder."""

    def make(inputs=12, encoder=(20,), decoder=(7, 6), **sizes):
        shape = VaeShape(inputs=inputs, encoder_hidden_units=encoder, decoder_hidden_units=decoder)
        chunked = {"chunk_size": 400, "activation": "elu", **sizes}
        return shape, shape_of(generated=shape.decoder.parameters, **chunked)

    return make


@pytest.fixture(scope="session")
def moved_hypernetwork(shape_of):
    """Makes a hypernetwork for some old tasks and one more, parameters a little away from its own, and the generator of
    both."""

    def make(old_tasks=2, *, dtype=torch.float64, seed=0, **sizes):
        generator = torch.Generator().manual_seed(seed)
        hypernetwork = ChunkedHypernetwork(shape_of(tasks=old_tasks + 1, **sizes), generator).to(dtype)
        theta = [
            p.detach() + 0.05 * torch.randn(p.shape, generator=generator, dtype=torch.float64).to(dtype)
            for p in hypernetwork.theta
        ]
        return hypernetwork, theta, generator

    return make


@pytest.fixture(scope="session")
def assert_generates_what_ours_does():
    """Asserts that a hypernetwork of the authors' library generates what ours does, for each of three tasks, when it is
    given the weights of ours in its order."""

    def check(theirs, ours, weights):
        parameters = list(theirs.parameters())
        assert [p.shape for p in parameters] == [w.shape for w in weights]
        with torch.no_grad():
            for parameter, weight in zip(parameters, weights, strict=True):
                parameter.copy_(weight)
        for task in range(3):
            expected = torch.cat([tensor.flatten() for tensor in theirs.forward(cond_id=task)])
            torch.testing.assert_close(ours(task), expected)

    return check
