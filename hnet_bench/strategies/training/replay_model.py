"""The replay model of HNET+TIR and HNET+R: how it learns a task and replays old ones."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy
import torch
from torch import Tensor

from hnet_bench.avalanche_adapter.batches import FixedIterations
from hnet_bench.avalanche_adapter.resumable import Phase, Trained
from hnet_bench.interfaces import Settings, Setup, UserError
from hnet_bench.nets.gan import GeneratedGan
from hnet_bench.nets.lookahead import AdamLookahead, require_adam
from hnet_bench.nets.regulariser import GramRegulariser
from hnet_bench.nets.vae import CONDITIONS, LATENT, FrozenDecoders, GeneratedVae, VaeShape
from hnet_bench.strategies.settings import ReplaySettings
from hnet_bench.strategies.training.generated import shape_of

# Steps whose replayed samples are generated at once: their decoders are the same, and larger products are faster.
_STEPS_AT_ONCE = 8
_EXAMPLES = 10  # of every task, for figures


class ReplayModel:
    """A VAE or GAN for every experience but the last, which is never replayed; its encoder, or discriminator, is as
    wide as the classifier."""

    def __init__(self, setup: Setup, settings: ReplaySettings) -> None:
        """Raises UserError for more experiences than the decoder's one-hot code can tell apart, and for an optimiser
        other than Adam."""
        require_adam(setup.protocol)
        self.tasks = setup.facts.experiences - 1
        if self.tasks > CONDITIONS:
            raise UserError(
                f"The replay model learns at most {CONDITIONS + 1} experiences, the last of which is never replayed: "
                f"found {setup.facts.experiences}."
            )
        self._setup = setup
        self._strength = settings.replay_regularisation_strength
        self._adversarial_beta1 = settings.replay_adversarial_beta1
        self._device = torch.device(setup.device)
        self._noise = setup.generator("replay_noise")
        self.latent = setup.generator("replay_latent")
        shape = VaeShape(
            inputs=setup.facts.inputs,
            encoder_hidden_units=setup.protocol.hidden_units,
            decoder_hidden_units=settings.replay_decoder_hidden_units,
        )
        hypernetwork = shape_of(settings, shape.decoder.parameters, max(1, self.tasks), prefix="replay_")
        self.network: GeneratedVae | GeneratedGan
        if settings.replay_method == "vae":
            self.network = GeneratedVae(shape, hypernetwork)
        else:
            self.network = GeneratedGan(shape, hypernetwork, settings.replay_adversarial_loss)
        self.network.to(self._device)

    def learning(self, task: int, batches: FixedIterations) -> ReplayLearning:
        """The phase that learns to replay the task of these batches."""
        strength, noise = self._strength, self._noise
        if isinstance(self.network, GeneratedGan):
            setup = replace(self._setup, protocol=replace(self._setup.protocol, beta1=self._adversarial_beta1))
            return AdversarialLearning(setup, self.network, task, batches, strength=strength, noise=noise)
        return ReplayLearning(self._setup, self.network, task, batches, strength=strength, noise=noise)

    def replay(self, old_tasks: int, batch_size: int) -> ReplayedBatches:
        """Batches of samples of the first `old_tasks` tasks, from their decoders as they are now."""
        decoders = FrozenDecoders(self.network, old_tasks)
        return ReplayedBatches(decoders, math.ceil(batch_size / old_tasks), self.latent, self._device)

    def samples(self, count: int, generator: torch.Generator) -> Tensor:
        """Samples of every learnt task, (tasks, count, inputs), drawn with the given generator."""
        return FrozenDecoders(self.network, self.tasks).sample(_normal(generator, self._device, self.tasks, count))

    def trained(self, data_order: torch.Generator) -> Trained:
        """All that its training changes, with the generator of the order of its batches."""
        return {"network": self.network, "noise": self._noise, "data_order": data_order}

    def artefacts(self) -> dict[str, numpy.ndarray]:
        """ "replay_samples": bytes (experiences - 1, 10, *input_shape); nothing where there is nothing to replay."""
        if self.tasks == 0:
            return {}
        samples = self.samples(_EXAMPLES, self._setup.generator("replay_examples"))
        pixels = (samples * 255).round().byte().cpu().numpy()
        return {"replay_samples": pixels.reshape(self.tasks, _EXAMPLES, *self._setup.facts.input_shape)}

    def parameter_counts(self) -> Settings:
        """Parameters of the decoder's hypernetwork, of the decoder that it generates, and of the encoder or, in a GAN,
        the discriminator."""
        return {
            "replay_decoder_trained": self.network.hypernetwork.trained_parameters,
            "replay_decoder_target": self.network.shape.decoder.parameters,
            "replay_encoder": sum(parameter.numel() for parameter in self.network.encoder.parameters()),
        }


class ReplayLearning(Phase):
    """Learns to replay a task from its inputs; Adam starts anew."""

    training = "replay_model"

    def __init__(
        self,
        setup: Setup,
        network: GeneratedVae | GeneratedGan,
        task: int,
        batches: FixedIterations,
        *,
        strength: float,
        noise: torch.Generator,
    ) -> None:
        super().__init__(batches)
        self._network, self._task, self._noise = network, task, noise
        hypernetwork = network.hypernetwork
        self._theta = hypernetwork.theta
        trained = [*self._theta, hypernetwork.task_embeddings[task], *network.learnt_with_decoder]
        self._optimiser = setup.optimiser(trained)
        self._lookahead = AdamLookahead(self._optimiser, self._theta)
        protected = task > 0 and strength > 0
        self._regulariser = GramRegulariser(hypernetwork, task, strength) if protected else None

    def step(self, batch: list[Tensor]) -> None:
        x = batch[0]
        self._optimiser.zero_grad()
        loss = self._network.loss(x, self._noise_for(x), self._task)
        loss.backward()
        self.loss = loss.detach()
        if self._regulariser is not None:
            gradients = [parameter.grad for parameter in self._theta if parameter.grad is not None]
            self._regulariser.add_gradient(self._lookahead.parameters(), gradients)
        self._optimiser.step()

    def _noise_for(self, x: Tensor) -> Tensor:
        return _normal(self._noise, x.device, len(x))


class AdversarialLearning(ReplayLearning):
    """In each step first the discriminator learns, and then the generator, with other noise."""

    def __init__(self, setup: Setup, network: GeneratedGan, *others: Any, **named: Any) -> None:
        super().__init__(setup, network, *others, **named)
        self._gan = network
        self._discriminator_optimiser = setup.optimiser(network.encoder.parameters())

    def step(self, batch: list[Tensor]) -> None:
        x = batch[0]
        self._discriminator_optimiser.zero_grad()
        self._gan.discriminator_loss(x, self._noise_for(x), self._task).backward()
        self._discriminator_optimiser.step()
        super().step(batch)


class ReplayedBatches:
    """Endless batches: samples (old_tasks * count, inputs) in [0, 1], `count` of each old task in order, and their
    tasks (old_tasks * count,)."""

    def __init__(self, decoders: FrozenDecoders, count: int, generator: torch.Generator, device: torch.device) -> None:
        self._decoders, self._count, self._generator, self._device = decoders, count, generator, device
        self._tasks = torch.arange(decoders.tasks, device=device).repeat_interleave(count)
        self._next: list[Tensor] = []  # generated and not yet given

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self

    def __next__(self) -> tuple[Tensor, Tensor]:
        if not self._next:
            latent = _normal(self._generator, self._device, self._decoders.tasks, _STEPS_AT_ONCE * self._count)
            samples = self._decoders.sample(latent).view(self._decoders.tasks, _STEPS_AT_ONCE, self._count, -1)
            self._next = list(reversed(samples.unbind(1)))
        return self._next.pop().flatten(0, 1), self._tasks

    def skip(self, count: int) -> None:
        """Gives up what is there of the next so many batches; their random numbers are not drawn."""
        self._next = self._next[: (len(self._next) - count) % _STEPS_AT_ONCE]


def _normal(generator: torch.Generator, device: torch.device, *shape: int) -> Tensor:
    return torch.randn(*shape, LATENT, generator=generator).to(device)
