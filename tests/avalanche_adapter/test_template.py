"""Our strategies are genuine Avalanche strategies, and evaluating them leaves no trace."""

import copy
import random
import sys
from types import SimpleNamespace

import numpy
import pytest
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.benchmarks.utils import as_classification_dataset
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.logging import BaseLogger, TextLogger
from avalanche.training.plugins import EvaluationPlugin, ReplayPlugin
from avalanche.training.templates import SupervisedTemplate
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset

from hnet_bench import catalog
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark, require_types
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluation, Evaluator
from hnet_bench.avalanche_adapter.loggers import Loggers
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError

OURS = [(name, scenario) for name in catalog.names("strategies") for scenario in catalog.strategy_class(name).scenarios]
REPLAY = {"replay_chunk_size": 500, "replay_decoder_hidden_units": [10]}
SMALL = {
    "hnet": {"chunk_size": 100},
    "hnet_ent": {"chunk_size": 100},
    "hnet_tir": {"chunk_size": 100, **REPLAY},
    "hnet_r": REPLAY,
    "icarl": {"budget": 60},
    "xdg": {"gated_fraction": 0.5},
}


@pytest.fixture
def template_of(built):
    """Builds the template of the strategy of this name."""

    def make(name, scenario, **protocol):
        return built(catalog.build("strategies", name, SMALL.get(name, {}), where="a test"), scenario, **protocol)

    return make


def parameters(template):
    return torch.cat([parameter.detach().flatten() for parameter in template.model.parameters()])


class CountSteps:
    """Counts optimiser steps the way any Avalanche plugin can."""

    def __init__(self):
        self.steps = 0

    def after_update(self, strategy, **kwargs):
        self.steps += 1


@pytest.mark.parametrize(("name", "scenario"), [("hnet_tir", Scenario.CLASS), ("dgr", Scenario.TASK)])
def test_evaluating_changes_neither_training_nor_any_random_stream(name, scenario, template_of):
    """Of every strategy tests/conformance ask whether it changes training."""
    stream = Synthetic().build(scenario=scenario, seed=1).avalanche
    outcomes = []
    for evaluate in (False, True):
        random.seed(1), numpy.random.seed(1), torch.manual_seed(1)
        template = template_of(name, scenario)
        for experience in stream.train_stream:
            if evaluate:
                template.eval(stream.test_stream)
            template.train(experience, eval_streams=[])
            if evaluate:
                template.eval(stream.test_stream)
        outcomes.append((parameters(template), random.random(), numpy.random.rand(), torch.rand(1).item()))
    assert torch.equal(outcomes[0][0], outcomes[1][0])
    assert outcomes[0][1:] == outcomes[1][1:]


def test_adam_keeps_its_state_over_experiences_unless_a_strategy_wants_it_fresh(template_of):
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche
    steps = {}
    for name in ("finetune", "hnet"):
        template = template_of(name, Scenario.TASK)
        template.train(list(stream.train_stream)[:2], eval_streams=[])
        steps[name] = {int(state["step"]) for state in template.optimizer.state.values()}
    assert steps == {"finetune": {24}, "hnet": {12}}


