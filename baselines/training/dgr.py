"""How DGR learns: classifier and generator by turns, each from real inputs and from replayed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from baselines.distillation_settings import DistillationSettings
from baselines.training.generator import Generator
from baselines.training.taught import TaughtTemplate
from hnet_bench.interfaces import Settings, Setup

# Steps whose replayed samples are generated, and labelled, at once: what makes them does not change meanwhile, and
# larger products are faster.
_STEPS_AT_ONCE = 8
_EXAMPLES = 40


class DgrTemplate(TaughtTemplate):
    """Every step of the classifier is followed by one of the generator, on the same current and replayed inputs."""

    def __init__(
        self,
        *,
        setup: Setup,
        distillation: DistillationSettings | None,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._replay_decoder: nn.Module | None = None
        self._made: list[tuple[Tensor, Tensor]] = []  # replayed inputs, what the teacher says of them; not yet given
        self._last_replayed: Tensor | None = None
        super().__init__(setup=setup, distillation=distillation, plugins=plugins, evaluator=evaluator)
        self.generator = Generator(setup)

    def parameter_counts(self) -> Settings:
        """Those of the classifier; the generator, which testing does not need, stands beside them."""
        return {**super().parameter_counts(), "generator": self.generator.parameter_count()}

    def artefacts(self) -> dict[str, numpy.ndarray]:
        """ "generated_samples": bytes (40, *input_shape), by the generator as it is now."""
        stream = self.setup.generator("generated_examples")
        samples = self.generator.sample(_EXAMPLES, decoder=self.generator.vae.decoder, generator=stream)
        pixels = (samples * 255).round().byte().cpu().numpy()
        return {"generated_samples": pixels.reshape(_EXAMPLES, *self.setup.facts.input_shape)}

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also fixes the generator that replays in the experience that begins."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        self._replay_decoder = self.generator.frozen_decoder() if self.task > 0 else None

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self._replay_decoder = self._last_replayed = None
        self._made = []

    def replayed(self) -> tuple[Tensor, Tensor]:
        if self._replay_decoder is None:
            raise RuntimeError("There is nothing to replay before the second experience.")
        if not self._made:
            size = self.setup.protocol.batch_size
            x = self.generator.sample(_STEPS_AT_ONCE * size, decoder=self._replay_decoder)
            batches = list(zip(x.split(size), self.said_before(x).split(size), strict=True))
            self._made = batches[::-1]
        self._last_replayed, said = self._made.pop()
        return self._last_replayed, said

    def optimizer_step(self) -> None:
        """A step of the classifier, then one of the generator."""
        super().optimizer_step()
        self.generator.learn(self.mb_x, self._last_replayed, self.weights())
