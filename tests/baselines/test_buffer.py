"""What is stored of past experiences, and what is drawn from it."""

import pytest
import torch

from baselines.training.buffer import Buffer
from hnet_bench.avalanche_adapter.benchmark import Samples


def samples_of_counts(*counts):
    """Sample number i is the vector (i, i); class c has counts[c] of them."""
    y = torch.cat([torch.full((count,), label) for label, count in enumerate(counts)])
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(0))]
    return Samples(torch.arange(len(y)).float().view(-1, 1).expand(-1, 2).contiguous(), y)


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


def test_a_random_choice_holds_each_class_exactly_so_often_and_no_sample_twice():
    samples = samples_of_counts(30, 20, 4)
    buffer = Buffer()
    buffer.put_random(0, samples, 5, generator())
    stored = buffer.samples()
    assert stored.y.bincount().tolist() == [5, 5, 4]
    numbers = stored.x[:, 0].long()
    assert len(numbers.unique()) == 14
    assert torch.equal(samples.y[numbers], stored.y)
    assert buffer.stored_values == 14 * 3


def test_the_choice_is_random_and_follows_its_generator():
    samples = samples_of_counts(200, 200)
    chosen = []
    for seed in (1, 1, 2):
        buffer = Buffer()
        buffer.put_random(0, samples, 50, generator(seed))
        chosen.append(buffer.of_label(0)[:, 0])
    assert torch.equal(chosen[0], chosen[1])
    assert not torch.equal(chosen[0], chosen[2])
    # Not just the first ones: a choice of 50 among 200 spreads over all of them.
    assert chosen[0].max() > 300


def test_a_choice_of_permuted_samples_is_permuted():
    plain = samples_of_counts(9)
    x = torch.rand(9, 3)
    order = torch.tensor([2, 0, 1])
    buffer = Buffer()
    buffer.put_random(0, Samples(x, plain.y, order), 9, generator())
    assert {tuple(row.tolist()) for row in buffer.of_label(0)} == {tuple(row.tolist()) for row in x[:, order]}


def test_groups_are_kept_apart_also_where_they_share_labels():
    buffer = Buffer()
    for group in (3, 1):
        buffer.put(group, 0, torch.full((2, 1), float(group)))
        buffer.put(group, 1, torch.full((1, 1), 10.0 * group))
    assert buffer.groups == [3, 1]
    assert buffer.labels == [0, 1]
    assert buffer.samples(1).x.flatten().tolist() == [1, 1, 10]
    assert buffer.samples(1).y.tolist() == [0, 0, 1]
    assert buffer.samples().x.flatten().tolist() == [3, 3, 30, 1, 1, 10]
    assert buffer.of_label(1).flatten().tolist() == [30, 10]


def test_what_is_put_replaces_and_what_is_kept_is_the_beginning():
    buffer = Buffer()
    buffer.put(0, 4, torch.zeros(9, 1))
    buffer.put(0, 4, torch.arange(5.0).view(-1, 1))
    buffer.keep_first(3)
    assert buffer.of_label(4).flatten().tolist() == [0, 1, 2]
    assert buffer.of_label(4).untyped_storage().nbytes() == 3 * 4
    buffer.keep_first(8)
    assert buffer.stored_values == 6


@pytest.mark.parametrize("per_class", [1, 7])
def test_what_is_stored_does_not_change_with_the_data(per_class):
    samples = samples_of_counts(10)
    buffer = Buffer()
    buffer.put_random(0, samples, per_class, generator())
    before = buffer.samples().x.clone()
    samples.x.zero_()
    assert torch.equal(buffer.samples().x, before)
