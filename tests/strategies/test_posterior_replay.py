"""Posterior meta-replay: one training step against the formula by plain autograd; what is drawn; which task answers."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario
from hnet_bench.nets.target import mlp
from hnet_bench.strategies.posterior_replay import PosteriorReplay

SIZES = {"chunk_size": 100, "hidden_units": (8, 6), "task_embedding_size": 5, "chunk_embedding_size": 4}


def small(**changes):
    return PosteriorReplay(**{**SIZES, "regularisation_strength": 0.5, "test_samples": 4, **changes})


def generated(hypernetwork, task, theta=None):
    """The posterior of a task, with theta in the place of the hypernetwork's own."""
    theta = hypernetwork.theta if theta is None else theta
    embedding = hypernetwork.task_embeddings[task]
    flat = (hypernetwork.hidden(embedding.unsqueeze(0), theta)[0] @ theta[-1]).flatten()
    mean, raw = flat[: hypernetwork.shape.generated].chunk(2)
    return Normal(mean, (raw - 2.5).exp())


def squared_distance(old, new):
    return (old.mean - new.mean).square().sum() + (old.scale - new.scale).square().sum()


def of_outputs(old, new):
    return (old.mean - new.mean).square().sum() + (old.scale.log() - new.scale.log()).square().sum()


DISTANCES = {
    "outputs": of_outputs,
    "kl_from_old": lambda old, new: kl_divergence(old, new).sum(),
    "kl_from_new": lambda old, new: kl_divergence(new, old).sum(),
    "wasserstein": squared_distance,
}


@pytest.mark.parametrize(
    ("scenario", "regulariser", "samples", "lookahead"),
    [
        (Scenario.TASK, "outputs", 1, True),
        (Scenario.DOMAIN, "kl_from_old", 1, False),
        (Scenario.CLASS, "kl_from_new", 3, False),
        (Scenario.CLASS, "wasserstein", 2, False),
    ],
)
def test_one_step_is_that_of_the_loss(
    scenario, regulariser, samples, lookahead, learnt, stream_of, recorded, papers_step
):
    strategy = small(regulariser=regulariser, samples=samples, lookahead=lookahead, prior_weight=0.7)
    template = learnt(strategy, scenario, experiences=2, iterations=2)
    with torch.no_grad():
        old = [generated(template.classifier.hypernetwork.double(), task) for task in range(2)]
        template.classifier.hypernetwork.float()
    steps = recorded(template, before=lambda strategy: strategy.noise.get_state())
    experience = stream_of(scenario)[2]
    template.train(experience, eval_streams=[])
    hypernetwork = steps[1].model.double().hypernetwork
    posterior = generated(hypernetwork, 2)
    generator = torch.Generator()
    generator.set_state(steps[1].before)
    noise = torch.randn(samples, len(posterior.mean), generator=generator).double()
    labels = steps[1].y - 4 if scenario is Scenario.CLASS else steps[1].y
    losses = []
    for one in noise:
        outputs = mlp(steps[1].x.double(), posterior.mean + posterior.scale * one, template.classifier.target.shape)
        head = outputs if scenario is Scenario.DOMAIN else outputs[:, 4:6]
        losses.append(functional.cross_entropy(head, labels))
    prior = kl_divergence(posterior, Normal(torch.zeros_like(posterior.mean), 1.0)).sum()
    loss = torch.stack(losses).mean() + 0.7 * prior / len(experience.dataset)
    assert steps[1].loss == pytest.approx(loss.item(), rel=1e-5)

    def distance(theta):
        embeddings = [embedding.requires_grad_(False) for embedding in hypernetwork.task_embeddings[:2]]
        pairs = [(old[task], generated(hypernetwork, task, theta)) for task in range(len(embeddings))]
        return 0.5 / 2 * sum(DISTANCES[regulariser](*pair) for pair in pairs)

    papers_step(
        template,
        steps[1],
        loss,
        distance,
        lookahead=lookahead,
    )


@pytest.mark.parametrize("criterion", ["entropy", "confidence", "disagreement"])
def test_the_surest_posterior_answers_with_its_mean_prediction(criterion, learnt):
    """Every criterion from its definition, on the same training."""
    template = learnt(small(criterion=criterion), Scenario.CLASS, iterations=60)
    reference = learnt(small(), Scenario.CLASS, iterations=60)
    assert all(map(torch.equal, template.model.parameters(), reference.model.parameters()))
    x = torch.cat([samples.x for samples in Synthetic().build(scenario=Scenario.CLASS, seed=1).test])
    hypernetwork, shape = template.classifier.hypernetwork.double(), template.classifier.target.shape
    noise = torch.randn(4, shape.parameters, generator=template.setup.generator("test_weights")).double()
    with torch.no_grad():
        predictions = []
        for task in range(3):
            posterior = generated(hypernetwork, task)
            heads = [mlp(x.flatten(1).double(), posterior.mean + posterior.scale * one, shape) for one in noise]
            predictions.append(torch.stack(heads)[:, :, 2 * task : 2 * task + 2].softmax(2))
        predictions = torch.stack(predictions)  # (tasks, S, batch, 2)
        mean = predictions.mean(1)
        unsure = {
            "entropy": -(mean * mean.log()).sum(2),
            "confidence": -mean.amax(2),
            "disagreement": predictions.std(1).mean(2),
        }[criterion]
        hypernetwork.float()
        template.eval_mode = template.model.eval()
        template.mbatch, template.is_training = [x, torch.zeros(len(x)).long(), torch.zeros(len(x)).long()], False
        found = template.forward()
    least = unsure.sort(dim=0).values
    clear = least[1] - least[0] > 1e-6
    assert clear.float().mean() > 0.3
    assert torch.equal(template.mb_inferred_task[clear], unsure.argmin(0)[clear])
    chosen = template.mb_inferred_task
    expected = mean[chosen, torch.arange(len(x))]
    for task in range(3):
        at = chosen == task
        torch.testing.assert_close(
            found[at].exp()[:, 2 * task : 2 * task + 2].double(), expected[at], atol=1e-5, rtol=0
        )
