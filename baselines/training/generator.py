"""The generator of DGR: a VAE of fully connected layers that learns to generate what was seen, from current inputs and
from what it generated before."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn

from hnet_bench.interfaces import Setup
from hnet_bench.nets.products import Linear

LATENT = 100


class SymmetricVae(nn.Module):
    """Inputs to hidden layers to latent values, and back through the same widths; torch's own initialisation.

    The generator of van de Ven & Tolias (arXiv 1904.07734): ReLU between layers, no bias for the log-variance, pixels
    in [0, 1] by a sigmoid.
    """

    def __init__(self, inputs: int, hidden_units: tuple[int, ...], latent: int = LATENT) -> None:
        super().__init__()
        widths = (inputs, *hidden_units)
        self.encoder = nn.Sequential(*[layer for pair in pairwise(widths) for layer in (Linear(*pair), nn.ReLU())])
        self.mean = Linear(widths[-1], latent)
        self.log_variance = Linear(widths[-1], latent, bias=False)
        back = [layer for pair in pairwise((latent, *widths[::-1])) for layer in (Linear(*pair), nn.ReLU())]
        self.decoder = nn.Sequential(*back[:-1])

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the pixels (batch, inputs), and mean and log-variance (batch, latent) of the latent values that
        they were made from, for inputs (batch, inputs) and standard normal noise (batch, latent)."""
        mean, log_variance = self.encode(x)
        return self.decoder(mean + noise * (0.5 * log_variance).exp()), mean, log_variance

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (batch, latent) of the latent values for inputs (batch, inputs)."""
        hidden = self.encoder(x)
        return self.mean(hidden), self.log_variance(hidden)


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def loss_gradients(
    logits: Tensor, mean: Tensor, log_variance: Tensor, x: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients, with respect to the first three, of the sum over samples of weight times loss.

    The loss of one sample is [sum over pixels of BCE(x, sigmoid(logits)) + KL(N(mean, variance) || N(0, I))] divided by
    the number of pixels (van de Ven & Tolias). Shapes as `SymmetricVae.forward` gives them; weights (batch, 1).
    """
    # Training needs no more than this. By autograd, the logarithms of a value that nobody reads cost as much as Adam.
    weights = weights / x.shape[1]
    of_logits = logits.sigmoid().sub_(x).mul_(weights)
    return of_logits, mean * weights, log_variance.exp().sub_(1).mul_(0.5 * weights)


class Generator:
    """As wide as the classifier, trained by an Adam of its own that keeps its state from experience to experience."""

    def __init__(self, setup: Setup) -> None:
        self.vae = SymmetricVae(setup.facts.inputs, setup.protocol.hidden_units).to(setup.device)
        self._optimiser = setup.optimiser(self.vae.parameters())
        self._noise = setup.generator("generator_noise")
        self._latent = setup.generator("replay_latent")

    def learn(self, current: Tensor, replayed: Tensor | None, weights: tuple[float, float]) -> None:
        """One step on current inputs (batch, ...) in [0, 1] and on replayed ones, weighted: one pass for both."""
        parts = [current] if replayed is None else [current, replayed]
        x = torch.cat([part.flatten(1) for part in parts])
        noise = torch.randn(len(x), LATENT, generator=self._noise).to(x.device)
        of_samples = torch.cat(
            [x.new_full((len(part), 1), weight / len(part)) for part, weight in zip(parts, weights, strict=False)]
        )
        self._optimiser.zero_grad()
        logits, mean, log_variance = self.vae(x, noise)
        gradients = loss_gradients(logits, mean, log_variance, x, of_samples)
        torch.autograd.backward((logits, mean, log_variance), gradients)
        self._optimiser.step()

    def frozen_decoder(self) -> nn.Module:
        """A copy of the decoder as it is now."""
        return copy.deepcopy(self.vae.decoder).requires_grad_(False)

    def sample(self, count: int, *, decoder: nn.Module, generator: torch.Generator | None = None) -> Tensor:
        """Generated inputs (count, inputs) in [0, 1], from the strategy's own random stream or another."""
        latent = torch.randn(count, LATENT, generator=generator or self._latent)
        with torch.no_grad():
            logits: Tensor = decoder(latent.to(next(self.vae.parameters()).device))
            return logits.sigmoid_()

    def parameter_count(self) -> int:
        """Of encoder and decoder."""
        return sum(parameter.numel() for parameter in self.vae.parameters())
