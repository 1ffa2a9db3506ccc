"""Regression in the template and the evaluation: its loss, its score, and what is withheld."""

from typing import get_args

import pytest
import torch

from baselines.finetune import Finetune
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.objective import OBJECTIVES, accuracy, mean_squared_error
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import ProblemType, Scenario

SCENARIOS = [Scenario.TASK, Scenario.DOMAIN]
CURVES = {"stream": Regression1d(), "iterations": 300, "batch_size": 32, "hidden_units": (10, 10)}


def test_the_mean_squared_error_is_over_samples_and_values():
    found, expected = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    assert mean_squared_error(found, expected) == (1 + 4 + 0 + 1) / 4
    with pytest.raises(ValueError, match=r"shape \(2, 2\), found \(2, 1\)"):
        mean_squared_error(found[:, :1], expected)


def test_accuracy_is_the_fraction_of_equal_labels():
    assert accuracy(torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 0, 0])) == 0.5


def test_every_problem_type_of_the_interface_has_an_entry():
    assert set(OBJECTIVES) == set(get_args(ProblemType))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_scores_are_the_errors_on_each_experience_whose_targets_nobody_sees(scenario, setup_of):
    benchmark = Regression1d().build(scenario=scenario, seed=1)
    seen = []

    class Peek(ClassifierTemplate):
        learns_with = ("regression", "sigmoid")

        def forward(self):
            if not self.is_training:
                seen.append(self.mb_y)
            return super().forward()

    torch.manual_seed(0)
    template = Peek(setup=setup_of(scenario, activation="sigmoid", **CURVES))
    template.train(benchmark.avalanche.train_stream[0], eval_streams=[])
    evaluation = Evaluator(benchmark).evaluate(template)
    model = template.model.network if scenario is Scenario.TASK else template.model
    with torch.no_grad():
        expected = [float((model(test.x) - test.y).square().mean()) for test in benchmark.test]
    assert evaluation.score == pytest.approx(expected, rel=1e-5)
    assert evaluation.score[0] < 0.05 < min(evaluation.score[1:])
    assert not torch.cat(seen).any()
    with torch.no_grad():
        for predicted, test in zip(evaluation.predictions, benchmark.test, strict=True):
            torch.testing.assert_close(predicted, model(test.x))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_training_minimises_the_squared_error(scenario, built):
    template = built(Finetune(), scenario, **CURVES)
    template.mb_output, template.mbatch = torch.tensor([[1.0], [3.0]]), [None, torch.tensor([[0.0], [1.0]]), None]
    assert float(template.criterion()) == (1 + 4) / 2


def test_sigmoid_and_xavier_are_what_the_protocol_says(built):
    ways = {"activation": "sigmoid", "initialisation": "xavier"}
    model = built(Finetune(), Scenario.TASK, **CURVES, **ways).model.network
    weights = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    assert all(not layer.bias.any() for layer in weights)
    # Torch's default stays below sqrt(1 / 10) for the second layer; Xavier reaches up to sqrt(6 / 20).
    assert 0.4 < float(weights[1].weight.detach().abs().max()) < (6 / 20) ** 0.5
    x = torch.tensor([[0.3]])
    first, second, last = weights
    by_hand = last(torch.sigmoid(second(torch.sigmoid(first(x)))))
    torch.testing.assert_close(model(x), by_hand)


def test_an_evaluator_gives_even_samples_and_scores_outputs_for_them():
    benchmark = Regression1d(test_samples=5).build(scenario=Scenario.TASK, seed=1)
    evaluator = Evaluator(benchmark)
    x = evaluator.inputs(0, 2)
    assert x[:, 0].tolist() == [-4.0, -3.0]  # samples 0 and 2 of -4, -3.5, -3, -2.5, -2
    assert evaluator.score(0, x + 4) == pytest.approx(1.0)  # the function is x + 3
    assert len(evaluator.inputs(0)) == len(evaluator.inputs(0, 99)) == 5
    assert evaluator.score(0, evaluator.inputs(0) + 3) == pytest.approx(0.0, abs=1e-12)


def test_an_evaluator_takes_the_most_probable_class():
    benchmark = Synthetic(test_per_class=2).build(scenario=Scenario.CLASS, seed=1)
    evaluator = Evaluator(benchmark)
    outputs = torch.eye(6)[[2, 2, 3, 2]]  # of the second experience, whose labels are 2, 2, 3, 3
    assert evaluator.score(1, outputs) == 0.75
