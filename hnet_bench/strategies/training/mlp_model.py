"""A perceptron whose parameters a chunked hypernetwork generates for each task."""

from __future__ import annotations

from torch import Tensor

from hnet_bench.interfaces import Setup
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork
from hnet_bench.nets.target import MlpShape, mlp_from_chunks
from hnet_bench.strategies.settings import HypernetworkSettings
from hnet_bench.strategies.training.generated import GeneratedClassifier, chunked


class GeneratedMlp(GeneratedClassifier):
    """The target network has the protocol's hidden units; in TASK and CLASS it has a head for every task."""

    def __init__(self, setup: Setup, settings: HypernetworkSettings) -> None:
        target = MlpShape((setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs))
        super().__init__(setup, chunked(settings, target.parameters))
        self.target = target

    @property
    def target_parameters(self) -> int:
        """Number of parameters of the target network."""
        return self.target.parameters

    @property
    def hypernetwork(self) -> ChunkedHypernetwork:
        """The one for all tasks."""
        return self.hypernetwork_of(0)[0]

    def outputs(self, x: Tensor, task: int) -> Tensor:
        """Outputs (batch, outputs) of all heads for inputs (batch, ...), with the parameters of one task."""
        return mlp_from_chunks(x.flatten(1), self.chunks(task), self.target)
