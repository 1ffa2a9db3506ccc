"""BI-R: prior, gates, losses and what is generated, by other ways."""

import copy

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, kl_divergence
from torch.nn import functional

from baselines.bir import Bir
from baselines.training.feedback_network import FeedbackNetwork, MixturePrior
from baselines.training.generator import LATENT
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import BenchmarkFacts, Scenario

BATCH = 16


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
    one_class = functional.one_hot(torch.tensor([3, 0, 0, 1, 2]), 4).double()
    expected = classes.log_prob(latent[:, None]).gather(1, one_class.argmax(1, keepdim=True))[:, 0]
    found = prior.log_density(latent, one_class)
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert torch.isfinite(prior.means.grad).all()


def test_samples_of_a_class_have_the_mean_and_variance_of_its_prior():
    torch.manual_seed(0)
    prior = MixturePrior(3, 2)
    latent = prior.sample(torch.full((40_000,), 1), torch.randn(40_000, 2)).detach()
    torch.testing.assert_close(latent.mean(0), prior.means[1].detach(), atol=0.03, rtol=0)
    torch.testing.assert_close(latent.var(0).log(), prior.log_variances[1].detach(), atol=0.03, rtol=0)


class Mnist:
    """A stream of which nothing is needed but its sizes."""

    facts = BenchmarkFacts(experiences=5, classes_per_experience=2, input_shape=(784,))


@pytest.mark.parametrize(("scenario", "gated"), [(Scenario.TASK, 10), (Scenario.DOMAIN, 5), (Scenario.CLASS, 10)])
def test_units_are_gated_with_the_given_probability_for_each_class_or_task(scenario, gated, setup_of):
    sizes = setup_of(scenario, stream=Mnist, hidden_units=(400, 300))
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


def test_one_sample_of_the_variational_term_is_right_on_average(setup_of):
    """log q(z) - log p(z) is KL(q || p) in the mean over z; the cross-entropy is the same if nothing is decoded."""
    torch.manual_seed(0)
    network = FeedbackNetwork(setup_of(), 0.0).double()
    with torch.no_grad():
        network.decoder[-1].weight.zero_()
        network.log_variance.weight.mul_(5)
    x = torch.rand(1, 12, dtype=torch.float64)
    hidden, weights = network.hidden(x).expand(20_000, -1), functional.one_hot(torch.tensor([2]), 6).double()
    weights = weights.expand(20_000, -1)
    noise = torch.randn(20_000, LATENT, dtype=torch.float64)
    found = network.generative_losses(x.expand(20_000, -1), hidden, noise, weights, weights).mean()
    q = Normal(network.mean(hidden[:1]), (network.log_variance(hidden[:1]) / 2).exp())
    divergence = kl_divergence(q, Normal(network.prior.means[2], (network.prior.log_variances[2] / 2).exp())).sum()
    pixels = functional.binary_cross_entropy(network.decoder[-1].bias.sigmoid()[None], x, reduction="sum")
    torch.testing.assert_close(found * 12, divergence + pixels, rtol=0.01, atol=0)


def test_classifier_and_way_back_are_as_large_as_in_the_paper(built):
    """Beside the classifier of 478,410: 400 x 100 + 100 and 400 x 100 for latent values, 10 x 200 for the prior, and
    100-400-400-784 back."""
    template = built(Bir(), stream=Mnist, hidden_units=(400, 400))
    generator = 40_100 + 40_000 + 2_000 + 40_400 + 160_400 + 314_384
    assert template.parameter_counts() == {"trained": 478_410, "target": 478_410, "generator": generator}
    assert len(template.trained_parameters()) == len(list(template.model.parameters()))


def test_what_it_generates_beats_forgetting(learnt):
    """Fine-tuning knows the last experience alone: one third."""
    template = learnt(Bir(), iterations=400, hidden_units=(50,), learning_rate=3e-3, batch_size=32)
    score = Evaluator(Synthetic().build(scenario=Scenario.CLASS, seed=1)).evaluate(template).score
    assert sum(score) / 3 > 0.7
