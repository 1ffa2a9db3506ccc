"""HNET+ENT: HNET that infers the task as the one whose classifier is most certain (von Oswald et al. 2020, section 3).

All samples of a batch are classified at once for each task. How certain a classifier is may be asked in other ways,
which share the training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.interfaces import ADDED_LATER, Scenario, Settings, Setup, UserError
from hnet_bench.strategies.settings import HypernetworkSettings, require_several_classes

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class HnetEnt(HypernetworkSettings):
    """For CL2 and CL3. Training is that of HNET with one shared head in CL2, a head for each task in CL3."""

    name: ClassVar[str] = "hnet_ent"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = (Scenario.DOMAIN, Scenario.CLASS)

    # stable: from log-softmax. naive: sum of p * log p as in the authors' code, NaN once a probability underflows to 0;
    # kept to measure what that does.
    entropy: Literal["stable", "naive"] = "stable"
    # Which task answers. entropy, confidence: that whose prediction has the least entropy, the greatest probability.
    # entropy_gradient: that whose embedding, in a mixture of those of all tasks seen, lowers the entropy fastest
    # (Henning et al. 2021; their code mixes those up to the true task, which tells what is to be inferred).
    # calibrated_gap: that whose largest logit exceeds the second most, in units of what it exceeds it by in the median
    # of the task's training samples, right after they were learnt: one number, kept for each task.
    criterion: Literal["entropy", "confidence", "entropy_gradient", "calibrated_gap"] = field(
        default="entropy", metadata=ADDED_LATER
    )

    # A hypernetwork of its own for every task, which shares and forgets nothing: what the criterion can do at best.
    one_per_task: bool = field(default=False, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.entropy == "naive" and self.criterion != "entropy":
            raise UserError(f"The naive entropy is for the criterion entropy, found {self.criterion}.")
        if self.one_per_task and (self.regularisation_strength > 0 or self.frozen_after is not None):
            raise UserError(
                "With one_per_task nothing is regularised or frozen: set regularisation_strength to 0, without "
                "frozen_after."
            )
        for name in ("regularised_tasks", "online_targets", "fisher_weighted", "generated_layers"):
            if self.one_per_task and getattr(self, name):
                raise UserError(
                    f"With one_per_task nothing is regularised or shared: leave {name} out, found "
                    f"{getattr(self, name)}."
                )
        if self.one_per_task and self.criterion == "entropy_gradient":
            raise UserError(
                "Embeddings of different hypernetworks cannot be mixed: entropy_gradient has no one_per_task."
            )

    def trainings(self, setup: Setup) -> dict[str, Settings]:
        """The classifier, which HNET in CL1 and HNET+TIR train in the same way, whatever infers the task."""
        own = {"one_per_task": True} if self.one_per_task else {}
        return {"classifier": {**self.classifier_training(setup), **own}}

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run. Raises UserError where an experience has a single class."""
        import torch

        from hnet_bench.nets.criteria import doubt, entropy, entropy_gradient, gap
        from hnet_bench.nets.networks import GeneratedMlp
        from hnet_bench.nets.target import mlp
        from hnet_bench.strategies.training.hypernetwork import ChunkedHypernetworkTemplate

        form, criterion = self.entropy, self.criterion
        classes = setup.facts.classes_per_experience
        require_several_classes(setup.facts, "HNET+ENT")

        class EntropyTemplate(ChunkedHypernetworkTemplate):
            # Of the criterion calibrated_gap: median gaps (tasks,) of the tasks that are learnt, 1 for others.
            usual_gaps = torch.ones(0)

            def forward(self) -> Tensor:
                if self.is_training:
                    return super().forward()
                heads = self.heads()
                return self.of_surest(heads, self.uncertainties(heads))

            def uncertainties(self, heads: Tensor) -> Tensor:
                """By the criterion, (tasks, batch), from the heads (tasks, batch, K) of all tasks seen."""
                if criterion == "confidence":
                    return doubt(heads)
                if criterion == "calibrated_gap":
                    return -gap(heads) / self.usual_gaps[: len(heads)].unsqueeze(1)
                if criterion == "entropy_gradient":
                    return self.entropy_gradients(len(heads))
                entropies = entropy(heads, form)
                if form == "naive":
                    nan = int(entropies.isnan().sum())
                    self.diagnostics["nan_entropies"] = self.diagnostics.get("nan_entropies", 0) + nan
                return entropies

            def entropy_gradients(self, tasks: int) -> Tensor:
                """Of the mixture of this many embeddings, with the outputs of all their heads, (tasks, batch)."""
                hypernetwork, target = self.classifier.hypernetwork, self.classifier.target
                assert isinstance(target, GeneratedMlp)
                x, shape = target.features(self.mb_x), target.shape

                def outputs(embedding: Tensor) -> Tensor:
                    return mlp(x, hypernetwork.of_embedding(embedding), shape)[:, : tasks * classes]

                return entropy_gradient(outputs, torch.stack(list(hypernetwork.task_embeddings)[:tasks]))

            def begin_experience(self) -> None:
                super().begin_experience()
                self.require_all_classes()

            def end_experience(self) -> None:
                super().end_experience()
                if criterion == "calibrated_gap":
                    with torch.no_grad():
                        gaps = [gap(self.classifier.head(x, self.task)) for x, _ in self.present_samples()]
                        self.usual_gaps[self.task] = torch.cat(gaps).median()

            def parameter_counts(self) -> Settings:
                counts = super().parameter_counts()
                stored = counts.get("stored_values", 0) + len(self.usual_gaps)
                return {**counts, "stored_values": stored} if stored else counts

        template = EntropyTemplate(setup=setup, settings=self, one_per_task=self.one_per_task)
        if criterion == "calibrated_gap":
            template.usual_gaps = torch.ones(setup.facts.experiences, device=template.device)
        return template
