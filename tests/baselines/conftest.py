"""What the tests of several baselines need, from its definition: the loss of a VAE, and mean sizes of gradients."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional


@pytest.fixture(scope="session")
def negative_elbo():
    """Of a VAE, of inputs (batch, pixels) and noise: the mean over samples of [cross-entropy of all pixels +
    KL(q(z | x) || N(0, I))] / pixels."""

    def loss(vae, x, noise):
        hidden = vae.encoder(x)
        mean = vae.mean(hidden)
        q = Normal(mean, (vae.log_variance(hidden) / 2).exp())
        pixels = vae.decoder(q.loc + q.scale * noise).sigmoid()
        cross_entropy = functional.binary_cross_entropy(pixels, x, reduction="none").sum(1)
        divergence = kl_divergence(q, Normal(torch.zeros_like(mean), torch.ones_like(mean))).sum(1)
        return ((cross_entropy + divergence) / x.shape[1]).mean()

    return loss


@pytest.fixture(scope="session")
def one_by_one():
    """Means over samples of sizes of gradients, by plain autograd. `functions` says, of one sample, which functions of
    the parameters it is about, each with its weight."""

    def means(parameters, functions, *samples, size=torch.square):
        found = [torch.zeros_like(parameter) for parameter in parameters]
        for sample in zip(*samples, strict=True):
            for weight, function in functions(*sample):
                gradients = torch.autograd.grad(function, parameters, retain_graph=True)
                for total, gradient in zip(found, gradients, strict=True):
                    total += weight * size(gradient) / len(samples[0])
        return found

    return means
