"""The replay model: its loss by hand, its decoders frozen as they are, its sizes those of the paper."""

import pytest
import torch
from torch.nn import functional

from hnet_bench.nets.target import mlp
from hnet_bench.nets.vae import CONDITIONS, LATENT, FrozenDecoders, GeneratedVae, VaeShape


@pytest.fixture
def vae_of(decoder_shapes):
    def make(**sizes):
        torch.manual_seed(0)
        return GeneratedVae(*decoder_shapes(**sizes))

    return make


def decoded(vae, latent, task):
    """The plain decoder: latent vector and one-hot task through the generated parameters."""
    condition = functional.one_hot(torch.full((len(latent),), task), CONDITIONS).to(latent.dtype)
    return mlp(torch.cat([latent, condition], 1), vae.hypernetwork(task), vae.shape.decoder).sigmoid()


def test_the_loss_is_reconstruction_and_divergence_per_pixel(vae_of):
    vae = vae_of().double()
    x, noise = torch.rand(9, 12, dtype=torch.float64), torch.randn(9, LATENT, dtype=torch.float64)
    mean, log_variance = vae.encoder(x)[:, :LATENT], vae.encoder(x)[:, LATENT:]
    found = decoded(vae, mean + noise * torch.exp(log_variance / 2), 1)
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(
        normal(mean, torch.exp(log_variance / 2)), normal(torch.zeros_like(mean), torch.ones_like(mean))
    )
    expected = functional.binary_cross_entropy(found, x) + divergence.sum(1).mean() / 12
    loss = vae.loss(x, noise, 1)
    torch.testing.assert_close(loss, expected)
    trained = [*vae.encoder.parameters(), *vae.hypernetwork.theta, vae.hypernetwork.task_embeddings[1]]
    torch.testing.assert_close(torch.autograd.grad(loss, trained), torch.autograd.grad(expected, trained))


@pytest.mark.parametrize("decoder", [(7, 6), (5,)])
def test_frozen_decoders_say_what_the_plain_ones_say(vae_of, decoder):
    vae = vae_of(decoder=decoder).double()
    with torch.no_grad():  # biases start at 0, which would hide their place
        for parameter in vae.hypernetwork.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    latent = torch.randn(3, 8, LATENT, dtype=torch.float64)
    found = FrozenDecoders(vae, 3).sample(latent)
    for task in range(3):
        torch.testing.assert_close(found[task], decoded(vae, latent[task], task).detach())


def test_frozen_decoders_do_not_follow_the_hypernetwork(vae_of):
    vae = vae_of()
    latent = torch.randn(2, 4, LATENT)
    frozen = FrozenDecoders(vae, 2)
    before = frozen.sample(latent)
    with torch.no_grad():
        vae.hypernetwork.output.add_(1)
    assert torch.equal(frozen.sample(latent), before)


@pytest.mark.parametrize(("inputs", "decoder", "parameters"), [(784, (250, 350), 413_284), (784, (50, 150), 136_084)])
def test_decoders_have_the_papers_sizes(inputs, decoder, parameters):
    shape = VaeShape(inputs=inputs, encoder_hidden_units=(400, 400), decoder_hidden_units=decoder)
    assert shape.decoder.parameters == parameters
