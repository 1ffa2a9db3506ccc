"""What is particular to EWC and Online EWC: settings, which samples and labels the Fisher matrix is made of."""

import math

import pytest
import torch

from baselines.ewc import Ewc
from baselines.online_ewc import OnlineEwc
from baselines.training.ewc import fisher_derivatives
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError

DATA = Synthetic(train_per_class=15)


def setup_of(scenario=Scenario.DOMAIN, data=DATA, hidden_units=(5,)):
    protocol = TrainingProtocol(iterations=20, batch_size=10, hidden_units=hidden_units, learning_rate=1e-2)
    return Setup(scenario=scenario, facts=data.facts, protocol=protocol, seed=1)


def learnt(settings, scenario=Scenario.DOMAIN, experiences=1):
    torch.manual_seed(0)
    template = settings.build(setup_of(scenario))
    for experience in stream(scenario)[:experiences]:
        template.train(experience, eval_streams=[])
    template.experience = experience
    return template


def stream(scenario=Scenario.DOMAIN):
    return list(DATA.build(scenario=scenario, seed=1).avalanche.train_stream)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strength": -1.0}, "strength must not be negative, found -1.0"),
        ({"strength": math.nan}, "strength must not be negative, found nan"),
        ({"fisher": "empirical"}, "fisher must be 'predicted', 'exact' or 'true', found 'empirical'"),
        ({"fisher_samples": 0}, "fisher_samples must be at least 1, found 0"),
        ({"decay": 0.0}, "decay must be above 0 and at most 1, found 0.0"),
        ({"decay": 1.1}, "decay must be above 0 and at most 1, found 1.1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        OnlineEwc(**change)


def test_derivatives_by_hand():
    """Probabilities 3/4 and 1/4, true label 1."""
    outputs, labels = torch.tensor([[math.log(3.0), 0.0]]), torch.tensor([1])

    def found(fisher):
        pairs = fisher_derivatives(fisher, outputs, labels)
        return [pytest.approx([*weight.tolist(), *derivative[0].tolist()]) for weight, derivative in pairs]

    assert found("predicted") == [[1, 0.25, -0.25]]
    assert found("true") == [[1, -0.75, 0.75]]
    assert found("exact") == [[0.75, 0.25, -0.25], [0.25, -0.75, 0.75]]


def test_the_exact_fisher_of_a_linear_model_has_its_textbook_form():
    """F of weight (c, j) is the mean of p_c (1 - p_c) x_j^2."""
    torch.manual_seed(0)
    data = Synthetic(classes_per_experience=3)
    template = Ewc(fisher="exact").build(setup_of(data=data, hidden_units=()))
    template.experience = data.build(scenario=Scenario.DOMAIN, seed=1).avalanche.train_stream[0]
    x = template.experience.in_memory.x
    weights, biases = template.fisher()
    p = torch.softmax(template.model(x), dim=1).detach()
    torch.testing.assert_close(weights, (p * (1 - p)).T @ x.square() / len(x))
    torch.testing.assert_close(biases, (p * (1 - p)).mean(0))


def test_a_number_of_samples_means_the_first_of_a_random_order_of_its_own():
    template = learnt(Ewc(fisher_samples=7))
    order = torch.Generator()
    order.set_state(template._sample_order.get_state())
    chosen = torch.randperm(30, generator=order)[:7]
    before = torch.get_rng_state()
    found = template.fisher()
    assert torch.equal(torch.get_rng_state(), before)

    samples = template.experience.in_memory
    parameters = list(template.model.parameters())
    expected = [torch.zeros_like(parameter) for parameter in parameters]
    for x in samples.x[chosen]:
        log = torch.log_softmax(template.model(x.unsqueeze(0)), 1).max()
        for total, gradient in zip(expected, torch.autograd.grad(log, parameters), strict=True):
            total += gradient.square() / 7
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-12)
    # Other samples, and so another matrix, the next time.
    assert not torch.equal(template.fisher()[0], found[0])


def test_more_samples_than_there_are_means_all():
    template = learnt(Ewc(fisher_samples=1000))
    every = learnt(Ewc()).fisher()
    for one, other in zip(template.fisher(), every, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("fisher_samples", [None, 7])
def test_avalanches_own_data_give_the_same_matrix(fisher_samples):
    matrices = []
    for ours in (True, False):
        template = learnt(Ewc(fisher_samples=fisher_samples), Scenario.TASK, experiences=2)
        if not ours:
            del template.experience.in_memory
        before = torch.get_rng_state()
        matrices.append(template.fisher())
        assert torch.equal(torch.get_rng_state(), before)
    for one, other in zip(*matrices, strict=True):
        torch.testing.assert_close(one, other)


def test_in_task_only_the_head_of_the_task_matters():
    output_biases = learnt(Ewc(), Scenario.TASK, experiences=2).fisher()[-1]
    assert (output_biases[2:4] > 0).all()
    assert not output_biases[:2].any()
    assert not output_biases[4:].any()


def test_the_model_is_estimated_in_evaluation_mode_and_left_as_it_was():
    template = learnt(Ewc())
    modes = []
    hook = template.model.register_forward_hook(lambda model, *_: modes.append(model.training))
    template.model.train()
    template.fisher()
    hook.remove()
    assert modes == [False]
    assert template.model.training


@pytest.mark.parametrize("settings", [Ewc(), OnlineEwc()], ids=lambda s: s.name)
@pytest.mark.parametrize("scenario", list(Scenario))
def test_one_class_per_experience_and_one_experience_alone_work(settings, scenario):
    for experiences in (1, 3):
        data = Synthetic(experiences=experiences, classes_per_experience=1, train_per_class=4)
        template = settings.build(setup_of(scenario, data=data))
        for experience in data.build(scenario=scenario, seed=1).avalanche.train_stream:
            template.train(experience, eval_streams=[])
        assert all(parameter.isfinite().all() for parameter in template.model.parameters())
        assert bool(template.penalty.importance) == (experiences > 1)
