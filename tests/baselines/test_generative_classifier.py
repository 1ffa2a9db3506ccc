"""The generative classifier: likelihoods by other ways, what a step trains, and what is answered."""

import math

import pytest
import torch
from torch.distributions import Normal

from baselines.generative_classifier import GenerativeClassifier
from baselines.training.class_vaes import ClassVaes
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario


def test_a_likelihood_is_the_mean_over_samples_one_by_one():
    """In float64 from the three densities that it is defined by."""
    torch.manual_seed(0)
    vaes, x, noise = ClassVaes(6, (8, 5), latent=3, classes=4), torch.rand(7, 6), torch.randn(4, 20, 3)
    found = vaes.log_likelihoods(x, [2, 0], noise)
    vaes.double()
    for column, label in enumerate((2, 0)):
        vae = vaes.of(label)
        for row, one in enumerate(x.double()):
            mean, log_variance = (part[0] for part in vae.encode(one[None]))
            q, total = Normal(mean, (log_variance / 2).exp()), 0.0
            for sample in noise[label].double():
                z = mean + (log_variance / 2).exp() * sample
                joint = Normal(vae.decoder(z).sigmoid(), 1.0).log_prob(one).sum() + Normal(0.0, 1.0).log_prob(z).sum()
                total += (joint - q.log_prob(z).sum()).exp().item() / 20
            assert found[row, column].item() == pytest.approx(math.log(total), rel=1e-5)


def test_a_step_trains_the_vae_of_one_class_on_its_inputs_alone(learnt, stream_of, recorded, negative_elbo):
    template = learnt(GenerativeClassifier(latent=3), experiences=1)
    steps = recorded(template, before=lambda strategy: strategy._noise)
    template.train(stream_of()[1], eval_streams=[])
    assert [step.y.unique().tolist() for step in steps] == [[2], [3]] * 6
    for step in steps[4:6]:
        vae = step.model.double().of(int(step.y[0]))
        noise = torch.randn(len(step.x), 3, generator=step.before).double()
        expected = negative_elbo(vae, step.x.double(), noise)
        assert step.loss == pytest.approx(expected.item(), rel=1e-5)
    first, last = steps[0].model.double(), template.model.double()
    for label in range(6):
        moved = [
            not torch.equal(*pair)
            for pair in zip(first.of(label).parameters(), last.of(label).parameters(), strict=True)
        ]
        assert all(moved) if label in (2, 3) else not any(moved)


def test_classes_of_one_experience_have_equal_shares_of_its_steps_each_with_an_adam_of_its_own(learnt):
    template = learnt(GenerativeClassifier(), experiences=2)
    assert {int(state["step"]) for state in template.optimizer.state.values()} == {6}
    assert len(template.optimizer.state) == len(list(template.model.of(2).parameters())) * 2


def test_answers_are_posteriors_among_the_classes_seen(learnt):
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    template = learnt(GenerativeClassifier(latent=3), experiences=2, iterations=300)
    x = benchmark.test[1].x
    outputs = Evaluator(benchmark).outputs(template, len(x))[: 3 * len(x)]
    assert torch.allclose(outputs.exp().sum(1), torch.ones(len(outputs)), atol=1e-5)
    assert (outputs[:, 4:] < -1000).all()
    score = Evaluator(benchmark).evaluate(template).score
    assert min(score[:2]) > 0.9
    assert score[2] == 0
