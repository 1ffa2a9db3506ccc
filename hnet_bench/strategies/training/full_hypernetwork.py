"""How a full hypernetwork learns: as `training.hypernetwork` says, or a new one for every task."""

from __future__ import annotations

from collections.abc import Sequence

from avalanche.core import BasePlugin
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor

from hnet_bench.interfaces import Setup
from hnet_bench.nets.full_hypernetwork import ACTIVATIONS, FullHypernetwork
from hnet_bench.nets.generated_mlp import generated_mlp
from hnet_bench.nets.target import MlpShape
from hnet_bench.strategies.hnet_full import HnetFull
from hnet_bench.strategies.training.generated import GeneratedClassifier
from hnet_bench.strategies.training.hypernetwork import HypernetworkTemplate


class FullyGenerated(GeneratedClassifier):
    """The target network is an MLP with the protocol's hidden units and activation."""

    def __init__(self, setup: Setup, settings: HnetFull) -> None:
        target = MlpShape((setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs))

        def hypernetwork(tasks: int) -> FullHypernetwork:
            return FullHypernetwork(
                target,
                tasks=tasks,
                hidden_units=settings.hidden_units,
                activation=settings.activation,
                task_embedding_size=settings.task_embedding_size,
            )

        super().__init__(setup, hypernetwork, one_per_task=settings.from_scratch)
        self.target = target

    @property
    def target_parameters(self) -> int:
        """Number of parameters of the target network."""
        return self.target.parameters

    def outputs(self, x: Tensor, task: int) -> Tensor:
        """Outputs (batch, outputs) of all heads for inputs (batch, ...), with the parameters of one task."""
        activate = ACTIVATIONS[self._setup.protocol.activation]
        return generated_mlp(x.flatten(1), self.chunks(task).view(-1), self.target, activate)


class FullHypernetworkTemplate(HypernetworkTemplate):
    """HNET with a full hypernetwork, in TASK."""

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
        model = FullyGenerated(setup, settings)
        super().__init__(setup=setup, settings=settings, model=model, plugins=plugins, evaluator=evaluator)