def stock_benchmark(scenario, **options):
    """A stock Avalanche benchmark: 3 experiences of 2 classes, drawn at random, in a plain TensorDataset."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(6).repeat_interleave(40)
    x = (torch.eye(6, 12)[y] + 0.1 * torch.randn(240, 12, generator=generator)).clamp(0, 1)
    data = TensorDataset(x, y)
    data.targets = y.tolist()
    data = as_classification_dataset(data)
    options.setdefault("class_ids_from_zero_in_each_exp", scenario is not Scenario.CLASS)
    return nc_benchmark(data, data, n_experiences=3, task_labels=scenario is Scenario.TASK, seed=4, **options)


@pytest.mark.parametrize(("name", "scenario"), OURS)
def test_every_strategy_learns_a_stock_avalanche_benchmark(name, scenario, template_of):
    """In n steps per experience, with exactly its trained parameters."""
    benchmark = stock_benchmark(scenario)
    template = template_of(name, scenario, iterations=60)
    assert isinstance(template, SupervisedTemplate)
    counter = CountSteps()
    template.plugins.append(counter)
    steps = []
    for experience in benchmark.train_stream:
        template.train(experience, eval_streams=[])
        steps.append(counter.steps)
        held = [parameter for group in template.optimizer.param_groups for parameter in group["params"]]
        assert [id(parameter) for parameter in held] == [id(parameter) for parameter in template.trained_parameters()]
    assert steps == [60, 120, 180]
    metrics = EvaluationPlugin(accuracy_metrics(experience=True))
    template.plugins.append(metrics)
    template.eval(benchmark.test_stream)
    accuracies = [value for key, value in metrics.get_last_metrics().items() if key.startswith("Top1_Acc_Exp")]
    assert len(accuracies) == 3
    # What was learnt last is known, whatever labels it has, where the task need not be inferred.
    if scenario is Scenario.TASK or name in ("finetune", "joint", "hnet_r"):
        assert accuracies[2] > 0.9
    else:
        # Guessing gives a half on each of three experiences in CL2, and a sixth in CL3.
        assert sum(accuracies) > (1.6 if scenario is Scenario.DOMAIN else 0.9)


def test_the_classes_of_a_shuffled_stream_are_learnt_on_the_right_outputs(template_of):
    """In CLASS an experience may have the labels 0 and 4: those, and no others, must win in training."""
    benchmark = stock_benchmark(Scenario.CLASS)
    for name in ("hnet_ent", "finetune"):
        template = template_of(name, Scenario.CLASS, iterations=200)
        said = []

        class Listen:
            def after_forward(self, strategy, said=said, **kwargs):
                said.append((strategy.mb_output.argmax(1) == strategy.mb_y).float().mean().item())

        template.plugins.append(Listen())
        for experience in benchmark.train_stream:
            said.clear()
            template.train(experience, eval_streams=[])
            assert sum(said[-20:]) / 20 > 0.9
    orders = [experience.classes_in_this_experience for experience in benchmark.train_stream]
    assert any(max(classes) - min(classes) > 1 for classes in orders)


@pytest.mark.parametrize("scenario", [Scenario.TASK, Scenario.DOMAIN])
def test_labels_that_do_not_fit_the_scenario_are_refused_with_advice(scenario, template_of):
    benchmark = stock_benchmark(scenario, class_ids_from_zero_in_each_exp=False)
    template = template_of("finetune", scenario)
    with pytest.raises(UserError, match="must lie between 0 and 1, as class_ids_from_zero_in_each_exp=True makes them"):
        template.train(benchmark.train_stream, eval_streams=[])


FACTS = BenchmarkFacts(experiences=1, classes_per_experience=2, input_shape=(4,))
X, Y = torch.rand(6, 4), torch.tensor([0, 1] * 3)


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (
            X.double(),
            Y,
            r"inputs of the training samples of experience 1 must be float32, or bytes as uint8, found .*64",
        ),
        (X.long(), Y, r"must be float32, or bytes as uint8, found torch\.int64"),  # not divided by 255 without a word
        (X.view(6, 2, 2), Y, r"must have the shape \(4,\) of the facts, found \(2, 2\)"),
        (X, Y.int(), r"targets of .* must be int64, one label each, found torch\.int32 of shape \(6,\)"),
        (X, Y.view(6, 1), r"one label each, found torch\.int64 of shape \(6, 1\)"),
    ],
)
def test_samples_of_other_types_and_shapes_are_refused_in_a_sentence(x, y, sentence):
    parts = {"train": [Samples(x, y)], "test": [Samples(X, Y)]}
    benchmark = SimpleNamespace(facts=FACTS, **parts)
    with pytest.raises(UserError, match=sentence):
        require_types(benchmark)


def test_negative_labels_are_refused_in_a_sentence(template_of):
    parts = {"train": [Samples(torch.rand(6, 12), Y - 1)] * 3, "test": [Samples(torch.rand(6, 12), Y)] * 3}
    stream = in_memory_benchmark(facts=Synthetic().facts, scenario=Scenario.DOMAIN, data_sums={}, **parts)
    with pytest.raises(UserError, match=r"must lie between 0 and 1, .*found -1"):
        template_of("finetune", Scenario.DOMAIN).train(stream.avalanche.train_stream[0], eval_streams=[])


def test_replayed_samples_of_a_plugin_reach_the_heads_of_their_tasks(template_of):
    """HNET in TASK with Avalanche's replay: the loss is that of each sample on its own task's classifier."""
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche
    template = template_of("hnet", Scenario.TASK)
    losses = []

    class Compare:
        def before_backward(self, strategy, **kwargs):
            heads = [strategy.classifier.head(strategy.mb_x, task) for task in range(3)]
            own = torch.stack(heads)[strategy.mb_task_id, torch.arange(len(strategy.mb_x))]
            losses.append((strategy.loss.item(), cross_entropy(own, strategy.mb_y).item()))

    template.plugins[:0] = [ReplayPlugin(mem_size=30), Compare()]
    for experience in stream.train_stream:
        template.train(experience, eval_streams=[])
    assert [one for one, _ in losses] == pytest.approx([other for _, other in losses], rel=1e-4)


def test_what_a_plugin_makes_of_the_outputs_is_what_counts(template_of):
    class AlwaysFirst:
        def after_eval_forward(self, strategy, **kwargs):
            strategy.mb_output = torch.nn.functional.one_hot(torch.zeros_like(strategy.mb_y), 6).float()

    template = template_of("finetune", Scenario.CLASS)
    template.plugins.append(AlwaysFirst())
    assert Evaluator(Synthetic().build(scenario=Scenario.CLASS, seed=1)).evaluate(template).score == [0.5, 0, 0]


def test_loggers_and_metrics_of_avalanche_work(capsys, setup_of):
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche
    evaluator = EvaluationPlugin(
        accuracy_metrics(minibatch=True, epoch=True, stream=True), loggers=[TextLogger(sys.stdout)]
    )
    template = ClassifierTemplate(setup=setup_of(Scenario.TASK), evaluator=evaluator)
    template.train(stream.train_stream[0], eval_streams=[])
    results = template.eval(stream.test_stream)
    assert any(key.startswith("Top1_Acc_Stream") for key in results)
    assert "Top1_Acc_Epoch" in capsys.readouterr().out


def test_without_metrics_no_step_asks_for_any(setup_of):
    template = ClassifierTemplate(setup=setup_of(Scenario.TASK))
    assert not any(isinstance(plugin, EvaluationPlugin) for plugin in template.plugins)
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche
    assert template.train(stream.train_stream[0], eval_streams=[]) == template.eval(stream.test_stream) == {}


def test_avalanches_own_metric_agrees_with_our_score(setup_of):
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    metrics = EvaluationPlugin(accuracy_metrics(experience=True))
    template = ClassifierTemplate(setup=setup_of(Scenario.CLASS), evaluator=metrics)
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    results = template.eval(benchmark.avalanche.test_stream)
    theirs = [value for key, value in sorted(results.items()) if key.startswith("Top1_Acc_Exp")]
    assert Evaluator(benchmark).evaluate(template).score == pytest.approx(theirs)


def test_more_experiences_than_it_was_built_for_are_refused(setup_of):
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche
    template = ClassifierTemplate(setup=setup_of(Scenario.TASK, stream=Synthetic(experiences=2)))
    with pytest.raises(UserError, match="built for 2 experiences"):
        template.train(stream.train_stream, eval_streams=[])


def test_loggers_are_told_of_the_scores_that_there_are(setup_of):
    class Heard(BaseLogger):
        def __init__(self):
            super().__init__()
            self.values = {}

        def log_single_metric(self, name, value, x_plot):
            self.values[name] = value

    template, heard = ClassifierTemplate(setup=setup_of(Scenario.TASK)), Heard()
    Loggers({"heard": heard}).evaluated(template, Evaluation([None, 0.5, None], [None, 0.25, None], []))
    assert heard.values == {"accuracy/experience_1": 0.5, "task_inference/experience_1": 0.25}


def test_a_model_that_a_plugin_puts_in_place_of_the_first_is_trained_and_what_stays_keeps_its_state(setup_of):
    class Renewing(CountSteps):
        """As GDumb, but for the hidden layer."""

        def before_train_dataset_adaptation(self, strategy, **kwargs):
            hidden = strategy.model.hidden
            strategy.model = copy.deepcopy(strategy.model)
            strategy.model.hidden = hidden
            self.begun = copy.deepcopy(strategy.model)

    stream = Synthetic().build(scenario=Scenario.CLASS, seed=1).avalanche.train_stream
    plugin = Renewing()
    template = ClassifierTemplate(setup=setup_of(Scenario.CLASS), plugins=[plugin])
    for experience in stream:
        template.train(experience, eval_streams=[])
        pairs = zip(plugin.begun.parameters(), template.model.parameters(), strict=True)
        assert not any(torch.equal(before, after) for before, after in pairs)
    taken = [int(template.optimizer.state[one]["step"]) for one in template.model.parameters()]
    assert taken == [36, 36, 12, 12]
