"""Steps and learning rates that change: who follows them, at which step, and who refuses."""

import pytest

from baselines.dgr import Dgr
from baselines.finetune import Finetune
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import BenchmarkFacts, Scenario, Setup, TrainingProtocol, UserError
from hnet_bench.strategies.hnet import Hnet


def setup_of(facts=None, **protocol):
    settings = TrainingProtocol(**{"iterations": 5, "batch_size": 4, "hidden_units": (6,), **protocol})
    return Setup(scenario=Scenario.TASK, facts=facts or Synthetic().facts, protocol=settings, seed=1)


class Rates:
    def __init__(self):
        self.seen = []

    def before_update(self, strategy, **kwargs):
        (group,) = strategy.optimizer.param_groups
        self.seen.append((strategy.task, group["lr"], group["betas"]))


def test_a_template_follows_the_schedule_anew_on_every_experience():
    template = Finetune().build(
        setup_of(later_iterations=2, learning_rate=1.0, learning_rate_steps=((0.4, 0.1),), beta1=0.5)
    )
    rates = Rates()
    template.plugins.append(rates)
    for experience in Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche.train_stream:
        template.train(experience, eval_streams=[])
    betas = (0.5, 0.999)
    first = [(0, 1.0, betas)] * 3 + [(0, 0.1, betas)] * 2
    # Of two steps none comes after round(0.4 * 2) = 1 but the one with number 2, which there is not.
    assert rates.seen == first + [(task, 1.0, betas) for task in (1, 1, 2, 2)]
    assert template.planned_steps == len(rates.seen)


@pytest.mark.parametrize(
    "change", [{"later_iterations": 2}, {"learning_rate_steps": ((0.5, 0.1),)}, {"beta1": 0.5}], ids=str
)
@pytest.mark.parametrize("strategy", [Hnet(), Dgr()], ids=lambda strategy: strategy.name)
def test_who_trains_more_than_a_main_loop_refuses_a_schedule(strategy, change):
    with pytest.raises(UserError, match="does not learn with scheduled"):
        strategy.build(setup_of(**change))


def test_a_generator_of_pixels_refuses_normalised_images():
    facts = BenchmarkFacts(experiences=2, classes_per_experience=2, input_shape=(3, 4, 4), unit_range=False)
    with pytest.raises(UserError, match="does not learn with normalised"):
        Dgr().build(setup_of(facts))
    Finetune().build(setup_of(facts))


def test_a_network_that_convolves_wants_images():
    with pytest.raises(UserError, match=r"resnet32 needs images of at least 1 x 1 pixels, found inputs of shape"):
        Finetune().build(setup_of(network="resnet32"))
