"""A generative adversarial network whose generator a hypernetwork generates for each task: the other replay model.

The generator is the decoder of `vae`, with pixels by tanh, and the discriminator its encoder with a single output. Like
that it is an ordinary network, for the present task alone (von Oswald et al. 2020, appendix on GAN replay; what the
authors' code leaves open stands in docs/strategies.md).
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.nets.hypernetwork import HypernetworkShape
from hnet_bench.nets.vae import GeneratedDecoder, VaeShape

AdversarialLoss: TypeAlias = Literal["non_saturating", "pearson"]

_REAL = 0.9  # what real images count as without saturation, on the discriminator's side alone


class GeneratedGan(GeneratedDecoder):
    """`shape.encoder_hidden_units` are those of the discriminator."""

    # Pixels are tanh in [-1, 1], and (tanh(x) + 1) / 2 in [0, 1], which is sigmoid(2 x).
    steepness: ClassVar[float] = 2.0

    def __init__(self, shape: VaeShape, hypernetwork: HypernetworkShape, loss: AdversarialLoss) -> None:
        super().__init__(shape, hypernetwork, outputs=1)
        self._loss: AdversarialLoss = loss

    @property
    def learnt_with_decoder(self) -> list[nn.Parameter]:
        """Nothing: the discriminator has a loss and steps of its own."""
        return []

    def discriminator_loss(self, x: Tensor, noise: Tensor, task: int) -> Tensor:
        """For inputs (batch, ...) in [0, 1] and standard normal noise (batch, LATENT); it reaches no generator."""
        with torch.no_grad():
            generated = self.decode(noise, task).tanh()
        return discriminator_loss(self.encoder(2 * x.flatten(1) - 1), self.encoder(generated), self._loss)

    def loss(self, x: Tensor, noise: Tensor, task: int) -> Tensor:
        """`generator_loss` for standard normal noise (batch, LATENT); of the inputs it sees nothing."""
        return generator_loss(self.encoder(self.decode(noise, task).tanh()), self._loss)


def discriminator_loss(real: Tensor, generated: Tensor, kind: AdversarialLoss) -> Tensor:
    """Of the discriminator's outputs for real and for generated images, each (batch, 1).

    "non_saturating" (Goodfellow et al. 2014, section 3): the binary cross-entropy of its logits, real images counting
    as 0.9 (one-sided label smoothing, Salimans et al. 2016). "pearson" (least squares towards Pearson's chi-squared
    divergence, Mao et al. 2017): half the mean squared distance of outputs for real images to 1, and half that of
    others to -1.
    """
    if kind == "pearson":
        return 0.5 * (real - 1).square().mean() + 0.5 * (generated + 1).square().mean()
    bce = functional.binary_cross_entropy_with_logits
    loss: Tensor = bce(real, torch.full_like(real, _REAL)) + bce(generated, torch.zeros_like(generated))
    return loss


def generator_loss(generated: Tensor, kind: AdversarialLoss) -> Tensor:
    """Of the discriminator's outputs (batch, 1) for generated images: their cross-entropy with being real, or half the
    mean of their squares."""
    if kind == "pearson":
        return 0.5 * generated.square().mean()
    loss: Tensor = functional.binary_cross_entropy_with_logits(generated, torch.ones_like(generated))
    return loss
