"""What the benchmarks compare is the same work: on both sides the same weights, regulariser and training step."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.regulariser import GramRegulariser

# hypnettorch's lookahead was written for PyTorch 1.4.
pytestmark = pytest.mark.filterwarnings("ignore:This overload of add:UserWarning")


@pytest.fixture(params=["relu", "elu"])
def classifier(request, experiments):
    """A small classifier in double precision, where rounding hides nothing."""
    experiment = experiments["tiny"]
    return replace(experiment, settings=replace(experiment.settings, activation=request.param)).classifier().double()


def test_both_generate_the_same_weights_and_outputs(classifier, theirs):
    twin = theirs(classifier)
    x = torch.rand(9, 5, dtype=torch.float64)
    for task in range(4):
        generated = torch.cat([tensor.flatten() for tensor in twin.hypernetwork.forward(cond_id=task)])
        torch.testing.assert_close(classifier.hypernetwork(task), generated)
        torch.testing.assert_close(classifier.head(x, task), twin.outputs(x, task)[:, 2 * task : 2 * task + 2])


@pytest.mark.parametrize("old_tasks", [1, 3])
def test_both_regularisers_have_the_same_gradient(classifier, theirs, old_tasks):
    twin, hypernetwork = theirs(classifier), classifier.hypernetwork
    delta = [0.1 * torch.randn_like(tensor) for tensor in hypernetwork.theta]
    gradients = [torch.zeros_like(tensor) for tensor in hypernetwork.theta]
    ahead = [tensor.detach() + change for tensor, change in zip(hypernetwork.theta, delta, strict=True)]
    GramRegulariser(hypernetwork, old_tasks, 0.3).add_gradient(ahead, gradients)
    twin.add_regulariser_gradient(twin.targets(old_tasks), twin.in_their_order(delta), 0.3)
    for ours, parameter in zip(twin.in_their_order(gradients), twin.theta, strict=True):
        torch.testing.assert_close(ours, parameter.grad)


@pytest.mark.parametrize("task", [0, 3])
def test_both_take_the_same_training_steps(classifier, theirs, task):
    """Their lookahead adds Adam's epsilon before the bias correction, PyTorch's Adam after it: here it is almost 0."""
    settings = {"learning_rate": 1e-3, "strength": 5.0, "epsilon": 1e-20}
    twin, hypernetwork = theirs(classifier), classifier.hypernetwork
    theta, embedding = hypernetwork.theta, hypernetwork.task_embeddings[task]
    optimiser = torch.optim.Adam([*theta, embedding], lr=1e-3, eps=1e-20, fused=True)
    lookahead = AdamLookahead(optimiser, theta)
    regulariser = GramRegulariser(hypernetwork, task, 5.0) if task else None
    their_step = twin.training_step(task, slice(2 * task, 2 * task + 2), **settings)
    for _ in range(4):
        x, y = torch.rand(16, 5, dtype=torch.float64), torch.randint(0, 2, (16,))
        optimiser.zero_grad()
        functional.cross_entropy(classifier.head(x, task), y).backward()
        if regulariser:
            regulariser.add_gradient(lookahead.parameters(), [parameter.grad for parameter in theta])
        optimiser.step()
        their_step(x, y)
    for ours, parameter in zip(twin.in_their_order(theta), twin.theta, strict=True):
        torch.testing.assert_close(ours, parameter)
    torch.testing.assert_close(embedding, twin.hypernetwork.conditional_params[task])
