"""The three functions, where their data lie, and what a run keeps for the figure."""

import math

import numpy
import pytest
import torch

from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.interfaces import Scenario, UserError

INTERVALS = [(-4, -2), (-1, 1), (2, 4)]


def test_test_targets_are_the_functions_at_even_inputs_without_noise():
    data = Regression1d(test_samples=3).test_data()
    assert [x.tolist() for x, _ in data] == [[-4, -3, -2], [-1, 0, 1], [2, 3, 4]]
    assert [y.tolist() for _, y in data] == [[-1, 0, 1], [1, -1, 1], [-1, 0, 1]]


def test_sizes_are_those_of_the_paper():
    stream = Regression1d().build(scenario=Scenario.TASK, seed=1)
    assert [len(samples) for samples in stream.train] == [100, 100, 100]
    assert [len(samples) for samples in stream.test] == [50, 50, 50]
    assert stream.facts.outputs(Scenario.TASK) == stream.facts.outputs(Scenario.DOMAIN) == 1
    for samples in (*stream.train, *stream.test):
        assert samples.x.shape == samples.y.shape == (len(samples), 1)
        assert samples.x.dtype == samples.y.dtype == torch.float32


def test_all_experiences_share_their_draws():
    """The generator begins anew with every experience, inputs before noise; its first uniform draw with seed 42 is
    0.3745401188473625, as any NumPy says."""
    data = Regression1d().training_data()
    places = [(x - start) / 2 for (x, _), (start, _) in zip(data, INTERVALS, strict=True)]
    assert places[0][0] == pytest.approx(0.3745401188473625)
    functions = [lambda x: x + 3, lambda x: 2 * x * x - 1, lambda x: (x - 3) ** 3]
    noise = [y - function(x) for (x, y), function in zip(data, functions, strict=True)]
    for index in (1, 2):
        numpy.testing.assert_allclose(places[index], places[0], atol=1e-12)
        numpy.testing.assert_allclose(noise[index], noise[0], atol=1e-12)
    assert all(0 <= place <= 1 for place in places[0])
    # 100 draws of standard deviation 0.05: theirs is within four standard errors.
    assert abs(noise[0].std() - 0.05) < 4 * 0.05 / math.sqrt(200)


def test_the_data_are_the_same_for_every_seed_of_a_run_and_in_both_scenarios():
    one = Regression1d().build(scenario=Scenario.TASK, seed=1)
    other = Regression1d().build(scenario=Scenario.DOMAIN, seed=2)
    for mine, yours in zip((*one.train, *one.test), (*other.train, *other.test), strict=True):
        assert torch.equal(mine.x, yours.x)
        assert torch.equal(mine.y, yours.y)
    again = Regression1d(data_seed=7).build(scenario=Scenario.TASK, seed=1)
    assert not torch.equal(again.train[0].x, one.train[0].x)
    assert torch.equal(again.test[0].x, one.test[0].x)


def test_there_are_no_classes_to_tell_apart():
    with pytest.raises(UserError, match="regression_1d has no classes"):
        Regression1d().build(scenario=Scenario.CLASS, seed=1)


@pytest.mark.parametrize("change", [{"train_samples": 0}, {"test_samples": 1}, {"noise": -0.1}, {"noise": math.nan}])
def test_settings_that_make_no_sense_are_refused(change):
    with pytest.raises(UserError, match="of regression_1d must be at least"):
        Regression1d(**change)


def test_what_is_kept_has_the_shapes_that_the_figure_reads():
    from hnet_bench.reporting.figures.arrays import REGRESSION_SHAPES, require

    benchmark = Regression1d(test_samples=4)
    answers = [torch.full((4, 1), float(index)) for index in range(3)]
    kept = require(benchmark.fitted(answers), REGRESSION_SHAPES, where="a test")
    assert kept["regression_fit"].tolist() == [[0] * 4, [1] * 4, [2] * 4]
    assert kept["regression_range"].tolist() == [list(interval) for interval in INTERVALS]
    assert kept["regression_true"][0].tolist() == (kept["regression_x"][0] + 3).tolist()
