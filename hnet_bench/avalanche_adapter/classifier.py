"""Strategies that train one ordinary classifier: the base of most baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from avalanche.core import BasePlugin
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import InMemoryTemplate, per_task, together
from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.networks import NETWORKS, ordinary_network

# What `learns_with` names where a strategy takes any network that the protocol may ask for, trained as it may ask.
ANY_NETWORK = (*NETWORKS, "xavier", "scheduled", "normalised")


def chosen_heads(outputs: Tensor, task_labels: Tensor, classes: int) -> Tensor:
    """Of the outputs (batch, heads * classes) those of each sample's task, (batch, classes); one head serves all."""
    if outputs.shape[1] == classes:
        return outputs
    chosen = task_labels.view(-1, 1, 1).expand(-1, 1, classes)
    return outputs.view(len(outputs), -1, classes).gather(1, chosen).squeeze(1)


class MultiHead(MultiTaskModule):  # type: ignore[misc]
    """The same network for TASK: of its T * K outputs only the K of each sample's task are given.

    One layer with heads as its columns, as in van de Ven & Tolias: heads that are not trained have zero gradients, not
    none, so Adam's momentum still moves them for a while.
    """

    def __init__(self, network: nn.Module, classes: int) -> None:
        super().__init__()
        self.network = network  # with T * K outputs
        self.classes = classes  # K
        self._sets: int = getattr(network, "sets", 1)  # of batch statistics: one for each task, or for all

    @property
    def tasks_apart(self) -> bool:
        """Whether the network has batch statistics for each task."""
        return self._sets > 1

    def forward(self, x: Tensor, task_labels: Tensor | None) -> Tensor | dict[int, Tensor]:
        """Outputs (batch, K) of the heads that `task_labels` (batch,) name; without labels those of each head, by task,
        as Avalanche's plugins expect."""
        if task_labels is not None:
            return chosen_heads(self.all_heads(x, task_labels), task_labels, self.classes)
        if self.tasks_apart:
            return {task: self._head(x, task) for task in range(self._sets)}
        return dict(enumerate(self.network(x).split(self.classes, dim=1)))

    def all_heads(self, x: Tensor, task_labels: Tensor) -> Tensor:
        """Outputs (batch, T * K) of all heads. A network with batch statistics for each task normalises the samples of
        each of the tasks `task_labels` (batch,) by themselves."""
        if not self.tasks_apart:
            outputs: Tensor = self.network(x)
            return outputs
        groups = list(per_task(task_labels))
        return together((self.network(x[positions], task) for task, positions in groups), groups)

    def old_heads(self, x: Tensor, tasks: int) -> Tensor:
        """Outputs (batch, tasks * K) of the first heads, each by the batch statistics of its own task, which stay."""
        was_training = self.network.training
        self.network.eval()
        try:
            return torch.cat([self._head(x, task) for task in range(tasks)], dim=1)
        finally:
            self.network.train(was_training)

    def _head(self, x: Tensor, task: int) -> Tensor:
        outputs: Tensor = self.network(x, task)
        return outputs[:, task * self.classes : (task + 1) * self.classes]


def model_of(setup: Setup, network: nn.Module | None = None) -> nn.Module:
    """The network, by default the protocol's, as a strategy's model for the scenario."""
    network = network or ordinary_network(setup)
    heads = setup.scenario is Scenario.TASK and not isinstance(network, MultiTaskModule)
    return MultiHead(network, setup.facts.classes_per_experience) if heads else network


class ClassifierTemplate(InMemoryTemplate):
    """Trains an ordinary network with the objective's loss on the present experience. Without plugins: fine-tuning.

    The network is called with inputs (batch, *input_shape) and gives `setup.outputs` outputs. It is the protocol's
    unless another is given as `network`; a `MultiTaskModule` of Avalanche's gives, in TASK, those of each sample's
    task.
    """

    learns_with: ClassVar[tuple[str, ...]] = ("regression", "sigmoid", *ANY_NETWORK)

    def __init__(
        self,
        *,
        setup: Setup,
        network: nn.Module | None = None,
        criterion: nn.Module | None = None,
        plugins: Sequence[BasePlugin] | None = None,
        evaluator: EvaluationPlugin | None = None,
    ) -> None:
        super().__init__(
            setup=setup, model=model_of(setup, network), criterion=criterion, plugins=plugins, evaluator=evaluator
        )

    def forward(self) -> Tensor:
        """Outputs of the active classes: in CLASS, training may leave out those not seen yet."""
        if self.scenario is Scenario.TASK:
            outputs: Tensor = self.model(self.mb_x, self.mb_task_id)
            return outputs
        outputs = self.model(self.mb_x)
        return self.active(outputs) if self.is_training else outputs

    def all_outputs(self, x: Tensor, model: nn.Module | None = None, task_labels: Tensor | None = None) -> Tensor:
        """Outputs (batch, setup.outputs) of all heads or classes, of the strategy's model or of an earlier copy.

        Where the network has batch statistics for each task, `task_labels` (batch,) say whose; None: the present one's.
        """
        model = self.model if model is None else model
        if not isinstance(model, MultiHead):
            outputs: Tensor = model(x)
            return outputs
        if task_labels is None:
            task_labels = torch.full((len(x),), self._task_label(), device=x.device)
        return model.all_heads(x, task_labels)

    def competing(self, outputs: Tensor, task_labels: Tensor) -> Tensor:
        """Of the outputs (batch, setup.outputs) those that share a softmax in training: of each sample's head in TASK
        (batch, K), of the active classes in CLASS, all in DOMAIN."""
        if self.scenario is Scenario.TASK:
            return chosen_heads(outputs, task_labels, self.setup.facts.classes_per_experience)
        return self.active(outputs)

    def active(self, outputs: Tensor) -> Tensor:
        """Of the outputs (batch, T * K) in CLASS those that compete in training; others are cut off or excluded.

        In either case the output of class c stands in column c.
        """
        if self.scenario is not Scenario.CLASS or self.setup.protocol.active_classes == "all":
            return outputs
        seen = self.classes_seen
        if seen[-1] + 1 == len(seen):
            return outputs[:, : len(seen)]
        return self.among_all_classes(outputs[:, seen], seen)
