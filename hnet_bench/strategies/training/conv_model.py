"""A network, convolutional ones among them, whose parameters a chunked hypernetwork generates for each task."""

from __future__ import annotations

from torch import Tensor

from hnet_bench.avalanche_adapter.template import head_columns
from hnet_bench.interfaces import Setup
from hnet_bench.strategies.hnet_conv import HnetConv
from hnet_bench.strategies.training.generated import GeneratedClassifier, chunked
from hnet_bench.strategies.training.target import target_network


class ConvGenerated(GeneratedClassifier):
    """The target network is the protocol's, with a head for every task; in TASK alone."""

    def __init__(self, setup: Setup, settings: HnetConv) -> None:
        target = target_network(setup, setup.facts.experiences if settings.statistics_per_task else 1)
        super().__init__(setup, chunked(settings, target.layout.parameters), one_per_task=settings.from_scratch)
        self.target = target
        self._sets = len(target.statistics)

    @property
    def target_parameters(self) -> int:
        """Number of parameters of the target network; running statistics do not count, as in the paper."""
        return self.target.layout.parameters

    def outputs(self, x: Tensor, task: int) -> Tensor:
        """Outputs (batch, outputs) of all heads for inputs (batch, ...), with the parameters and statistics of one
        task."""
        outputs: Tensor = self.target(x, self.chunks(task), task if self._sets > 1 else 0)
        return outputs

    def masks(self, old_tasks: int) -> list[Tensor]:
        """For each of the first tasks (parameters,): 1, but 0 for the outputs of other tasks' heads."""
        return [self.target.layout.keeping_outputs(head_columns(self._setup, task)) for task in range(old_tasks)]
