"""A variational auto-encoder whose decoder a hypernetwork generates for each task: the replay model.

The encoder is an ordinary network that all tasks share; it is needed for the present task alone, so nothing protects
it. The decoder gets a latent vector and the task as one-hot code (von Oswald et al. 2020, appendix; settings of the
authors' MNIST experiments). `gan` learns the same decoder against a discriminator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hnet_bench.nets.hypernetwork import ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.ordinary import xavier_mlp
from hnet_bench.nets.products import affine
from hnet_bench.nets.target import MlpShape, mlp_from_chunks

LATENT = 100
CONDITIONS = 100  # width of the one-hot code, however many tasks there are


@dataclass(frozen=True, kw_only=True)
class VaeShape:
    """Sizes of the encoder and of the decoder."""

    inputs: int
    encoder_hidden_units: tuple[int, ...]
    decoder_hidden_units: tuple[int, ...]

    @property
    def decoder(self) -> MlpShape:
        """From latent vector and condition to the logits of the pixels."""
        return MlpShape((LATENT + CONDITIONS, *self.decoder_hidden_units, self.inputs))


class GeneratedDecoder(nn.Module):
    """`hypernetwork` generates the parameters of `shape.decoder`; `encoder` learns beside it, for the present task
    alone, and has `outputs` outputs. In a GAN it is the discriminator.

    What trains the decoder is `loss`, and `learnt_with_decoder` is what of the encoder learns by it, too.
    """

    # Pixels, in [0, 1], are the sigmoid of so many times the decoder's outputs.
    steepness: ClassVar[float] = 1.0

    def __init__(self, shape: VaeShape, hypernetwork: HypernetworkShape, outputs: int) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = xavier_mlp((shape.inputs, *shape.encoder_hidden_units, outputs))
        self.hypernetwork = ChunkedHypernetwork(hypernetwork)

    def decode(self, latent: Tensor, task: int) -> Tensor:
        """The decoder's outputs (batch, inputs) for latent vectors (batch, LATENT)."""
        condition = latent.new_zeros(len(latent), CONDITIONS)
        condition[:, task] = 1
        return mlp_from_chunks(torch.cat([latent, condition], 1), self.hypernetwork.chunks(task), self.shape.decoder)


class GeneratedVae(GeneratedDecoder):
    """The decoder with an encoder, which says mean and log-variance of the latent vector."""

    def __init__(self, shape: VaeShape, hypernetwork: HypernetworkShape) -> None:
        super().__init__(shape, hypernetwork, outputs=2 * LATENT)

    @property
    def learnt_with_decoder(self) -> list[nn.Parameter]:
        """All of the encoder."""
        return list(self.encoder.parameters())

    def loss(self, x: Tensor, noise: Tensor, task: int) -> Tensor:
        """`vae_loss` for inputs (batch, ...) in [0, 1] and standard normal noise (batch, LATENT)."""
        x = x.flatten(1)
        mean, log_variance = self.encoder(x).split(LATENT, dim=1)
        latent = mean + noise * (0.5 * log_variance).exp()
        return vae_loss(self.decode(latent, task), mean, log_variance, x)


def vae_loss(logits: Tensor, mean: Tensor, log_variance: Tensor, x: Tensor) -> Tensor:
    """Mean over batch and pixels of the binary cross-entropy of the decoded logits with inputs, both (batch, inputs),
    plus the mean over the batch of KL(N(mean, variance) || N(0, I)), divided by the number of pixels; mean and
    log-variance are (batch, latent)."""
    divergence = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum(dim=1).mean()
    loss: Tensor = functional.binary_cross_entropy_with_logits(logits, x) + divergence / x.shape[1]
    return loss


class FrozenDecoders:
    """The decoders of the first `tasks` tasks as they are now, generated once, to sample from all at once."""

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def __init__(self, model: GeneratedDecoder, tasks: int) -> None:
        self.tasks = tasks
        self._steepness = model.steepness
        self._layers = [model.shape.decoder.views(model.hypernetwork(task)) for task in range(tasks)]
        for task, ((weight, bias), *_) in enumerate(self._layers):
            # A task's condition never changes, so what it adds to the first layer is a part of the bias.
            self._layers[task][0] = weight[:, :LATENT].contiguous(), bias + weight[:, LATENT + task]

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def sample(self, latent: Tensor) -> Tensor:
        """Pixels in [0, 1], (tasks, count, inputs), for latent vectors (tasks, count, LATENT)."""
        samples = []
        for values, (*hidden, (weight, bias)) in zip(latent, self._layers, strict=True):
            for hidden_weight, hidden_bias in hidden:
                values = affine(values, hidden_weight, hidden_bias, relu=True)
            samples.append(affine(values, weight, bias))
        return torch.stack(samples).mul_(self._steepness).sigmoid_()
