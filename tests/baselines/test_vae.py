"""The ordinary VAE: the gradient in closed form equals autograd of the loss written out."""

import pytest
import torch
from torch.nn import functional

from baselines.training.vae import LATENT, SymmetricVae, loss_gradients


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_the_gradient_is_that_of_the_weighted_loss(dtype, tolerance):
    torch.manual_seed(0)
    x, weights = torch.rand(6, 9, dtype=torch.float64), torch.rand(6, 1, dtype=torch.float64)
    logits, mean, log_variance = (2 * torch.randn(6, width, dtype=torch.float64) for width in (9, 4, 4))
    parts = [tensor.requires_grad_() for tensor in (logits, mean, log_variance)]
    bce = functional.binary_cross_entropy(logits.sigmoid(), x, reduction="none").sum(1)
    divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum(1)
    expected = torch.autograd.grad((weights[:, 0] * (bce + divergence) / 9).sum(), parts)
    found = loss_gradients(*(part.detach().to(dtype) for part in parts), x.to(dtype), weights.to(dtype))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other.to(dtype), rtol=tolerance, atol=tolerance)


def test_latent_values_are_drawn_with_the_encoders_mean_and_deviation():
    """With decoder and log-variance set by hand: logits are latent values; mean 3, log-variance log 4."""
    vae = SymmetricVae(5, ()).double()
    vae.decoder = torch.nn.Identity()
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.zero_()
        vae.mean.bias.fill_(3)
        vae.log_variance.weight.fill_(torch.log(torch.tensor(4.0)) / 5)
    noise = torch.randn(2, LATENT, dtype=torch.float64)
    logits, mean, log_variance = vae(torch.ones(2, 5, dtype=torch.float64), noise)
    torch.testing.assert_close(logits, 3 + 2 * noise)
    torch.testing.assert_close(mean, torch.full_like(mean, 3))
    torch.testing.assert_close(log_variance.exp(), torch.full_like(mean, 4))


@pytest.mark.parametrize("hidden_units", [(), (7,), (7, 5)])
def test_the_way_back_has_the_same_widths_and_ends_without_an_activation(hidden_units):
    vae = SymmetricVae(9, hidden_units)
    there = [layer.out_features for layer in vae.encoder if isinstance(layer, torch.nn.Linear)]
    back = [layer.out_features for layer in vae.decoder if isinstance(layer, torch.nn.Linear)]
    assert there == list(hidden_units)
    assert back == [*hidden_units[::-1], 9]
    assert isinstance(vae.decoder[-1], torch.nn.Linear)
