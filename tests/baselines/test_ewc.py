"""What is particular to EWC: which samples, labels and likelihoods its Fisher matrix is made of."""

import math

import pytest
import torch

from baselines.ewc import EmpiricalEwc, Ewc, fisher_derivatives
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario

DATA = Synthetic(train_per_class=15)
SMALL = {"stream": DATA, "iterations": 20, "batch_size": 10, "hidden_units": (5,)}
CURVES = Regression1d(train_samples=20)
REGRESSION = {"stream": CURVES, "iterations": 200, "hidden_units": (8,)}


def test_derivatives_by_hand():
    """Probabilities 3/4 and 1/4, true label 1."""
    outputs, labels = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([1])

    def found(fisher):
        pairs = fisher_derivatives(fisher, outputs, labels)
        return [pytest.approx([*weight.tolist(), *derivative[0].tolist()]) for weight, derivative in pairs]

    assert found("predicted") == [[1, 0.25, -0.25]]
    assert found("true") == [[1, -0.75, 0.75]]
    assert found("exact") == [[0.75, 0.25, -0.25], [0.25, -0.75, 0.75]]


def test_a_number_of_samples_means_the_first_of_a_random_order_of_its_own(learnt, one_by_one):
    template = learnt(Ewc(fisher_samples=7), Scenario.DOMAIN, experiences=1, **SMALL)
    order = torch.Generator()
    order.set_state(template._sample_order.get_state())
    chosen = torch.randperm(30, generator=order)[:7]
    before = torch.get_rng_state()
    found = template.fisher()
    assert torch.equal(torch.get_rng_state(), before)

    samples = template.experience.in_memory
    expected = one_by_one(
        template.trained_parameters(),
        lambda x: [(1.0, template.model(x.unsqueeze(0)).log_softmax(1).max())],
        samples.x[chosen],
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-12)
    # Other samples, and so another matrix, the next time.
    assert not torch.equal(template.fisher()[0], found[0])


def test_more_samples_than_there_are_means_all(learnt):
    many, every = (
        learnt(strategy, Scenario.DOMAIN, experiences=1, **SMALL) for strategy in (Ewc(fisher_samples=1000), Ewc())
    )
    for one, other in zip(many.fisher(), every.fisher(), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("fisher_samples", [None, 7])
def test_avalanches_own_data_give_the_same_matrix(fisher_samples, learnt):
    matrices = []
    for ours in (True, False):
        template = learnt(Ewc(fisher_samples=fisher_samples), Scenario.TASK, experiences=2, **SMALL)
        if not ours:
            del template.experience.in_memory
        before = torch.get_rng_state()
        matrices.append(template.fisher())
        assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(*matrices, strict=True):
        torch.testing.assert_close(one, other)


def test_the_model_is_estimated_in_evaluation_mode_and_left_as_it_was(learnt):
    template = learnt(Ewc(), Scenario.DOMAIN, experiences=1, **SMALL)
    modes = []
    hook = template.model.register_forward_hook(lambda model, *_: modes.append(model.training))
    template.model.train()
    template.fisher()
    hook.remove()
    assert modes == [False]
    assert template.model.training


@pytest.mark.parametrize(
    ("options", "log_likelihood"),
    [
        (REGRESSION, lambda said, y: (said - y).square().sum() / 2),  # of Gaussian noise, but for its sign
        (SMALL, lambda said, label: said.log_softmax(1)[0, label]),
    ],
    ids=["values", "classes"],
)
def test_the_empirical_likelihood_is_that_of_true_values_and_labels(options, log_likelihood, learnt, one_by_one):
    template = learnt(EmpiricalEwc(), Scenario.DOMAIN, experiences=1, **options)
    samples = template.experience.in_memory
    expected = one_by_one(
        template.trained_parameters(),
        lambda x, y: [(1.0, log_likelihood(template.model(x.unsqueeze(0)), y))],
        samples.x,
        samples.y,
    )
    for found, one in zip(template.fisher(), expected, strict=True):
        torch.testing.assert_close(found, one, rtol=1e-4, atol=1e-7)
        assert one.any()


def test_the_stronger_the_less_is_forgotten_though_adam_starts_anew(learnt):
    forgotten = []
    for strength in (0.0, 1000.0):
        template = learnt(EmpiricalEwc(strength=strength), Scenario.DOMAIN, experiences=2, **REGRESSION)
        forgotten.append(Evaluator(CURVES.build(scenario=Scenario.DOMAIN, seed=1)).evaluate(template).score[0])
        assert {int(state["step"]) for state in template.optimizer.state.values()} == {200}
    assert forgotten[1] < forgotten[0] / 3
