"""Split CIFAR: sizes, classes and labels on the real images, and what it refuses."""

import os
from pathlib import Path

import numpy
import pytest
import torch

from hnet_bench.benchmarks.split_cifar import SplitCifar
from hnet_bench.data.load import load
from hnet_bench.interfaces import Scenario, UserError


@pytest.fixture(scope="module")
def folder():
    found = Path(os.environ.get("HNET_BENCH_DATA", ""))
    if not all((found / f"{name}.npz").is_file() for name in SplitCifar.datasets):
        pytest.skip("$HNET_BENCH_DATA lacks CIFAR")
    return found


@pytest.fixture(scope="module")
def built(folder):
    return SplitCifar().build(scenario=Scenario.TASK, seed=1, folder=folder)


def test_the_first_experience_is_ten_times_as_large(built):
    assert [len(samples) for samples in built.train] == [50_000, *[5000] * 5]
    assert [len(samples) for samples in built.test] == [10_000, *[1000] * 5]
    for samples in (*built.train, *built.test):
        assert samples.y.bincount().tolist() == [len(samples) // 10] * 10
    assert set(built.data_sums) == {"cifar10", "cifar100-first50"}
    assert (built.facts.experiences, built.facts.outputs(Scenario.TASK)) == (6, 60)


@pytest.mark.parametrize("experience", range(1, 6))
def test_later_experiences_are_ten_fine_classes_each_in_order(built, folder, experience):
    arrays = load("cifar100-first50", folder=folder)
    first = 10 * (experience - 1)
    rows = numpy.flatnonzero((arrays.y_test >= first) & (arrays.y_test < first + 10))
    samples = built.test[experience]
    assert samples.y.tolist() == (arrays.y_test[rows] - first).tolist()
    mean, deviation = numpy.array([0.485, 0.456, 0.406]), numpy.array([0.229, 0.224, 0.225])
    expected = (arrays.x_test[rows[:5]] / 255 - mean) / deviation
    found = samples.take(torch.arange(5)).permute(0, 2, 3, 1).double().numpy()
    numpy.testing.assert_allclose(found, expected, atol=1e-5)


def test_plain_pixels_lie_between_0_and_1(folder):
    benchmark = SplitCifar(normalisation="none", augmentation=False)
    assert benchmark.facts.unit_range
    assert not SplitCifar().facts.unit_range
    x = benchmark.build(scenario=Scenario.TASK, seed=1, folder=folder).train[1].take(torch.arange(50))
    assert x.shape == (50, 3, 32, 32)
    assert 0 <= x.min() < x.max() <= 1


@pytest.mark.parametrize("scenario", [Scenario.DOMAIN, Scenario.CLASS])
def test_only_the_scenario_of_the_paper_is_learnt(scenario):
    with pytest.raises(UserError, match=f"expected CL1, found {scenario.label}"):
        SplitCifar().build(scenario=scenario, seed=1)
