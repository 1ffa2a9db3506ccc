"""What is particular to MAS: its importances by hand, and that they add up."""

import pytest
import torch

from baselines.mas import Mas
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError

DATA = Synthetic(train_per_class=15)


def built(scenario, data=DATA, hidden_units=(5,)):
    protocol = TrainingProtocol(iterations=20, batch_size=10, hidden_units=hidden_units, learning_rate=1e-2)
    torch.manual_seed(0)
    return Mas().build(Setup(scenario=scenario, facts=data.facts, protocol=protocol, seed=1))


def stream(scenario, data=DATA):
    return list(data.build(scenario=scenario, seed=1).avalanche.train_stream)


def test_a_negative_strength_is_refused():
    with pytest.raises(UserError, match=r"strength must not be negative, found -1\.0"):
        Mas(strength=-1.0)


def test_importances_of_a_linear_model_have_their_textbook_form():
    """By weight (c, j) the squared norm of the outputs changes by 2 f_c x_j."""
    template = built(Scenario.DOMAIN, hidden_units=())
    first = stream(Scenario.DOMAIN)[0]
    template.train(first, eval_streams=[])
    weights, biases = template.penalty.importance
    x = first.in_memory.x
    outputs = template.model(x).detach()
    torch.testing.assert_close(weights, 2 * outputs.abs().T @ x.abs() / len(x))
    torch.testing.assert_close(biases, 2 * outputs.abs().mean(0))


def test_importances_add_up_about_the_latest_weights():
    template = built(Scenario.TASK)
    first, second, _ = stream(Scenario.TASK)
    template.train(first, eval_streams=[])
    before = template.penalty.importance
    template.train(second, eval_streams=[])
    # The first head has no part in the second experience, the last one in neither.
    assert torch.equal(template.penalty.importance[-1][:2], before[-1][:2])
    assert (template.penalty.importance[-1][:4] > 0).all()
    assert not template.penalty.importance[-1][4:].any()
    assert (template.penalty.importance[0] >= before[0]).all()
    for centre, parameter in zip(template.penalty.centre, template.model.parameters(), strict=True):
        assert torch.equal(centre, parameter)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_one_class_per_experience_and_one_experience_alone_work(scenario):
    for experiences in (1, 3):
        data = Synthetic(experiences=experiences, classes_per_experience=1, train_per_class=4)
        template = built(scenario, data)
        for experience in stream(scenario, data):
            template.train(experience, eval_streams=[])
        assert all(parameter.isfinite().all() for parameter in template.model.parameters())
