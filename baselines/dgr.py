"""Deep Generative Replay: a second network learns to generate inputs like those seen, the classifier labels them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.distillation_settings import DistillationSettings
from hnet_bench.interfaces import Scenario, Settings, Setup

if TYPE_CHECKING:
    import numpy
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor, nn

# Steps whose replayed samples are generated, and labelled, at once: what makes them does not change meanwhile, and
# larger products are faster.
_STEPS_AT_ONCE = 8
_EXAMPLES = 40  # for figures


@dataclass(frozen=True, kw_only=True)
class Dgr:
    """DGR, Deep Generative Replay: generated inputs are learnt with the classifier's old decisions as labels.

    No hyperparameters. Shin et al. 2017 in the form of van de Ven & Tolias, arXiv 1904.07734. A symmetric VAE learns
    beside the classifier. From the second experience on, copies of both as they were before it give as many samples as
    a batch has, with the most probable old class as label (in CL1 one for every old head), and both learn (1 / t) of
    the current batch and (1 - 1 / t) of the replayed one.
    """

    name: ClassVar[str] = "dgr"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, distillation=None)


@dataclass(frozen=True, kw_only=True)
class DgrDistill(DistillationSettings):
    """DGR+distill: generated inputs are learnt with the classifier's old outputs as targets, not its old decisions.

    Van de Ven & Tolias, arXiv 1904.07734, Tables 4 and 5.
    """

    name: ClassVar[str] = "dgr_distill"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, distillation=self)


def _template(setup: Setup, distillation: DistillationSettings | None) -> SupervisedTemplate:
    from baselines.training.distillation import DistillationTemplate
    from baselines.training.generator import Generator

    class DgrTemplate(DistillationTemplate):
        """Every step of the classifier is followed by one of the generator, on the same current and replayed inputs."""

        _replay_decoder: nn.Module | None = None  # the generator's, as it was before the present experience

        def __init__(self) -> None:
            self._next: list[tuple[Tensor, Tensor]] = []  # replayed inputs and the teacher's outputs, not yet given
            super().__init__(setup=setup, distillation=distillation)
            self.generator = Generator(setup)

        def begin_experience(self) -> None:
            super().begin_experience()
            self._replay_decoder = self.generator.frozen_decoder() if self.task > 0 else None

        def replayed(self) -> list[Tensor | None]:
            if not self._next:
                assert self._replay_decoder is not None
                size = self.setup.protocol.batch_size
                x = self.generator.sample(_STEPS_AT_ONCE * size, decoder=self._replay_decoder)
                batches = list(zip(x.split(size), self.teacher_outputs(x).split(size), strict=True))
                self._next = batches[::-1]
            return [*self._next.pop()]

        def optimizer_step(self) -> None:
            """A step of the classifier, then one of the generator."""
            super().optimizer_step()
            self.generator.learn(self.mb_x, self.mbatch[2] if self.replays else None, self.weights())

        def end_experience(self) -> None:
            super().end_experience()
            self._replay_decoder = None
            self._next = []

        def parameter_counts(self) -> Settings:
            """Those of the classifier; the generator, which testing does not need, stands beside them."""
            return {**super().parameter_counts(), "generator": self.generator.parameter_count()}

        def artefacts(self) -> dict[str, numpy.ndarray]:
            """ "generated_samples": bytes (40, *input_shape), by the generator as it is now."""
            stream = self.setup.generator("generated_examples")
            samples = self.generator.sample(_EXAMPLES, decoder=self.generator.vae.decoder, generator=stream)
            pixels = (samples * 255).round().byte().cpu().numpy()
            return {"generated_samples": pixels.reshape(_EXAMPLES, *self.setup.facts.input_shape)}

    return DgrTemplate()
