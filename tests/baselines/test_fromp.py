"""FROMP: kernels, curvature, memory and penalty by other ways."""

import copy

import pytest
import torch
from torch.func import functional_call, hessian, jacrev, vmap
from torch.nn import functional

from baselines.fromp import Fromp
from baselines.training.functional_penalty import functional_penalty, inverse_kernels
from baselines.training.per_sample import jacobian_kernels
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario


def head(outputs, scenario, task):
    return outputs[:, 2 * task : 2 * task + 2] if scenario is Scenario.TASK else outputs


def network_of(model):
    return getattr(model, "network", model)


def jacobians(network, x, scenario, task):
    """Of the probabilities, (n, C, P), by torch.func."""
    names = dict(network.named_parameters())

    def probabilities(parameters, one):
        return head(functional_call(network, parameters, one[None]), scenario, task).softmax(1)[0]

    found = vmap(jacrev(probabilities), (None, 0))({name: one.detach() for name, one in names.items()}, x)
    return torch.cat([found[name].flatten(2) for name in names], 2)


def test_kernels_are_those_of_the_jacobians(built):
    model = built(Fromp(), hidden_units=(9, 7)).model.double()
    x = torch.rand(5, 12, dtype=torch.float64)
    parameters = list(model.parameters())
    variances = [torch.rand_like(one) + 0.1 for one in parameters]
    found = jacobian_kernels(model, parameters, x, lambda x: model(x).softmax(1), variances)
    by_function = jacobians(model, x, Scenario.CLASS, 0).transpose(0, 1)
    expected = by_function * torch.cat([one.flatten() for one in variances]) @ by_function.transpose(1, 2)
    torch.testing.assert_close(found, expected)


def test_the_penalty_is_the_quadratic_form_of_the_inverse_kernels():
    torch.manual_seed(0)
    m, old, root = torch.rand(4, 3), torch.rand(4, 3), torch.randn(3, 4, 9, dtype=torch.float64)
    kernels = root @ root.transpose(1, 2)
    expected = 0.0
    for c in range(3):
        away = (m - old)[:, c].double()
        expected += 0.5 * away @ torch.linalg.inv(kernels[c] + 0.01 * torch.eye(4, dtype=torch.float64)) @ away
    found = functional_penalty(m, old, inverse_kernels(kernels, 0.01))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    flat = functional_penalty(m, old, inverse_kernels(torch.zeros_like(kernels), 0.5))
    assert flat.item() == pytest.approx((m - old).square().sum().item(), rel=1e-5)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_curvature_is_the_sum_of_diagonals_of_gauss_newton_matrices(scenario, learnt):
    """J^T Lambda J of all samples of the first experience, Lambda the Hessian of the loss by the logits."""
    template = learnt(Fromp(), scenario, experiences=1, hidden_units=(5,), active_classes="all")
    network = copy.deepcopy(network_of(template.model)).double()
    names = {name: one.detach() for name, one in network.named_parameters()}
    x = Synthetic().build(scenario=scenario, seed=1).train[0].x.double()

    def logits(parameters, one):
        return head(functional_call(network, parameters, one[None]), scenario, 0)[0]

    by_parameters = vmap(jacrev(logits), (None, 0))(names, x)
    at = vmap(logits, (None, 0))(names, x)
    by_logits = vmap(hessian(lambda z: functional.cross_entropy(z[None], torch.zeros(1, dtype=torch.int64))))(at)
    for found, name in zip(template._curvature, names, strict=True):
        one = by_parameters[name].flatten(2)
        expected = torch.einsum("ncp,ncd,ndp->p", one, by_logits, one).view_as(found)
        torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_the_least_certain_samples_of_each_class_are_stored(scenario, learnt):
    template = learnt(Fromp(per_class=7), scenario, experiences=2, active_classes="all")
    model = network_of(template.model)
    samples = Synthetic().build(scenario=scenario, seed=1).train[1]
    p = head(model(samples.x), scenario, 1).softmax(1)
    certain = p.square().sum(1)  # 1 - sum p (1 - p)
    for label in samples.y.unique().tolist():
        of_class = samples.x[samples.y == label]
        chosen = of_class[certain[samples.y == label].argsort()[:7]]
        kept = template.buffer.samples(1)
        assert {tuple(row.tolist()) for row in kept.x[kept.y == label]} == {tuple(row.tolist()) for row in chosen}
    weights = sum(one.numel() for one in template.model.parameters())
    assert template.parameter_counts()["stored_values"] == 2 * 14 * 13 + weights


@pytest.mark.parametrize("task", [1, 2])
@pytest.mark.parametrize("scenario", list(Scenario))
def test_a_step_is_that_of_the_paper(task, scenario, learnt, stream_of, recorded):
    """Gradient of the loss + strength * sum over past experiences and classes of J^T K^-1 (m - m*), shortened.

    K^-1 is the inverse for all 12 stored samples of an experience; the 7 or 4 of a step have their part of it.
    """
    strategy = Fromp(strength=0.3, per_class=6, gradient_norm=0.5)
    template = learnt(strategy, scenario, experiences=task, active_classes="all", batch_size=7)
    old = copy.deepcopy(network_of(template.model)).double()
    variance = torch.cat([1 / (one.double() + 1e-3).flatten() for one in template._curvature])
    memory = [template.buffer.samples(group).x.double() for group in range(task)]
    steps = recorded(template)
    template.train(stream_of(scenario)[task], eval_streams=[])
    step = steps[2]
    model = network_of(step.model).double()
    loss = functional.cross_entropy(head(model(step.x.double()), scenario, task), step.y)
    gradient = torch.cat([one.flatten() for one in torch.autograd.grad(loss, list(model.parameters()))])
    share = 7 if task == 1 else 4
    for past, chosen in enumerate(step.mbatch[3].split(share)):
        assert len(set(chosen.tolist())) == share
        x = memory[past][chosen]
        before, now = jacobians(old, memory[past], scenario, past), jacobians(model, x, scenario, past)
        away = head(model(x), scenario, past).softmax(1) - head(old(x), scenario, past).softmax(1)
        for c in range(away.shape[1]):
            kernel = before[:, c] * variance @ before[:, c].T + 1e-6 * torch.eye(12, dtype=torch.float64)
            pull = torch.linalg.inv(kernel)[chosen][:, chosen] @ away[:, c].detach()
            gradient = gradient + 0.3 * now[:, c].T @ pull
            loss = loss + 0.15 * away[:, c] @ pull
    assert step.loss == pytest.approx(loss.item(), rel=1e-3)
    gradient = gradient * min(1.0, 0.5 / gradient.norm().item())
    found = torch.cat([one.flatten() for one in step.gradients]).double()
    torch.testing.assert_close(found, gradient.detach(), rtol=0, atol=2e-3 * gradient.norm().item())
