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


@pytest.mark.parametrize("scenario", [Scenario.DOMAIN, Scenario.CLASS])
def test_only_the_samples_that_a_schedule_needs_are_asked_for_and_they_tell_no_more(scenario):
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    seen = []

    class Peek(ClassifierTemplate):
        def forward(self):
            if not self.is_training:
                told = {int(self.experience.current_experience), *self.mb_y.tolist(), *self.mb_task_id.tolist()}
                seen.append((self.mb_x, told))
            return super().forward()

    template = Peek(setup=setup_of(scenario))
    evaluator = Evaluator(benchmark)
    whole = evaluator.evaluate(template).score
    for on in ([1], [2], [0, 2]):
        seen.clear()
        assert evaluator.evaluate(template, on).score == [whole[j] if j in on else None for j in range(3)]
        asked = torch.cat([x for x, _ in seen])
        expected = torch.cat([benchmark.test[index].x for index in on])
        assert sorted(map(tuple, asked.tolist())) == sorted(map(tuple, expected.tolist()))
        assert not torch.equal(asked, expected)  # mixed
        assert [told for _, told in seen] == [{0}] * len(seen)


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
