"""The networks that a protocol may ask for, with generated parameters or with weights of their own.

A further network is a file with both forms, a line in `NETWORKS`, and its name in `interfaces.NetworkName`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from hnet_bench.interfaces import NetworkName, Setup, UserError
from hnet_bench.nets.hypernetwork import ACTIVATIONS
from hnet_bench.nets.layout import Layout
from hnet_bench.nets.ordinary import Mlp, xavier_initialise
from hnet_bench.nets.products import Linear
from hnet_bench.nets.resnet import GeneratedResNet32, OrdinaryResNet32
from hnet_bench.nets.target import MlpShape, TargetNetwork, mlp, mlp_from_chunks
from hnet_bench.nets.zenke import GeneratedZenkeNet, OrdinaryZenkeNet


class GeneratedMlp(TargetNetwork):
    """The perceptron of the protocol, with ReLU in its fast form, of which all layers are generated or the last ones.

    The others, `shared`, hold weights of their own, with torch's initialisation, and are the same for all tasks: the
    cut of partial hypernetworks (Hemati et al. 2023, arXiv 2306.10724).
    """

    def __init__(self, setup: Setup, sets: int = 0, *, generated_layers: int | None = None) -> None:
        """Raises UserError if a number of generated layers leaves no others."""
        widths = (setup.facts.inputs, *setup.protocol.hidden_units, setup.outputs)
        shared = 0 if generated_layers is None else len(widths) - 1 - generated_layers
        if generated_layers is not None and shared < 1:
            raise UserError(
                f"Of the {len(widths) - 1} layers of the protocol's network fewer must be generated for any to be "
                f"shared, found generated_layers {generated_layers}; without generated_layers all are generated."
            )
        self.shape = MlpShape(widths[shared:])
        super().__init__(self.shape.layout)
        layers = [(Linear(*sizes), nn.ReLU()) for sizes in pairwise(widths[: shared + 1])]
        self.shared = nn.Sequential(*(part for layer in layers for part in layer))

    def features(self, x: Tensor) -> Tensor:
        """What goes into the first generated layer, (batch, features), for inputs (batch, ...)."""
        features: Tensor = self.shared(x.flatten(1))
        return features

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        return mlp_from_chunks(self.features(x), chunks, self.shape)


class GaussianMlp(GeneratedMlp):
    """The same at the means of a posterior: behind its parameters as many spreads are generated (`nets.gaussian`)."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.layout = Layout(2 * self.shape.layout.shapes)


class PlainMlp(GeneratedMlp):
    """The same with the protocol's activation, by autograd."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._activate = ACTIVATIONS[setup.protocol.activation]

    def forward(self, x: Tensor, chunks: Tensor, task: int) -> Tensor:
        return mlp(x.flatten(1), chunks.view(-1), self.shape, self._activate)


# The protocol's network by its name: generated, from the setup and the number of sets of batch statistics; and with
# weights of its own, from the setup.
NETWORKS: dict[NetworkName, tuple[Callable[[Setup, int], TargetNetwork], Callable[[Setup], nn.Module]]] = {
    "mlp": (GeneratedMlp, Mlp),
    "resnet32": (GeneratedResNet32, OrdinaryResNet32),
    "zenke": (GeneratedZenkeNet, OrdinaryZenkeNet),
}


def target_network(setup: Setup, sets: int = 1) -> TargetNetwork:
    """The protocol's network, with outputs for all heads. Raises UserError if it cannot take the inputs."""
    generated, _ = NETWORKS[setup.protocol.network]
    return generated(setup, sets)


def ordinary_network(setup: Setup) -> nn.Module:
    """The protocol's network with weights of its own, of which `target_network` gives the generated form.

    It gives outputs (batch, setup.outputs) for inputs (batch, *input_shape). One that has `sets` above 1, of batch
    statistics, wants to know the task of a batch as its second argument. Raises UserError if it cannot take the inputs,
    or has not the protocol's activation.
    """
    protocol = setup.protocol
    if protocol.network != "mlp" and protocol.activation != "relu":
        raise UserError(f"The network {protocol.network} has ReLU: found activation = {protocol.activation}.")
    _, ordinary = NETWORKS[protocol.network]
    network = ordinary(setup)
    if protocol.initialisation == "xavier":
        xavier_initialise(network)
    return network
