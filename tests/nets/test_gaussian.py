"""Gaussian posteriors against torch.distributions, and the regulariser between them against autograd, in float64."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from hnet_bench.nets.gaussian import GRADIENTS, Gaussian, PosteriorRegulariser, gaussian
from hnet_bench.nets.regulariser import TaskDraw


def normal(posterior):
    return Normal(posterior.mean, posterior.log_spread.exp())


# The squared distance of Gaussians with diagonal covariances A and B is that of the means plus tr(A + B - 2 (A B)^1/2).
def squared_distance(old, new):
    covariances = old.scale**2 + new.scale**2 - 2 * (old.scale**2 * new.scale**2).sqrt()
    return (old.mean - new.mean).square().sum() + covariances.sum()


DIVERGENCES = {
    "kl_from_old": lambda old, new: kl_divergence(old, new).sum(),
    "kl_from_new": lambda old, new: kl_divergence(new, old).sum(),
    "wasserstein": squared_distance,
}


@pytest.fixture
def posterior():
    """Makes a posterior over 7 parameters, with gradients."""

    def make(seed):
        generator = torch.Generator().manual_seed(seed)
        mean, log_spread = torch.randn(2, 7, generator=generator, dtype=torch.float64).unbind()
        return Gaussian(mean.requires_grad_(), (log_spread - 1).requires_grad_())

    return make


def test_an_untrained_spread_is_small_and_none_is_beyond_what_divergences_bear():
    found = gaussian(torch.tensor([0.3, -0.4, 0.1, 0.0, -1e6, 1e6, 5.0]), 3)  # the last is cut off
    assert found.mean.tolist() == pytest.approx([0.3, -0.4, 0.1])
    assert found.spread[0].item() == pytest.approx(math.exp(-2.5))
    assert 0 < found.spread[1] < 1e-6
    assert found.spread[2] < 21
    untrained = gaussian(torch.zeros(6), 3)
    for gradient in GRADIENTS.values():
        assert all(part.isfinite().all() for part in (*gradient(found, untrained), *gradient(untrained, found)))


@pytest.mark.parametrize("name", DIVERGENCES)
def test_each_gradient_is_that_of_its_divergence(name, posterior):
    old, new = posterior(1), posterior(2)
    expected = torch.autograd.grad(DIVERGENCES[name](normal(old), normal(new)), [new.mean, new.log_spread])
    for found, of_torch in zip(GRADIENTS[name](old, new), expected, strict=True):
        torch.testing.assert_close(found.detach(), of_torch)
        assert of_torch.abs().max() > 0
    assert max(part.abs().max().item() for part in GRADIENTS[name](old, old)) < 1e-12


@pytest.mark.parametrize("draw", [None, 2])
@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("name", DIVERGENCES)
def test_the_regulariser_is_the_mean_over_old_tasks(name, online, draw, moved_hypernetwork):
    hypernetwork, theta, _ = moved_hypernetwork(3)  # generates 28 values: of 14 parameters
    tasks = torch.randperm(3, generator=torch.Generator().manual_seed(5))[:draw].tolist() if draw else range(3)
    drawn = TaskDraw(draw, torch.Generator().manual_seed(5)) if draw else None
    found = [torch.ones_like(tensor) for tensor in theta]
    PosteriorRegulariser(hypernetwork, 3, 0.3, name, draw=drawn, online=online).add_gradient(theta, found)

    at = [tensor.clone().requires_grad_() for tensor in theta]
    total = 0
    for task in tasks:
        embedding = hypernetwork.task_embeddings[task].detach().unsqueeze(0)
        flat = (hypernetwork.hidden(embedding, at)[0] @ at[-1]).flatten()[:28]
        mean, log_spread = hypernetwork(task).detach().view(2, 14)
        old, new = Normal(mean, (log_spread - 2.5).exp()), Normal(flat[:14], (flat[14:] - 2.5).exp())
        total = total + DIVERGENCES[name](old, new)
    expected = torch.autograd.grad(0.3 * total / len(tasks), at)
    for one, of_torch in zip(found, expected, strict=True):
        torch.testing.assert_close(one, 1 + of_torch)
