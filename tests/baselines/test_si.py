"""What is particular to SI: settings, and what its path integral measures."""

import pytest
import torch
from torch.nn import functional

from baselines.si import Si
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError

DATA = Synthetic(train_per_class=8, experiences=2)


def built(settings, scenario=Scenario.DOMAIN, data=DATA, **protocol):
    protocol = {"iterations": 40, "batch_size": 16, "hidden_units": (5,), "learning_rate": 1e-2, **protocol}
    torch.manual_seed(0)
    return settings.build(Setup(scenario=scenario, facts=data.facts, protocol=TrainingProtocol(**protocol), seed=1))


def stream(scenario=Scenario.DOMAIN, data=DATA):
    return list(data.build(scenario=scenario, seed=1).avalanche.train_stream)


class KeepGains:
    """What moving each parameter has gained, just before it becomes an importance."""

    def after_training_exp(self, strategy, **kwargs):
        self.gains = torch.cat([gain.flatten() for gain in strategy._gain])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strength": -1.0}, "strength must not be negative, found -1.0"),
        ({"damping": 0.0}, "damping must be positive, found 0.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(change, message):
    with pytest.raises(UserError, match=message):
        Si(**change)


def test_the_gains_of_all_parameters_add_up_to_the_fall_of_the_loss():
    """The path integral of the gradient, with small steps and all 16 samples in every batch."""
    experience = stream()[0]
    template = built(Si(), learning_rate=1e-4, iterations=100)
    x, y = experience.in_memory.x, experience.in_memory.y
    before = functional.cross_entropy(template.model(x), y).item()
    keep = KeepGains()
    template.plugins.append(keep)
    template.train(experience, eval_streams=[])
    fall = before - functional.cross_entropy(template.model(x), y).item()
    assert fall > 0.001
    assert keep.gains.sum().item() == pytest.approx(fall, rel=0.02)


def test_the_gradient_is_that_of_the_whole_loss_penalty_included():
    """Where the penalty alone is felt, a parameter that it moves back gains by it."""
    first, second = stream()
    template = built(Si(strength=0.0))
    template.train(first, eval_streams=[])
    # As if everything had moved by 0.1 from where it was important.
    template.penalty.scale = 1e4
    template.penalty.importance = [torch.ones_like(tensor) for tensor in template.penalty.centre]
    template.penalty.centre = [tensor - 0.1 for tensor in template.penalty.centre]
    keep = KeepGains()
    template.plugins.append(keep)
    begun = template.penalty.value(template.trained_parameters()).item()
    template.setup = built(Si(), iterations=3, learning_rate=1e-4).setup
    template.optimizer.param_groups[0]["lr"] = 1e-4
    template.train(second, eval_streams=[])
    fall = begun - template.penalty.value(template.trained_parameters()).item()
    assert fall > 0
    assert keep.gains.sum().item() == pytest.approx(fall, rel=0.05)


def test_importances_by_hand_and_without_a_clamp():
    template = built(Si(damping=0.5))
    template.train(stream()[0], eval_streams=[])
    # 3 / (2^2 + 0.5) and -1 / (0 + 0.5), for the first two biases.
    parameters = template.trained_parameters()
    template._start = [parameter.detach().clone() for parameter in parameters]
    template._gain = [torch.zeros_like(parameter) for parameter in parameters]
    template._start[1][0] -= 2
    template._gain[1][0] = 3
    template._gain[1][1] = -1
    before = template.penalty.importance[1].clone()
    template.consolidate()
    grown = template.penalty.importance[1] - before
    assert grown.tolist() == pytest.approx([3 / 4.5, -2, 0, 0, 0], abs=1e-5)
    assert all(torch.equal(one, two) for one, two in zip(template.penalty.centre, parameters, strict=True))


def test_the_path_is_not_kept_between_experiences():
    template = built(Si())
    for experience in stream():
        template.train(experience, eval_streams=[])
        assert (template._start, template._gain) == ([], [])


@pytest.mark.parametrize("scenario", list(Scenario))
def test_one_class_per_experience_and_one_experience_alone_work(scenario):
    for experiences in (1, 3):
        data = Synthetic(experiences=experiences, classes_per_experience=1, train_per_class=4)
        template = built(Si(), scenario, data)
        for experience in stream(scenario, data):
            template.train(experience, eval_streams=[])
        assert all(parameter.isfinite().all() for parameter in template.model.parameters())
