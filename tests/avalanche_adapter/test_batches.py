"""Batches: full size for ever, every sample once per pass, reproducible."""

import itertools

import pytest
import torch

from hnet_bench.avalanche_adapter.batches import EndlessBatches, SideBySide, exactly, one_pass
from hnet_bench.avalanche_adapter.benchmark import Samples

CPU = torch.device("cpu")


def numbered(count):
    return Samples(torch.arange(count, dtype=torch.float32).unsqueeze(1), torch.arange(count))


def endless(count, batch_size, seed=0, task_label=0):
    generator = torch.Generator().manual_seed(seed)
    return EndlessBatches(
        numbered(count), task_label=task_label, batch_size=batch_size, generator=generator, device=CPU
    )


def drawn(batches, count):
    return [y.tolist() for _, y, _ in itertools.islice(batches, count)]


@pytest.mark.parametrize(("samples", "batch_size"), [(10, 3), (10, 10), (3, 8)])
def test_every_pass_has_every_sample_once_and_every_batch_is_full(samples, batch_size):
    batches = drawn(endless(samples, batch_size), 30)
    assert {len(batch) for batch in batches} == {batch_size}
    flat = [label for batch in batches for label in batch]
    for start in range(0, len(flat) - samples, samples):
        assert sorted(flat[start : start + samples]) == list(range(samples))


def test_passes_are_shuffled_anew():
    flat = [label for batch in drawn(endless(50, 10), 10) for label in batch]
    assert flat[:50] != flat[50:] != list(range(50))


def test_the_generator_alone_decides_the_order():
    first = drawn(endless(10, 4, seed=1), 5)
    torch.rand(3)
    assert drawn(endless(10, 4, seed=1), 5) == first != drawn(endless(10, 4, seed=2), 5)


def test_inputs_labels_and_task_labels_belong_together():
    x, y, task_labels = next(iter(endless(10, 4, task_label=3)))
    assert x.squeeze(1).tolist() == y.tolist()
    assert task_labels.tolist() == [3] * 4


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        endless(0, 4)


def test_side_by_side_has_a_batch_of_each_stream():
    x, y, task_labels = next(iter(SideBySide([endless(10, 2), endless(10, 3, task_label=1)])))
    assert (len(x), len(y), task_labels.tolist()) == (5, 5, [0, 0, 1, 1, 1])


def test_one_pass_is_in_order_and_complete():
    batches = list(one_pass(numbered(7), task_label=2, batch_size=3, device=CPU))
    assert [y.tolist() for _, y, _ in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    assert batches[-1][2].tolist() == [2]


@pytest.mark.parametrize("count", [0, 1, 3, 8])
def test_exactly_so_many(count):
    assert len(list(exactly([1, 2, 3], count))) == count
    assert len(list(exactly(itertools.count(), count))) == count


def test_nothing_cannot_be_repeated():
    with pytest.raises(ValueError, match="at least one batch"):
        list(exactly([], 2))
