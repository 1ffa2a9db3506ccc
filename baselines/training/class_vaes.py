"""A VAE for each class, whose importance-sampled likelihoods tell classes apart, and batches of one class at a time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from baselines.training.generator import SymmetricVae
from hnet_bench.avalanche_adapter.batches import Batch, InfiniteBatches

_AT_A_TIME = 2500  # latent vectors that are decoded at once: their pixels stay in caches


class ClassVaes(nn.Module):
    """One VAE for each class; classes share nothing."""

    def __init__(self, inputs: int, hidden_units: tuple[int, ...], latent: int, classes: int) -> None:
        super().__init__()
        self.vaes = nn.ModuleList([SymmetricVae(inputs, hidden_units, latent) for _ in range(classes)])

    def of(self, label: int) -> SymmetricVae:
        """The VAE of a class."""
        vae = self.vaes[label]
        assert isinstance(vae, SymmetricVae)
        return vae

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def log_likelihoods(self, x: Tensor, classes: list[int], noise: Tensor) -> Tensor:
        """Estimates of log p(x | class), (batch, len(classes)), for inputs (batch, ...) and standard normal noise
        (T * K, samples, latent), that of class c in noise[c]."""
        parts = x.flatten(1).split(max(1, _AT_A_TIME // noise.shape[1]))
        return torch.cat(
            [
                torch.stack([log_likelihood(self.of(label), part, noise[label]) for label in classes], 1)
                for part in parts
            ]
        )


def log_likelihood(vae: SymmetricVae, x: Tensor, noise: Tensor) -> Tensor:
    """Importance-sampled log p(x), (batch,), for inputs (batch, inputs): the logarithm of the mean over samples z of
    p(x | z) p(z) / q(z | x), where z is drawn from q(z | x) with this standard normal noise (samples, latent).

    q is the encoder's Gaussian, p(z) the standard normal one, and p(x | z) a Gaussian of variance 1 about the decoded
    pixels (van de Ven et al. 2022), whatever loss trained them.
    """
    mean, log_variance = vae.encode(x)
    deviation = (0.5 * log_variance).exp()
    latent = mean.unsqueeze(1) + deviation.unsqueeze(1) * noise  # (batch, samples, latent)
    decoded = vae.decoder(latent.flatten(0, 1)).sigmoid_().view(len(x), len(noise), -1)
    squared_errors = decoded.sub_(x.unsqueeze(1)).square_().sum(2)
    # log p(z) - log q(z | x): the constants of both Gaussians are the same.
    ratio = 0.5 * (noise.square().sum(1) - latent.square().sum(2) + log_variance.sum(1, keepdim=True))
    constant = 0.5 * x.shape[1] * math.log(2 * math.pi) + math.log(len(noise))
    result: Tensor = (ratio - 0.5 * squared_errors).logsumexp(1) - constant
    return result


class BatchesInTurn:
    """A batch of each stream in turn, for ever."""

    def __init__(self, streams: list[InfiniteBatches]) -> None:
        self._streams = streams
        self._next = 0

    def __iter__(self) -> BatchesInTurn:
        return self

    def __next__(self) -> Batch:
        stream = self._streams[self._next]
        self._next = (self._next + 1) % len(self._streams)
        return next(stream)
