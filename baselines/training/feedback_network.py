"""The network of BI-R: a classifier whose hidden layers are the encoder of a VAE, with a prior for each class and a
decoder that is gated."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from baselines.training.generator import LATENT
from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.ordinary import Mlp
from hnet_bench.nets.products import Linear, linear

# Of log-variances of latent values: far beyond what is ever learnt, but so that no learning rate makes a loss infinite.
_BOUND = 20.0


class MixturePrior(nn.Module):
    """A Gaussian of independent latent values for each class; means and log-variances are learnt."""

    def __init__(self, classes: int, latent: int) -> None:
        super().__init__()
        self.means = nn.Parameter(torch.randn(classes, latent))
        self.log_variances = nn.Parameter(torch.randn(classes, latent))

    def log_density(self, latent: Tensor, weights: Tensor) -> Tensor:
        """log sum_c w_c N(z; mean_c, variance_c), (batch,), for latent values (batch, latent) and weights of the
        classes (batch, classes), which each add up to 1."""
        squares = (latent.unsqueeze(1) - self.means).square() / self.log_variances.exp()
        of_classes = -0.5 * (squares + self.log_variances + math.log(2 * math.pi)).sum(2)
        result: Tensor = (of_classes + weights.log()).logsumexp(1)
        return result

    def sample(self, classes: Tensor, noise: Tensor) -> Tensor:
        """Latent values (n, latent) of these classes (n,), from standard normal noise (n, latent)."""
        return self.means[classes] + noise * (0.5 * self.log_variances[classes]).exp()


class FeedbackNetwork(Mlp):
    """The protocol's classifier, and the way back from its last hidden layer to its inputs.

    Every hidden layer of the decoder has gates that are drawn with the run's seed, for each class or, in DOMAIN, for
    each task: a unit is gated, independently of all others, with a given probability, and its input then is 0.
    """

    def __init__(self, setup: Setup, gated_fraction: float) -> None:
        super().__init__(setup)
        widths = (setup.facts.inputs, *setup.protocol.hidden_units)
        self.classes = setup.outputs  # those of all tasks, which share them in DOMAIN
        self.gated = setup.facts.experiences if setup.scenario is Scenario.DOMAIN else self.classes
        self.mean = Linear(widths[-1], LATENT)
        self.log_variance = Linear(widths[-1], LATENT, bias=False)
        self.prior = MixturePrior(self.classes, LATENT)
        self.decoder = nn.ModuleList([Linear(*pair) for pair in pairwise((LATENT, *widths[::-1]))])
        generator = setup.generator("decoder_gates")
        for index, units in enumerate(widths[:0:-1]):
            kept = torch.rand(self.gated, units, generator=generator) >= gated_fraction
            self.register_buffer(f"gates_{index}", kept.float())

    @property
    def gates(self) -> list[Tensor]:
        """For every hidden layer of the decoder (classes or tasks, units): 0 where a unit is gated, else 1."""
        return [self.get_buffer(f"gates_{index}") for index in range(len(self.decoder) - 1)]

    def decode(self, latent: Tensor, gating: Tensor) -> Tensor:
        """Logits of the pixels (batch, inputs) for latent values (batch, LATENT), and weights (batch, classes or
        tasks) by which gates are mixed: each in one place 1, or probabilities."""
        values = latent
        *hidden, last = self.decoder
        for layer, gates in zip(hidden, self.gates, strict=True):
            values = functional.relu(layer(values) * linear(gating, gates.t()))
        pixels: Tensor = last(values)
        return pixels

    def generative_losses(self, x: Tensor, hidden: Tensor, noise: Tensor, classes: Tensor, gating: Tensor) -> Tensor:
        """Loss (batch,) of each input (batch, inputs) in [0, 1], whose last hidden layer is (batch, units): [sum over
        pixels of binary cross-entropy + log q(z | x) - log p(z)] / pixels.

        z is drawn from q with standard normal noise (batch, LATENT); p is the prior with weights of the classes
        (batch, classes).
        """
        mean, log_variance = self.mean(hidden), self.log_variance(hidden).clamp(-_BOUND, _BOUND)
        latent = mean + noise * (0.5 * log_variance).exp()
        errors = functional.binary_cross_entropy_with_logits(self.decode(latent, gating), x, reduction="none").sum(1)
        log_q = -0.5 * (noise.square() + log_variance + math.log(2 * math.pi)).sum(1)
        loss: Tensor = (errors + log_q - self.prior.log_density(latent, classes)) / x.shape[1]
        return loss

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def generate(self, classes: Tensor, gating: Tensor, noise: Tensor) -> Tensor:
        """Generated inputs (n, inputs) in [0, 1] of these classes (n,), with gates mixed as in `decode`."""
        return self.decode(self.prior.sample(classes, noise), gating).sigmoid_()
