"""How a full hypernetwork learns: as a chunked one (`training.hypernetwork`), or a new one for every task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from avalanche.core import BasePlugin
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import InMemoryTemplate, head_columns, per_task
from hnet_bench.interfaces import Settings, Setup
from hnet_bench.nets.full_hypernetwork import ACTIVATIONS, FullHypernetwork
from hnet_bench.nets.generated_mlp import generated_mlp
from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.regulariser import GramRegulariser
from hnet_bench.nets.target import MlpShape
from hnet_bench.strategies.hnet_full import HnetFull


class FullyGenerated(MultiTaskModule):  # type: ignore[misc]
    """The target network is an MLP with the protocol's hidden units and activation, generated for each task."""

    def __init__(self, setup: Setup, settings: HnetFull) -> None:
        super().__init__()
        self._setup = setup
        self.target = MlpShape((setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs))
        # One that knows all tasks, or one for each, which knows one.
        tasks = setup.facts.experiences
        count = tasks if settings.from_scratch else 1
        self.hypernetworks = nn.ModuleList(
            FullHypernetwork(
                self.target,
                tasks=tasks // count,
                hidden_units=settings.hidden_units,
                activation=settings.activation,
                task_embedding_size=settings.task_embedding_size,
            )
            for _ in range(count)
        )

    def hypernetwork(self, task: int) -> tuple[FullHypernetwork, int]:
        """The hypernetwork of a task, and the number of the task's embedding there."""
        alone = len(self.hypernetworks) == 1
        found = self.hypernetworks[0 if alone else task]
        assert isinstance(found, FullHypernetwork)
        return found, task if alone else 0

    def forward(self, x: Tensor, task_labels: Tensor | None) -> Tensor | dict[int, Tensor]:
        """Outputs (batch, K) of each sample's task, `task_labels` (batch,); without labels those of each task's head,
        by task, as Avalanche's plugins expect."""
        if task_labels is None:
            return {task: self.head(x, task) for task in range(self._setup.facts.experiences)}
        outputs = x.new_zeros(len(x), self._setup.facts.classes_per_experience)
        for task, positions in per_task(task_labels):
            outputs = outputs.index_copy(0, positions, self.head(x[positions], task))
        return outputs

    def head(self, x: Tensor, task: int) -> Tensor:
        """Outputs (batch, K) for inputs (batch, ...) by the target network of one task, on its head."""
        hypernetwork, embedding = self.hypernetwork(task)
        activate = ACTIVATIONS[self._setup.protocol.activation]
        outputs = generated_mlp(x.flatten(1), hypernetwork(embedding), self.target, activate)
        return outputs[:, head_columns(self._setup, task)]


class FullHypernetworkTemplate(InMemoryTemplate):
    """HNET with a full hypernetwork, in TASK."""

    fresh_optimiser = True
    # Generated weights are initialised by their hypernetwork, whatever the protocol says of others.
    learns_with = ("regression", "sigmoid", "xavier")

    def __init__(
        self,
        *,
        setup: Setup,
        settings: HnetFull,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        self._settings = settings
        self._regulariser: GramRegulariser | None = None
        self._lookahead: AdamLookahead | None = None
        super().__init__(setup=setup, model=FullyGenerated(setup, settings), plugins=plugins, evaluator=evaluator)

    @property
    def generated(self) -> FullyGenerated:
        """The model, with its own type."""
        assert isinstance(self.model, FullyGenerated)
        return self.model

    def trained_parameters(self) -> list[nn.Parameter]:
        """theta and the embedding of the present task."""
        hypernetwork, embedding = self.generated.hypernetwork(self.task)
        return [*hypernetwork.theta, hypernetwork.task_embeddings[embedding]]

    def parameter_counts(self) -> Settings:
        """All embeddings count, and all hypernetworks if there are several."""
        counts = super().parameter_counts()
        return {"trained": counts["trained"], "target": self.generated.target.parameters}

    def check_model_and_optimizer(self, reset_optimizer_state: bool = False, **kwargs: Any) -> None:
        """Also fixes what the regulariser will hold on to, just before the task is learnt."""
        super().check_model_and_optimizer(reset_optimizer_state, **kwargs)
        self._regulariser = self._lookahead = None
        if self.task > 0 and self._settings.regularisation_strength > 0:
            hypernetwork, _ = self.generated.hypernetwork(self.task)
            self._regulariser = GramRegulariser(hypernetwork, self.task, self._settings.regularisation_strength)
            if self._settings.lookahead:
                self._lookahead = AdamLookahead(self.optimizer, hypernetwork.theta)

    def _after_training_exp(self, **kwargs: Any) -> None:
        super()._after_training_exp(**kwargs)
        self._regulariser = self._lookahead = None

    def forward(self) -> Tensor:
        if self.is_training and self.own_batches:
            return self.generated.head(self.mb_x, self.task)
        outputs: Tensor = self.generated(self.mb_x, self.mb_task_id)
        return outputs

    def backward(self) -> None:
        """Adds the regulariser's gradient, taken where the task loss alone would lead, to that of the task loss."""
        super().backward()
        if self._regulariser is None:
            return
        theta = self.generated.hypernetwork(self.task)[0].theta
        parameters = self._lookahead.parameters() if self._lookahead else [tensor.detach() for tensor in theta]
        gradients = [tensor.grad for tensor in theta if tensor.grad is not None]
        self._regulariser.add_gradient(parameters, gradients)
