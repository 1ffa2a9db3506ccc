"""EWC with a Gaussian likelihood: its Fisher matrix sample by sample, its effect, and Adam that starts anew."""

import pytest
import torch

from baselines.empirical_ewc import EmpiricalEwc
from baselines.training.ewc import fisher_derivatives
from baselines.training.per_sample import mean_sizes
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError


def learnt(experiences, strength=0.005, benchmark=None, iterations=200):
    torch.manual_seed(0)
    benchmark = benchmark or Regression1d(train_samples=20)
    scenario = Scenario.DOMAIN
    protocol = TrainingProtocol(iterations=iterations, batch_size=16, learning_rate=1e-2, hidden_units=(8,))
    stream = benchmark.build(scenario=scenario, seed=1)
    setup = Setup(scenario=scenario, facts=benchmark.facts, protocol=protocol, seed=1)
    template = EmpiricalEwc(strength=strength).build(setup)
    for experience in list(stream.avalanche.train_stream)[:experiences]:
        template.train(experience, eval_streams=[])
    template.experience = experience
    return template, stream


def test_the_fisher_matrix_is_the_mean_square_of_gradients_of_half_the_squared_error():
    template, stream = learnt(1)
    parameters = template.trained_parameters()
    expected = [torch.zeros_like(parameter) for parameter in parameters]
    samples = stream.train[0]
    for x, y in zip(samples.x, samples.y, strict=True):
        loss = (template.model(x.unsqueeze(0)) - y).square().sum() / 2
        for total, gradient in zip(expected, torch.autograd.grad(loss, parameters), strict=True):
            total += gradient.square() / len(samples)
    for found, one in zip(template.fisher(), expected, strict=True):
        torch.testing.assert_close(found, one, rtol=1e-4, atol=1e-7)
    assert all(one.any() for one in expected)


def test_of_classes_it_is_that_of_true_labels():
    template, stream = learnt(1, benchmark=Synthetic(train_per_class=10), iterations=20)
    samples = stream.train[0]
    expected = mean_sizes(
        template.model,
        template.trained_parameters(),
        [(samples.x, samples.y)],
        template.model,
        lambda outputs, labels: fisher_derivatives("true", outputs, labels),
        torch.square,
    )
    for found, one in zip(template.fisher(), expected, strict=True):
        torch.testing.assert_close(found, one)


def test_the_stronger_the_less_is_forgotten():
    forgotten = []
    for strength in (0.0, 1000.0):
        template, stream = learnt(2, strength=strength)
        forgotten.append(Evaluator(stream).evaluate(template).score[0])
    assert forgotten[1] < forgotten[0] / 3


def test_adam_starts_anew_with_every_experience():
    template, _ = learnt(2)
    assert {int(state["step"]) for state in template.optimizer.state.values()} == {200}


def test_a_negative_strength_is_refused():
    with pytest.raises(UserError, match="strength must not be negative, found -1"):
        EmpiricalEwc(strength=-1.0)
