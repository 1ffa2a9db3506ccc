"""The diagonal of the Fisher matrix of a generated perceptron, by its generated parameters, in closed form.

The gradient of one sample by the weights of a layer is the outer product of two vectors, the derivative by the layer's
outputs and the layer's inputs. So its squares, summed over samples, are one product of matrices.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import functional

from hnet_bench.nets.target import MlpShape


@torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
def fisher_diagonal(batches: Iterable[Tensor], flat: Tensor, shape: MlpShape, head: slice) -> Tensor:
    """Mean over inputs of the mean over classes c, drawn from the prediction p, of (d log p_c / d flat)^2.

    `batches` are inputs (batch, shape.widths[0]) of a ReLU perceptron with parameters `flat` (>= shape.parameters,); p
    is the softmax over its outputs in `head`. Returns (shape.parameters,), 0 for other outputs.
    """
    total = flat.new_zeros(shape.parameters)
    layers, sums = shape.views(flat), shape.views(total)
    samples = 0
    for x in batches:
        inputs = [x]  # of each layer
        for weight, bias in layers[:-1]:
            inputs.append(functional.relu(functional.linear(inputs[-1], weight, bias)))
        outputs = functional.linear(inputs[-1], *layers[-1])
        probabilities = outputs[:, head].softmax(dim=1)
        squares = [x.new_zeros(len(x), len(bias)) for _, bias in layers]
        for label, probability in enumerate(probabilities.split(1, dim=1)):
            derivative = torch.zeros_like(outputs)
            derivative[:, head] = -probabilities
            derivative[:, head.start + label] += 1
            for index in reversed(range(len(layers))):
                squares[index].addcmul_(derivative.square(), probability)
                if index > 0:
                    derivative = (derivative @ layers[index][0]) * (inputs[index] > 0)
        for (weight, bias), values, square in zip(sums, inputs, squares, strict=True):
            weight.addmm_(square.t(), values.square())
            bias.add_(square.sum(dim=0))
        samples += len(x)
    return total / samples
