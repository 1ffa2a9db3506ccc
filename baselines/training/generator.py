"""A VAE that learns to generate what was seen: from current inputs, and from what it generated before."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from baselines.training.vae import LATENT, SymmetricVae, loss_gradients
from hnet_bench.interfaces import Setup


class Generator:
    """As wide as the classifier, trained by an Adam of its own that keeps its state from experience to experience."""

    def __init__(self, setup: Setup) -> None:
        self.vae = SymmetricVae(setup.facts.inputs, setup.protocol.hidden_units).to(setup.device)
        self._optimiser = torch.optim.Adam(self.vae.parameters(), lr=setup.protocol.learning_rate, fused=True)
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
