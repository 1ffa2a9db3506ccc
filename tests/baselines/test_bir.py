"""BI-R: gates, losses and what is generated, by other ways."""

import copy

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.nn import functional

from baselines.bir import Bir
from baselines.training.feedback_network import FeedbackNetwork, MixturePrior
from baselines.training.generator import LATENT
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario


def network_of(model):
    return getattr(model, "network", model)


def test_the_density_of_the_prior_is_that_of_a_mixture_of_gaussians():
    torch.manual_seed(0)
    prior = MixturePrior(4, 7).double()
    latent = torch.randn(5, 7, dtype=torch.float64)
    weights = torch.rand(5, 4, dtype=torch.float64).softmax(1)
    classes = Independent(Normal(prior.means, (prior.log_variances / 2).exp()), 1)
    for row, mixed in enumerate(weights):
        expected = MixtureSameFamily(Categorical(mixed), classes).log_prob(latent[row])
        torch.testing.assert_close(prior.log_density(latent, weights)[row], expected)


@pytest.mark.parametrize(("scenario", "gated"), [(Scenario.TASK, 10), (Scenario.DOMAIN, 5), (Scenario.CLASS, 10)])
def test_units_are_gated_with_the_given_probability_for_each_class_or_task(scenario, gated, setup_of):
    sizes = setup_of(scenario, stream=Synthetic(experiences=5), hidden_units=(400, 300))
    gates = FeedbackNetwork(sizes, 0.3).gates
    assert [tuple(layer.shape) for layer in gates] == [(gated, 300), (gated, 400)]
    for layer in gates:
        assert set(layer.unique().tolist()) == {0.0, 1.0}
        assert (1 - layer).mean().item() == pytest.approx(0.3, abs=0.04)
        assert not torch.equal(layer[0], layer[1])
    assert all(bool(layer.all()) for layer in FeedbackNetwork(sizes, 0.0).gates)
    assert torch.equal(FeedbackNetwork(sizes, 0.3).gates[0], gates[0])


def decoded(network, latent, gates):
    """Layer by layer; a gate multiplies the input of a unit, its bias included."""
    values = latent
    for layer, gate in zip(network.decoder[:-1], gates, strict=True):
        values = (gate * (values @ layer.weight.T + layer.bias)).clamp(min=0)
    return (values @ network.decoder[-1].weight.T + network.decoder[-1].bias).sigmoid()


def test_gates_of_a_class_are_its_own_and_those_of_probabilities_are_mixed(setup_of):
    torch.manual_seed(0)
    network = FeedbackNetwork(setup_of(hidden_units=(20, 9)), 0.5).double()
    latent = torch.randn(3, LATENT, dtype=torch.float64)
    weights = torch.rand(3, 6, dtype=torch.float64).softmax(1)
    for gating in (weights, functional.one_hot(torch.tensor([4, 0, 5]), 6).double()):
        expected = decoded(network, latent, [gating @ layer for layer in network.gates])
        torch.testing.assert_close(network.decode(latent, gating).sigmoid(), expected)


