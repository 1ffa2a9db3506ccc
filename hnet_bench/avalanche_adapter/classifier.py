"""Strategies that train one ordinary classifier: the base of most baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from avalanche.core import BasePlugin
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import EvaluationPlugin
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.ordinary import xavier_initialise
from hnet_bench.nets.products import Linear

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid}


class Mlp(nn.Module):
    """A multi-layer perceptron with the protocol's activation and initialisation; inputs are flattened."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = setup.facts.inputs
        for units in setup.protocol.hidden_units:
            layers += [Linear(width, units), ACTIVATIONS[setup.protocol.activation]()]
            width = units
        self.hidden = nn.Sequential(*layers)
        self.output = Linear(width, setup.outputs)
        if setup.protocol.initialisation == "xavier":
            xavier_initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, setup.outputs)."""
        outputs: Tensor = self.output(self.hidden(x))
        return outputs


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

    def forward(self, x: Tensor, task_labels: Tensor | None) -> Tensor | dict[int, Tensor]:
        """Outputs (batch, K) of the heads that `task_labels` (batch,) name; without labels those of each head, by task,
        as Avalanche's plugins expect."""
        outputs = self.network(x)
        if task_labels is None:
            return dict(enumerate(outputs.split(self.classes, dim=1)))
        return chosen_heads(outputs, task_labels, self.classes)


def model_of(setup: Setup, network: nn.Module | None = None) -> nn.Module:
    """The network, by default the protocol's perceptron, as a strategy's model for the scenario."""
    network = network or Mlp(setup)
    heads = setup.scenario is Scenario.TASK and not isinstance(network, MultiTaskModule)
    return MultiHead(network, setup.facts.classes_per_experience) if heads else network


class ClassifierTemplate(InMemoryTemplate):
    """Trains an ordinary network with the objective's loss on the present experience. Without plugins: fine-tuning.

    The network is called with inputs (batch, *input_shape) and gives `setup.outputs` outputs. It is the protocol's
    perceptron unless another is given as `network`; a `MultiTaskModule` of Avalanche's gives, in TASK, those of each
    sample's task.
    """

    learns_with: ClassVar[tuple[str, ...]] = ("regression", "sigmoid", "xavier", "scheduled", "normalised")

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

    def all_outputs(self, x: Tensor, model: nn.Module | None = None) -> Tensor:
        """Outputs (batch, setup.outputs) of all heads or classes, of the strategy's model or of an earlier copy."""
        model = self.model if model is None else model
        outputs: Tensor = model.network(x) if isinstance(model, MultiHead) else model(x)
        return outputs

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
