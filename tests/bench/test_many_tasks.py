"""A training step of HNET at the sizes of PermutedMNIST-100, with 1, 10, 50 and 99 old tasks.

What must grow with the old tasks are the hidden activations of their chunks, forward and backward, and the small
products of the Gram form: that is the floor. The rest of a step should not grow.
"""

import itertools

import pytest
import torch
from torch.nn import functional

from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.regulariser import GramRegulariser, TaskDraw

BATCH = 128


def step_of(classifier, old_tasks, experiment, draw=None):
    """Our step without Avalanche, and its task loss alone."""
    hypernetwork, theta = classifier.hypernetwork, classifier.hypernetwork.theta
    trained = [*theta, hypernetwork.task_embeddings[old_tasks]]
    optimiser = torch.optim.Adam(trained, lr=experiment.protocol.learning_rate, fused=True)
    lookahead = AdamLookahead(optimiser, theta)
    strength = experiment.settings.regularisation_strength
    regulariser = GramRegulariser(hypernetwork, old_tasks, strength, draw=draw)
    torch.manual_seed(0)
    x, y = torch.rand(BATCH, *experiment.facts.input_shape), torch.randint(0, 10, (BATCH,))

    def task_loss():
        optimiser.zero_grad()
        functional.cross_entropy(classifier.head(x, old_tasks), y).backward()

    def step():
        task_loss()
        regulariser.add_gradient(lookahead.parameters(), [parameter.grad for parameter in theta])
        optimiser.step()

    return step, task_loss


def growing_products(classifier, old_tasks):
    """The matrix products that each old task adds, as (m, k, n)."""
    shape = classifier.hypernetwork.shape
    chunks, rows = old_tasks * shape.chunks, len(classifier.hypernetwork.output)
    sizes = []
    for fan_in, fan_out in itertools.pairwise(shape.hidden_units):
        # Outputs, gradients of the inputs and of the weights.
        sizes += [(chunks, fan_in, fan_out), (chunks, fan_out, fan_in), (fan_out, chunks, fan_in)]
    # Moments h^T h and h^T d, and the gradients that go through S V^T to h.
    return sizes + [(rows, chunks, rows)] * 2 + [(chunks, rows, rows)] * 2


@pytest.mark.parametrize("old_tasks", [1, 10, 50, 99])
def test_step_with_many_old_tasks(in_turns, experiments, matrix_products, old_tasks):
    experiment = experiments["permuted MNIST-100"]
    step, task_loss = step_of(experiment.classifier(), old_tasks, experiment)
    in_turns.add("step, all old tasks", step)
    if old_tasks > 20:
        draw = TaskDraw(20, torch.Generator())
        in_turns.add("step, 20 old tasks drawn", step_of(experiment.classifier(), old_tasks, experiment, draw)[0])
    in_turns.add("its task loss, without the regulariser", task_loss)
    products = matrix_products(*growing_products(experiment.classifier(), old_tasks))
    in_turns.add("floor of what grows: matrix products", products, baseline="floor")
    in_turns.run(f"HNET step of permuted MNIST-100, {old_tasks} old tasks", rounds=3)