def papers_loss(step, old, task, scenario, temperature):
    """Loss in experience number `task`, from 0, of two classes each; in CL3 all outputs compete."""
    network = network_of(step.model.double())
    generator = step.before
    x, y = step.x.double(), step.y
    replayed, _, tasks = (None, None, None) if task == 0 else step.mbatch[2:5]
    noise = torch.randn(len(x) if task == 0 else len(x) + len(replayed), LATENT, generator=generator).double()
    in_task = scenario is Scenario.TASK

    def vae(x, noise, prior, gates):
        hidden = network.hidden(x)
        mean, deviation = network.mean(hidden), (network.log_variance(hidden) / 2).exp()
        latent = mean + noise * deviation
        pixels = decoded(network, latent, gates)
        cross_entropy = -(x * pixels.log() + (1 - x) * (1 - pixels).log()).sum(1)
        log_q = Normal(mean, deviation).log_prob(latent).sum(1)
        modes = Normal(network.prior.means, (network.prior.log_variances / 2).exp())
        p = (prior * modes.log_prob(latent[:, None]).sum(2).exp()).sum(1)
        return ((cross_entropy + log_q - p.log()) / x.shape[1]).mean()

    logits = network.output(network.hidden(x))
    head = slice(2 * task, 2 * task + 2) if in_task else slice(None)
    labels = y + 2 * task if in_task else y
    prior = functional.one_hot(labels, network.classes).double()
    gating = prior @ network.gates[0] if scenario is not Scenario.DOMAIN else network.gates[0][[task] * len(x)]
    current = functional.cross_entropy(logits[:, head], y) + vae(x, noise[: len(x)], prior, [gating])
    if task == 0:
        return current
    replayed = replayed.double()
    student, teacher = network.output(network.hidden(replayed)), old.output(old.hidden(replayed)).detach()
    prior, distilled = torch.zeros(len(replayed), network.classes).double(), 0.0
    for row, of_task in enumerate(tasks.tolist()):
        columns = slice(2 * of_task, 2 * of_task + 2) if in_task else slice(None)
        softened = (teacher[row, columns] / temperature).softmax(0)
        prior[row, columns] = softened
        log_student = (student[row, columns] / temperature).log_softmax(0)
        distilled = distilled - (softened * log_student).sum() / len(replayed)
    gating = prior @ network.gates[0] if scenario is not Scenario.DOMAIN else network.gates[0][tasks]
    past = distilled + vae(replayed, noise[len(x) :], prior, [gating])
    return current / (task + 1) + (1 - 1 / (task + 1)) * past


@pytest.mark.parametrize("task", [0, 1, 2])
@pytest.mark.parametrize("scenario", list(Scenario))
def test_a_step_is_that_of_the_paper(task, scenario, learnt, stream_of, recorded):
    template = learnt(Bir(gated_fraction=0.2, temperature=1.5), scenario, experiences=task, active_classes="all")
    old = copy.deepcopy(network_of(template.model)).double()
    steps = recorded(template, before=lambda strategy: strategy._noise)
    template.train(stream_of(scenario)[task], eval_streams=[])
    step = steps[2]
    expected = papers_loss(step, old, task, scenario, 1.5)
    assert step.loss == pytest.approx(expected.item(), rel=1e-5)
    expected.backward()
    for found, parameter in zip(step.gradients, step.model.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad.float(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_what_is_replayed_comes_from_priors_and_gates_of_the_past(scenario, learnt, stream_of, recorded):
    """Inputs are decoded once more from the same latent values; in CL1 there are as many of each past task."""
    template = learnt(Bir(gated_fraction=0.2), scenario, experiences=2)
    old = copy.deepcopy(network_of(template.model)).double()
    stream = copy.deepcopy(template._latent)
    steps = recorded(template)
    template.train(stream_of(scenario)[2], eval_streams=[])
    x, _, tasks = steps[0].mbatch[2:5]
    assert (x > 0).all()
    assert (x < 1).all()
    if scenario is Scenario.TASK:
        assert tasks.tolist() == [0] * 8 + [1] * 8
        classes = 2 * tasks + torch.randint(2, (16,), generator=stream)
    elif scenario is Scenario.DOMAIN:
        classes = torch.randint(2, (16,), generator=stream)
        assert torch.equal(tasks, torch.randint(2, (16,), generator=stream))
    else:
        classes = torch.randint(4, (16,), generator=stream)  # of the four that were seen
    noise = torch.randn(16, LATENT, generator=stream).double()
    latent = old.prior.means[classes] + noise * (old.prior.log_variances[classes] / 2).exp()
    gates = old.gates[0][tasks if scenario is Scenario.DOMAIN else classes]
    torch.testing.assert_close(x.double(), decoded(old, latent, [gates]).detach(), rtol=1e-4, atol=1e-6)
