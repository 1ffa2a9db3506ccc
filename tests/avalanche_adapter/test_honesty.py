"""In DOMAIN and CLASS no strategy gets at the task identity; nowhere does one get at test labels or test data."""

import pytest
import torch
from torch import nn

from hnet_bench import catalog
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol

PROTOCOL = TrainingProtocol(iterations=40, batch_size=16, hidden_units=(20,))
REPLAY = {"replay_chunk_size": 500, "replay_decoder_hidden_units": [10]}
SMALL = {
    "hnet": {"chunk_size": 100},
    "hnet_ent": {"chunk_size": 100},
    "hnet_tir": {"chunk_size": 100, **REPLAY},
    "hnet_r": REPLAY,
    "icarl": {"budget": 60},
    "xdg": {"gated_fraction": 0.5},
}
INFERRING = [
    (name, scenario)
    for name in catalog.names("strategies")
    for scenario in catalog.strategy_class(name).scenarios
    if scenario is not Scenario.TASK
]


def setup_of(scenario):
    return Setup(scenario=scenario, facts=Synthetic().facts, protocol=PROTOCOL, seed=1)


def trained(template, benchmark):
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    return template


def predictions(template, experience):
    """What a strategy says about the samples of one experience, in their order."""
    said = []

    class Listen:
        def after_eval_forward(self, strategy, **kwargs):
            said.append(strategy.mb_output.argmax(1))

    listener = Listen()
    template.plugins.append(listener)
    template.eval([experience])
    template.plugins.remove(listener)
    return torch.cat(said)


@pytest.fixture
def small_evaluation_batches(monkeypatch):
    # Smaller than an experience, so that batches could betray it.
    monkeypatch.setattr("hnet_bench.avalanche_adapter.template.EVALUATION_BATCH", 7)


@pytest.mark.usefixtures("small_evaluation_batches")
@pytest.mark.parametrize(("name", "scenario"), INFERRING)
def test_predictions_depend_on_inputs_alone(name, scenario):
    """The same predictions with task labels that are right, wrong, and with samples in their own or a mixed order."""
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    torch.manual_seed(0)
    strategy = catalog.build("strategies", name, SMALL.get(name, {}), where="a test")
    template = trained(strategy.build(setup_of(scenario)), benchmark)
    honest = [predictions(template, experience) for experience in benchmark.avalanche.test_stream]

    for shift in (1, 2):
        for index, experience in enumerate(benchmark.avalanche.test_stream):

            class Mislabel:
                def before_eval_forward(self, strategy, label=(index + shift) % 3, **kwargs):
                    strategy.mbatch[-1] = torch.full_like(strategy.mbatch[-1], label)

            liar = Mislabel()
            template.plugins.append(liar)
            assert torch.equal(predictions(template, experience), honest[index])
            template.plugins.remove(liar)

    blind = Evaluator(benchmark).evaluate(template)
    labels = [samples.y for samples in benchmark.test]
    expected = [(said == y).float().mean().item() for said, y in zip(honest, labels, strict=True)]
    assert blind.score == pytest.approx(expected)


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


@pytest.mark.parametrize("name", list(catalog.names("strategies")))
def test_test_data_never_reach_training(name):
    """A tripwire: test inputs are out of range, and no training batch may hold such a value."""
    strategy = catalog.build("strategies", name, SMALL.get(name, {}), where="a test")
    scenario = strategy.scenarios[-1]
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    for samples in benchmark.test:
        samples.x.add_(1000)
    template = strategy.build(setup_of(scenario))
    largest = []

    class Watch:
        def before_forward(self, strategy, **kwargs):
            largest.append(strategy.mb_x.max().item())

    template.plugins.append(Watch())
    evaluator = Evaluator(benchmark)
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
        evaluator.evaluate(template)
    assert isinstance(template, InMemoryTemplate)
    assert len(largest) == 3 * 40
    assert max(largest) <= 1
