"""The generative classifier: a VAE of its own learns the inputs of each class, and the likeliest class is answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import Scenario, Settings, Setup, UserError

if TYPE_CHECKING:
    from typing import Any

    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class GenerativeClassifier:
    """Of van de Ven et al. 2022 (Nature Machine Intelligence 4), Table 2; the method is that of
    van de Ven, Li & Tolias 2021 (arXiv 2104.10093).

    Every class has a VAE with the protocol's hidden units, which are fewer than elsewhere in the table, and an equal
    share of its experience's steps, each on a batch of that class alone. Nothing is shared, so nothing is forgotten;
    neither classes nor tasks ever compete. A class is chosen by log p(x | class), estimated by importance sampling.
    """

    name: ClassVar[str] = "generative_classifier"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.CLASS,)

    latent: int = 5  # latent values of each VAE
    importance_samples: int = 50  # S: samples of the latent values by which a likelihood is estimated

    def __post_init__(self) -> None:
        for name in ("latent", "importance_samples"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} of generative_classifier must be at least 1, found {getattr(self, name)}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, self)


def _template(setup: Setup, settings: GenerativeClassifier) -> SupervisedTemplate:
    import torch

    from baselines.training.buffer import samples_of
    from baselines.training.class_vaes import BatchesInTurn, ClassVaes
    from hnet_bench.avalanche_adapter.benchmark import concatenated
    from hnet_bench.avalanche_adapter.template import InMemoryTemplate
    from hnet_bench.nets.vae import vae_loss

    class GenerativeClassifierTemplate(InMemoryTemplate):
        """Every class begins its training with an Adam that has not taken a step."""

        fresh_optimiser = True
        predicts_in_training = False
        model: ClassVaes

        def __init__(self) -> None:
            vaes = ClassVaes(setup.facts.inputs, setup.protocol.hidden_units, settings.latent, classes=setup.outputs)
            self._noise = setup.generator("vae_noise")
            super().__init__(setup=setup, model=vaes)

        def trained_parameters(self) -> list[nn.Parameter]:
            """Those of the VAEs of the present classes; those without a gradient in a step stay as they are."""
            return [parameter for label in self.classes_of[-1] for parameter in self.model.of(label).parameters()]

        def make_train_dataloader(self, **kwargs: Any) -> None:
            """Batches of each class of the present experience in turn."""
            samples = samples_of(self.experience)
            size = self.setup.protocol.batch_size
            of_classes = [(samples.y == label).nonzero().squeeze(1) for label in self.classes_of[-1]]
            self.dataloader = BatchesInTurn(
                [self.infinite_batches(concatenated([samples], rows), 0, size) for rows in of_classes]
            )

        def forward(self) -> Tensor:
            """In training logits of the pixels, (batch, inputs). Then log p(class | x) among the classes seen, or
            before there are any among all, (batch, setup.outputs): equally likely beforehand."""
            if self.is_training:
                vae = self.model.of(int(self.mb_y[0]))
                noise = torch.randn(len(self.mb_x), settings.latent, generator=self._noise).to(self.device)
                pixels: Tensor
                pixels, *self.mb_posterior = vae(self.mb_x.flatten(1), noise)
                return pixels
            classes = self.classes_seen or list(range(self.setup.outputs))
            # The same noise for all inputs and at every evaluation: the answer depends on nothing but the input.
            shape = (self.setup.outputs, settings.importance_samples, settings.latent)
            noise = torch.randn(shape, generator=self.setup.generator("importance_samples")).to(self.device)
            likelihoods = self.model.log_likelihoods(self.mb_x, classes, noise)
            return self.among_all_classes(likelihoods.log_softmax(1), classes)

        def criterion(self) -> Tensor:
            if self.is_training:
                mean, log_variance = self.mb_posterior
                return vae_loss(self.mb_output, mean, log_variance, self.mb_x.flatten(1))
            loss: Tensor = super().criterion()
            return loss

        def parameter_counts(self) -> Settings:
            """All VAEs are trained; each stands for one class."""
            trained = super().parameter_counts()["trained"]
            return {"trained": trained, "target": trained // self.setup.outputs}

    return GenerativeClassifierTemplate()
