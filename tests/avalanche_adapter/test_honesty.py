"""In DOMAIN and CLASS no strategy gets at the task identity, and nowhere at test labels.

What every strategy of ours does with what it gets, and that test data do not reach training, is asked in
tests/conformance.
"""

import pytest
import torch
from torch import nn

from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.conformance.honesty import predictions
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol

PROTOCOL = TrainingProtocol(iterations=40, batch_size=16, hidden_units=(20,))


def setup_of(scenario):
    return Setup(scenario=scenario, facts=Synthetic().facts, protocol=PROTOCOL, seed=1)


class Cheat(ClassifierTemplate):
    """Answers with whatever the evaluation lets slip about experience and class."""

    def __init__(self, setup, source):
        super().__init__(setup=setup)
        self.source = source

    def forward(self):
        outputs = super().forward()
        if self.is_training:
            return outputs
        if self.source == "class label":
            said = self.mb_y
        elif self.source == "task label":
            said = 2 * self.mb_task_id
        else:
            said = torch.full_like(self.mb_y, 2 * self.experience.current_experience)
        return nn.functional.one_hot(said.clamp(0, 5), 6).float()


@pytest.mark.parametrize("source", ["class label", "task label", "current experience"])
def test_a_cheater_gains_nothing(source):
    """On Avalanche's own stream each of these sources is worth at least half of all samples in some experience; here
    it always says class 0, which is right for half of the first experience and nothing else."""
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    cheat = Cheat(setup_of(Scenario.CLASS), source)
    assert Evaluator(benchmark).evaluate(cheat).score == [0.5, 0.0, 0.0]


def test_the_same_cheater_wins_on_a_stream_that_tells_the_experience():
    """Shows that the check above can fail: by experience it is right for half of every experience."""
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    cheat = Cheat(setup_of(Scenario.CLASS), "current experience")
    found = [predictions(cheat, experience) for experience in benchmark.avalanche.test_stream]
    right = [(said == samples.y).float().mean().item() for said, samples in zip(found, benchmark.test, strict=True)]
    assert right == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("scenario", list(Scenario))
def test_class_labels_are_withheld_when_a_strategy_is_evaluated(scenario):
    seen = []

    class Peek(ClassifierTemplate):
        def forward(self):
            if not self.is_training:
                seen.append(self.mb_y)
            return super().forward()

    Evaluator(Synthetic().build(scenario=scenario, seed=1)).evaluate(Peek(setup=setup_of(scenario)))
    assert not torch.cat(seen).any()
