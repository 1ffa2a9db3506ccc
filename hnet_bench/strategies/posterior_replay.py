"""Posterior meta-replay: a hypernetwork generates a Gaussian over the classifier's weights for each task.

Henning et al. 2021 (PR-BbB, learnt by Bayes by backprop). The hypernetwork is held to the posteriors of old tasks.
Where the task is not given it is inferred from the predictions of several networks that are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.config import to_settings
from hnet_bench.interfaces import Scenario, Settings, Setup, UserError
from hnet_bench.strategies.settings import HypernetworkSettings, heads, require_several_classes

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor

    from hnet_bench.avalanche_adapter.resumable import Trained
    from hnet_bench.nets.gaussian import Gaussian
    from hnet_bench.strategies.training.hypernetwork import Regulariser


@dataclass(frozen=True, kw_only=True)
class PosteriorReplay(HypernetworkSettings):
    """With N the training samples of an experience and S networks drawn for each step, the loss is

        mean over S of the mean cross-entropy + prior_weight / N * KL(posterior || N(0, I)) + beta * regulariser

    which is the authors' loss divided by N: their kl_scale is `prior_weight` as it is, and their beta is N times
    `regularisation_strength`, which stands beside a mean as in HNET. The regulariser is a mean over old tasks; the
    authors' code divides all but "outputs" once more by the number of the task, which reads as a slip.
    """

    name: ClassVar[str] = "posterior_replay"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    lookahead: bool = False
    # How far posteriors of old tasks are from what they were: the squared distance of all that is generated, the
    # Kullback-Leibler divergence from the old posterior or from the new one, or the squared 2-Wasserstein distance.
    regulariser: Literal["outputs", "kl_from_old", "kl_from_new", "wasserstein"] = "kl_from_old"
    prior_weight: float = 1e-4  # kappa, the authors' kl_scale: 1 is Bayes' rule, less is a cold posterior
    samples: int = 1  # S, networks that are drawn for each step
    test_samples: int = 10  # networks whose mean prediction is evaluated; the same noise for every batch and task
    # What the inferred task has: the least entropy or the greatest probability of the mean prediction, or the least
    # spread of the predictions that are averaged.
    criterion: Literal["entropy", "confidence", "disagreement"] = "entropy"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.generated_layers is not None:
            raise UserError("posterior_replay generates all layers: it has no generated_layers.")
        if self.fisher_weighted:
            raise UserError("posterior_replay holds spreads beside means: it has no fisher_weighted.")
        for name in ("samples", "test_samples"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} of posterior_replay must be at least 1, found {getattr(self, name)}.")
        if not self.prior_weight >= 0:
            raise UserError(f"prior_weight must not be negative, found {self.prior_weight}.")
        if self.criterion == "disagreement" and self.test_samples < 2:
            raise UserError("A single network cannot disagree: set test_samples to at least 2, or another criterion.")

    def trainings(self, setup: Setup) -> dict[str, Settings]:
        """The classifier, the same for every criterion, and in CL1 and CL3."""
        tested = ("criterion", "test_samples")
        own = {name: value for name, value in to_settings(self).items() if name not in tested}
        return {"classifier": {"posterior": True, **own, **heads(setup)}}

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run. Raises UserError outside CL1 where an experience has a single class."""
        import torch

        from hnet_bench.avalanche_adapter.template import head_columns, per_task, together
        from hnet_bench.nets.criteria import disagreement, doubt, entropy, mean_prediction
        from hnet_bench.nets.gaussian import PosteriorRegulariser, gaussian, kl_to_prior
        from hnet_bench.nets.networks import GaussianMlp
        from hnet_bench.nets.target import mlp_from_chunks
        from hnet_bench.strategies.training.hypernetwork import ChunkedHypernetworkTemplate

        if setup.scenario is not Scenario.TASK:
            require_several_classes(setup.facts, "Posterior meta-replay outside CL1")
        settings = self
        target = GaussianMlp(setup)

        class PosteriorTemplate(ChunkedHypernetworkTemplate):
            """`mb_inferred_task` (batch,) holds the inferred tasks of a batch that is evaluated, but in CL1."""

            mb_inferred_task: Tensor | None = None
            # From the forward pass of a training step to its loss: outputs (S, batch, ...), divergence from the prior.
            _step: tuple[Tensor, Tensor] | None = None

            def __init__(self) -> None:
                super().__init__(setup=setup, settings=settings, target=target)
                self.noise = setup.generator("weight_noise")

            def trained_by(self) -> dict[str, Trained]:
                return {"classifier": {**super().trained_by()["classifier"], "weight_noise": self.noise}}

            def begin_experience(self) -> None:
                super().begin_experience()
                self.require_all_classes()

            def parameter_counts(self) -> Settings:
                return {**super().parameter_counts(), "target": target.shape.parameters}

            def new_regulariser(self) -> Regulariser:
                if settings.regulariser == "outputs":
                    return super().new_regulariser()
                return PosteriorRegulariser(
                    self.classifier.hypernetwork,
                    self.task,
                    self._strength,
                    settings.regulariser,
                    draw=self._draw,
                    online=self._online_targets,
                )

            def forward(self) -> Tensor:
                if not self.is_training and self.scenario is not Scenario.TASK:
                    return self._inferred()
                given = self.mb_task_id if self.scenario is Scenario.TASK else torch.full_like(self.mb_y, self.task)
                groups = list(per_task(given))  # a single one, but from stock loaders
                posteriors = [self.posterior(task) for task, _ in groups]
                noise = self._normal(settings.samples, self.noise) if self.is_training else self._test_noise()
                parts = (
                    self.drawn(self.mb_x[positions], task, posterior, noise)
                    for (task, positions), posterior in zip(groups, posteriors, strict=True)
                )
                outputs = together(parts, groups, dim=1)
                if self.is_training:
                    divergence = torch.stack([kl_to_prior(posterior) for posterior in posteriors]).sum()
                    self._step = outputs, divergence / len(self.experience.dataset)
                    outputs = outputs.detach()
                return mean_prediction(outputs.log_softmax(dim=2))

            def criterion(self) -> Tensor:
                if self._step is None:
                    loss: Tensor = super().criterion()
                    return loss
                (outputs, divergence), self._step = self._step, None
                loss = self._criterion(outputs.flatten(0, 1), self.mb_y.repeat(len(outputs)))
                return loss + settings.prior_weight * divergence

            def posterior(self, task: int) -> Gaussian:
                """The generated posterior over the weights of one task's network."""
                return gaussian(self.classifier.chunks(task).view(-1), target.shape.parameters)

            def drawn(self, x: Tensor, task: int, posterior: Gaussian, noise: Tensor) -> Tensor:
                """Outputs (S, batch, ...) of one head for x (batch, ...) by the networks that noise (S, parameters)
                leads to."""
                heads = [mlp_from_chunks(x.flatten(1), posterior.at(one), target.shape) for one in noise]
                columns = head_columns(self.setup, task)
                return torch.stack([self.full_width(head[:, columns], task) for head in heads])

            def _inferred(self) -> Tensor:
                """The mean prediction for each sample with the task that the criterion chooses."""
                noise = self._test_noise()
                # Before any training there is still a posterior to ask: that of the first task.
                outputs = [
                    self.drawn(self.mb_x, task, self.posterior(task), noise) for task in range(max(1, self.tasks_seen))
                ]
                # (tasks, S, batch, ...), in double precision: probabilities near 1 are told apart by their spread.
                predictions = torch.stack(outputs).double().log_softmax(dim=3)
                means = mean_prediction(predictions)
                unsure = {"entropy": entropy, "confidence": doubt}.get(settings.criterion)
                values = unsure(means) if unsure else disagreement(predictions)
                self.mb_inferred_task = values.argmin(dim=0)
                chosen = self.mb_inferred_task.view(1, -1, 1).expand(1, -1, means.shape[2])
                return means.gather(0, chosen).squeeze(0).to(self.mb_x.dtype)

            def _test_noise(self) -> Tensor:
                """The same for every batch of a run, so that evaluating needs no state and leaves no trace."""
                return self._normal(settings.test_samples, self.setup.generator("test_weights"))

            def _normal(self, count: int, generator: torch.Generator) -> Tensor:
                return torch.randn(count, target.shape.parameters, generator=generator).to(self.device)

        return PosteriorTemplate()
