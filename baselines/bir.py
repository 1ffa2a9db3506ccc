"""BI-R, brain-inspired replay: the classifier itself generates what is replayed, class by class, by feedback
connections."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from baselines.distillation_settings import DistillationSettings
from hnet_bench.interfaces import Scenario, Settings, Setup, UserError

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Bir(DistillationSettings):
    """Van de Ven, Siegelmann & Tolias 2020 (Nature Communications 11) in the form of van de Ven et al. 2022 (Nature
    Machine Intelligence 4), Table 2, for networks without convolutions: without internal replay.

    The classifier's hidden layers are the encoder of a VAE (replay through feedback). Latent values have a Gaussian
    prior for each class, which is learnt; units of the decoder are gated, others for each class (in CL2 for each task).
    In experience t the loss is (1 / t) [CE + VAE] + (1 - 1 / t) [KD + VAE], KD the distillation and VAE the variational
    loss of inputs that the network as it was before generates, of classes seen until then; their prior and gates are
    weighted by its softened answers. In CL1 equally many are generated for each past task, and its head answers.
    """

    name: ClassVar[str] = "bir"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    # X: with this probability a unit of the decoder is gated. On split MNIST 0 in CL1, 0.1 in CL2 and CL3, found by
    # the authors on test data of one seed.
    gated_fraction: float = 0.1
    times_temperature_squared: bool = False  # as in all of 2022

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.gated_fraction < 1:
            raise UserError(f"gated_fraction of bir must be at least 0 and below 1, found {self.gated_fraction}.")

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run."""
        return _template(setup, self)


def _template(setup: Setup, settings: Bir) -> SupervisedTemplate:
    import torch
    from torch.nn import functional

    from baselines.training.distillation import DistillationTemplate
    from baselines.training.feedback_network import FeedbackNetwork
    from baselines.training.generator import LATENT
    from hnet_bench.avalanche_adapter.classifier import MultiHead, chosen_heads
    from hnet_bench.nets.distillation import distillation_loss

    per_task = setup.facts.classes_per_experience
    by_task = setup.scenario is Scenario.DOMAIN  # gates are those of tasks, not of classes

    def network_of(model: nn.Module | None) -> FeedbackNetwork:
        network = model.network if isinstance(model, MultiHead) else model
        assert isinstance(network, FeedbackNetwork)
        return network

    class BirTemplate(DistillationTemplate):
        """One pass through the classifier serves its own loss and that of the VAE, for current and replayed samples."""

        def __init__(self) -> None:
            self._noise = setup.generator("vae_noise")
            self._latent = setup.generator("replay_latent")
            super().__init__(
                setup=setup, distillation=settings, network=FeedbackNetwork(setup, settings.gated_fraction)
            )

        def replayed(self) -> list[Tensor | None]:
            """Generated inputs, the old answers to them, and the task of each: the one whose head answers (CL1), or
            whose gates it was generated with (CL2)."""
            classes, tasks = self._drawn()
            teacher = network_of(self._teacher)
            gating = functional.one_hot(tasks if by_task else classes, teacher.gated).float()
            noise = torch.randn(len(classes), LATENT, generator=self._latent).to(self.device)
            x = teacher.generate(classes, gating, noise)
            answers = self.teacher_outputs(x)
            return [x, chosen_heads(answers, tasks, per_task) if self.scenario is Scenario.TASK else answers, tasks]

        def _drawn(self) -> tuple[Tensor, Tensor]:
            """Which class each replayed input is of, and which past task, (n,) each: equally many of each in CL1."""

            def one_of(number: int, count: int) -> Tensor:
                return torch.randint(number, (count,), generator=self._latent)

            size = self.setup.protocol.batch_size
            if self.scenario is Scenario.CLASS:
                known = torch.tensor(sorted({label for labels in self.classes_of[:-1] for label in labels}))
                classes = known[one_of(len(known), size)]
                tasks = torch.zeros_like(classes)
            elif by_task:
                classes, tasks = one_of(per_task, size), one_of(self.task, size)
            else:
                tasks = torch.arange(self.task).repeat_interleave(math.ceil(size / self.task))
                classes = tasks * per_task + one_of(per_task, len(tasks))
            return classes.to(self.device), tasks.to(self.device)

        def forward(self) -> Tensor:
            if self.is_training and not self.replays:
                return self.competing(self.all_outputs(self.mb_x), self.mb_task_id)
            return super().forward()

        def all_outputs(self, x: Tensor, model: nn.Module | None = None, task_labels: Tensor | None = None) -> Tensor:
            """As elsewhere; in training what the last hidden layer gives is kept for the VAE."""
            if model is not None or not self.is_training:
                return super().all_outputs(x, model, task_labels)
            network = network_of(self.model)
            self.mb_hidden = network.hidden(x)
            outputs: Tensor = network.output(self.mb_hidden)
            return outputs

        def replayed_loss(self, outputs: Tensor, targets: list[Tensor]) -> Tensor:
            answers, tasks = targets
            if self.scenario is not Scenario.TASK:
                return super().replayed_loss(outputs, [answers])
            return distillation_loss(
                chosen_heads(outputs, tasks, per_task),
                answers,
                settings.temperature,
                reduction=settings.reduction,
                times_temperature_squared=settings.times_temperature_squared,
            )

        def criterion(self) -> Tensor:
            loss = super().criterion()
            return loss + self._generative_loss() if self.is_training else loss

        def _generative_loss(self) -> Tensor:
            """That of the VAE for the current samples and for the replayed ones, with their weights."""
            network, labels = network_of(self.model), self.mb_y
            if self.scenario is Scenario.TASK:
                labels = labels + per_task * self.mb_task_id
            tasks = torch.full_like(labels, self.task)
            classes = functional.one_hot(labels, network.classes).float()
            x, of_samples = self.mb_x.flatten(1), torch.full_like(classes[:, 0], 1 / len(labels))
            if self.replays:
                _, _, replayed, answers, replayed_tasks, _ = self.mbatch
                x, tasks = torch.cat([x, replayed]), torch.cat([tasks, replayed_tasks])
                classes = torch.cat([classes, self._softened(answers, replayed_tasks, network.classes)])
                weight, replay_weight = self.weights()
                of_replayed = torch.full_like(replayed[:, 0], replay_weight / len(replayed))
                of_samples = torch.cat([weight * of_samples, of_replayed])
            gating = functional.one_hot(tasks, network.gated).float() if by_task else classes
            noise = torch.randn(len(x), LATENT, generator=self._noise).to(self.device)
            losses = network.generative_losses(x, self.mb_hidden, noise, classes, gating)
            return (losses * of_samples).sum()

        def _softened(self, answers: Tensor, tasks: Tensor, classes: int) -> Tensor:
            """Probabilities of all classes, (n, classes), by the old answers: 0 for those that they are not about."""
            known = torch.tensor(self._known, device=answers.device).expand(len(answers), -1)
            if self.scenario is Scenario.TASK:
                known = per_task * tasks.unsqueeze(1) + torch.arange(per_task, device=answers.device)
            softened = torch.softmax(answers / settings.temperature, dim=1)
            return softened.new_zeros(len(answers), classes).scatter(1, known, softened)

        def parameter_counts(self) -> Settings:
            """Those of the classifier; what generates, which testing does not need, stands beside them."""
            network, counts = network_of(self.model), super().parameter_counts()
            classifier = sum(one.numel() for part in (network.hidden, network.output) for one in part.parameters())
            return {"trained": classifier, "target": classifier, "generator": counts["trained"] - classifier}

    return BirTemplate()
