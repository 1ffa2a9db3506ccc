"""The GAN as a replay model: its losses by hand, its pixels, and who learns from which loss."""

import copy
import math

import pytest
import torch

from hnet_bench.avalanche_adapter.batches import FixedIterations
from hnet_bench.nets.gan import GeneratedGan, discriminator_loss, generator_loss
from hnet_bench.nets.target import mlp
from hnet_bench.nets.vae import CONDITIONS, LATENT, FrozenDecoders
from hnet_bench.strategies.hnet_r import HnetR
from hnet_bench.strategies.training.replay_model import ReplayModel

GAN = {"replay_chunk_size": 1000, "replay_decoder_hidden_units": (20,), "replay_method": "gan"}


@pytest.fixture
def gan(decoder_shapes):
    torch.manual_seed(0)
    return GeneratedGan(*decoder_shapes(), "pearson").double()


def test_the_losses_without_saturation_by_hand():
    """D says 2 and 0 of two real images, -1 of a generated one."""
    real, generated = torch.tensor([[2.0], [0.0]]), torch.tensor([[-1.0]])
    log_sigmoid = lambda value: -math.log(1 + math.exp(-value))  # noqa: E731
    expected = -sum(0.9 * log_sigmoid(value) + 0.1 * log_sigmoid(-value) for value in (2, 0)) / 2 - log_sigmoid(1)
    assert discriminator_loss(real, generated, "non_saturating").item() == pytest.approx(expected, rel=1e-6)
    assert generator_loss(generated, "non_saturating").item() == pytest.approx(-log_sigmoid(-1), rel=1e-6)


def test_pearsons_losses_by_hand():
    real, generated = torch.tensor([[2.0], [0.0]]), torch.tensor([[-3.0], [1.0]])
    assert discriminator_loss(real, generated, "pearson").item() == 0.5 * (1 + 1) / 2 + 0.5 * (4 + 4) / 2
    assert generator_loss(generated, "pearson").item() == 0.5 * (9 + 1) / 2


def generated_pixels(gan, latent, task):
    condition = torch.zeros(len(latent), CONDITIONS, dtype=latent.dtype)
    condition[:, task] = 1
    return mlp(torch.cat([latent, condition], 1), gan.hypernetwork(task), gan.shape.decoder).tanh()


def test_the_discriminator_sees_pixels_between_minus_one_and_one(gan):
    x, noise = torch.rand(9, 3, 4, dtype=torch.float64), torch.randn(9, LATENT, dtype=torch.float64)
    images = generated_pixels(gan, noise, 1)
    expected = discriminator_loss(gan.encoder(2 * x.view(9, 12) - 1), gan.encoder(images), "pearson")
    torch.testing.assert_close(gan.discriminator_loss(x, noise, 1), expected)
    torch.testing.assert_close(gan.loss(x, noise, 1), generator_loss(gan.encoder(images), "pearson"))


def test_replayed_pixels_are_those_of_tanh_between_0_and_1(gan):
    latent = torch.randn(2, 8, LATENT, dtype=torch.float64)
    found = FrozenDecoders(gan, 2).sample(latent)
    for task in range(2):
        torch.testing.assert_close(found[task], (generated_pixels(gan, latent[task], task).detach() + 1) / 2)


def test_the_discriminators_loss_does_not_reach_the_generator(gan):
    gan.discriminator_loss(torch.rand(9, 12).double(), torch.randn(9, LATENT).double(), 1).backward()
    assert all(parameter.grad is None for parameter in gan.hypernetwork.parameters())


def test_a_step_trains_the_discriminator_and_then_the_generator_against_it(setup_of):
    """Repeats a first step from its parts, by two instances of Adam that know nothing of each other."""
    setup = setup_of()
    model = ReplayModel(setup, HnetR(**GAN))
    plain = copy.deepcopy(model.network)
    x, noise = torch.rand(16, 12), setup_of().generator("replay_noise")
    model.learning(0, FixedIterations([], 0)).step([x])

    first, second = (torch.randn(16, LATENT, generator=noise) for _ in range(2))
    critic = torch.optim.Adam(plain.encoder.parameters(), lr=setup.protocol.learning_rate, betas=(0.5, 0.999))
    plain.discriminator_loss(x, first, 0).backward()
    critic.step()
    learnt = [*plain.hypernetwork.theta, plain.hypernetwork.task_embeddings[0]]
    generator = torch.optim.Adam(learnt, lr=setup.protocol.learning_rate, betas=(0.5, 0.999))
    plain.loss(x, second, 0).backward()
    generator.step()
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(dict(model.network.named_parameters())[name], parameter, msg=name)


def test_it_learns_what_it_replays_and_keeps_it(setup_of):
    """Means of samples lie nearer to those of the data of their own experience, also after the next was learnt."""
    torch.manual_seed(0)
    settings = HnetR(**GAN, replay_adversarial_loss="pearson", replay_regularisation_strength=1.0)
    model = ReplayModel(setup_of(learning_rate=2e-3), settings)
    data = [torch.full((100, 12), 0.2), torch.full((100, 12), 0.8)]
    for task in range(2):
        learning = model.learning(task, FixedIterations([], 0))
        for _ in range(400):
            learning.step([data[task][:16] + 0.05 * torch.randn(16, 12)])
    means = model.samples(50, torch.Generator().manual_seed(0)).mean((1, 2))
    assert means[0] == pytest.approx(0.2, abs=0.15)
    assert means[1] == pytest.approx(0.8, abs=0.15)
