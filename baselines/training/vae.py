"""An ordinary variational auto-encoder of fully connected layers, and the gradient of its loss in closed form."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from hnet_bench.nets.products import Linear

LATENT = 100


class SymmetricVae(nn.Module):
    """Inputs to hidden layers to 100 latent values, and back through the same widths; torch's own initialisation.

    The generator of van de Ven & Tolias (arXiv 1904.07734): ReLU between layers, no bias for the log-variance, pixels
    in [0, 1] by a sigmoid.
    """

    def __init__(self, inputs: int, hidden_units: tuple[int, ...]) -> None:
        super().__init__()
        widths = (inputs, *hidden_units)
        self.encoder = nn.Sequential(*[layer for pair in pairwise(widths) for layer in (Linear(*pair), nn.ReLU())])
        self.mean = Linear(widths[-1], LATENT)
        self.log_variance = Linear(widths[-1], LATENT, bias=False)
        back = [layer for pair in pairwise((LATENT, *widths[::-1])) for layer in (Linear(*pair), nn.ReLU())]
        self.decoder = nn.Sequential(*back[:-1])

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of the pixels (batch, inputs), and mean and log-variance (batch, LATENT) of the latent values that
        they were made from, for inputs (batch, inputs) and standard normal noise (batch, LATENT)."""
        hidden = self.encoder(x)
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        return self.decoder(mean + noise * (0.5 * log_variance).exp()), mean, log_variance


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
