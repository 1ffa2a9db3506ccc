"""The synthetic benchmark: as big as it says, learnable, and its own for every seed."""

import pytest
import torch

from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, UserError


def test_sizes_and_labels():
    built = Synthetic(experiences=2, classes_per_experience=3, train_per_class=5).build(scenario=Scenario.CLASS, seed=1)
    assert [samples.x.shape for samples in built.train] == [(15, 12), (15, 12)]
    assert built.train[1].y.unique().tolist() == [3, 4, 5]
    assert built.facts.outputs(Scenario.CLASS) == 6
    assert built.facts.outputs(Scenario.DOMAIN) == 3


def test_the_nearest_mean_of_the_training_samples_tells_the_classes_apart():
    built = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    x, y = torch.cat([s.x for s in built.train]), torch.cat([s.y for s in built.train])
    means = torch.stack([x[y == label].mean(0) for label in range(6)])
    test_x, test_y = torch.cat([s.x for s in built.test]), torch.cat([s.y for s in built.test])
    assert (torch.cdist(test_x, means).argmin(1) == test_y).float().mean() > 0.95


def test_the_seed_draws_it():
    first, again, other = (Synthetic().build(scenario=Scenario.TASK, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.train[0].x, again.train[0].x)
    assert not torch.equal(first.train[0].x, other.train[0].x)


def test_a_benchmark_without_samples_is_refused():
    with pytest.raises(UserError, match=r"'train_per_class' .* must be at least 1, found 0"):
        Synthetic(train_per_class=0)
