"""The output regulariser's gradient with respect to all of theta: Gram form, hypnettorch, the floor.

The floor are the matrix products of the Gram form, each computed once.
"""

import ctypes
import itertools
from pathlib import Path

import pytest
import torch

from hnet_bench.nets.regulariser import GramRegulariser


@pytest.mark.parametrize(
    ("name", "old_tasks", "their_rounds"),
    [("permuted MNIST-10", 4, None), ("permuted MNIST-10", 9, None), ("permuted MNIST-100", 99, 1)],
)
def test_gradient(in_turns, experiments, theirs, matrix_products, name, old_tasks, their_rounds):
    experiment = experiments[name]
    strength = experiment.settings.regularisation_strength
    classifier = experiment.classifier()
    hypernetwork = classifier.hypernetwork
    delta = [1e-3 * torch.randn_like(tensor) for tensor in hypernetwork.theta]

    regulariser = GramRegulariser(hypernetwork, old_tasks, strength)
    ahead = [tensor.detach() + change for tensor, change in zip(hypernetwork.theta, delta, strict=True)]
    gradients = [torch.zeros_like(tensor) for tensor in ahead]

    def our_way():
        regulariser.add_gradient(ahead, gradients)

    our_peak = peak_growth(our_way)
    twin = theirs(classifier)
    targets = twin.targets(old_tasks)
    their_delta = twin.in_their_order(delta)

    def their_way():
        twin.add_regulariser_gradient(targets, their_delta, strength)

    their_peak = peak_growth(their_way)
    in_turns.add("Gram form", our_way)
    in_turns.add("hypnettorch", their_way, rounds=their_rounds, baseline="hypnettorch")
    in_turns.add("floor: matrix products", matrix_products(*floor_sizes(hypernetwork, old_tasks)), baseline="floor")
    in_turns.run(f"regulariser of {name}, {old_tasks} old tasks", rounds=3)

    stored = [tensor for target in targets for tensor in target]
    in_turns.note(
        f"kept between steps: Gram form {megabytes(regulariser.kept)}, hypnettorch {megabytes(stored)}; "
        f"at the peak of a step also {our_peak} MB and {their_peak} MB"
    )


def floor_sizes(hypernetwork, old_tasks):
    """The matrix products of the Gram form as (m, k, n)."""
    shape = hypernetwork.shape
    inputs, rows = old_tasks * shape.chunks, len(hypernetwork.output)
    sizes = []
    for fan_in, fan_out in itertools.pairwise(shape.hidden_units):
        # Activations, gradient of the weights, gradient of the layer's inputs.
        sizes += [(inputs, fan_in, fan_out), (fan_out, inputs, fan_in), (inputs, fan_out, fan_in)]
    sizes += [(rows, inputs, 2 * rows), (inputs, 2 * rows, rows)]  # moments; gradient of the last activations
    sizes += [(rows, 2 * rows, shape.chunk_size), (2 * rows, shape.chunk_size, rows)]  # the long dimension
    return sizes


def megabytes(tensors):
    return f"{sum(tensor.numel() * tensor.element_size() for tensor in tensors) / 1e6:.0f} MB"


def peak_growth(work):
    """Does the work; by how many MB the process grew at most meanwhile, None where it is not Linux with glibc."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    try:
        ctypes.CDLL(None).malloc_trim(0)  # or the work could live on memory that was freed, and not grow
        reset.write_text("5")  # the peak becomes the present size
        before = kilobytes(status, "VmRSS")
    except (AttributeError, OSError):
        work()
        return None
    work()
    return round((kilobytes(status, "VmHWM") - before) * 1024 / 1e6)


def kilobytes(status, name):
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(name))
