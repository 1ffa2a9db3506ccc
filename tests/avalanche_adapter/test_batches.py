"""Batches: full size for ever, every sample once per pass, reproducible; inputs permuted when they are taken."""

import itertools

import pytest
import torch

from hnet_bench.avalanche_adapter.batches import ConcatenatedBatches, FixedIterations, InfiniteBatches, one_pass
from hnet_bench.avalanche_adapter.benchmark import Samples, concatenated, content_sum

CPU = torch.device("cpu")


def numbered(count):
    return Samples(torch.arange(count, dtype=torch.float32).unsqueeze(1), torch.arange(count))


def endless(count, batch_size, seed=0, task_label=0):
    generator = torch.Generator().manual_seed(seed)
    return InfiniteBatches(
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
    x, y, task_labels = next(iter(ConcatenatedBatches([endless(10, 2), endless(10, 3, task_label=1)])))
    assert (len(x), len(y), task_labels.tolist()) == (5, 5, [0, 0, 1, 1, 1])


def test_one_pass_is_in_order_and_complete():
    batches = list(one_pass(numbered(7), task_label=2, batch_size=3, device=CPU))
    assert [y.tolist() for _, y, _ in batches] == [[0, 1, 2], [3, 4, 5], [6]]
    assert batches[-1][2].tolist() == [2]


@pytest.mark.parametrize("count", [0, 1, 3, 8])
def test_exactly_so_many(count):
    assert len(list(FixedIterations([1, 2, 3], count))) == count
    assert len(list(FixedIterations(itertools.count(), count))) == count


def test_nothing_cannot_be_repeated():
    with pytest.raises(ValueError, match="at least one batch"):
        list(FixedIterations([], 2))


# Two experiences that share three inputs of four values, 0-3, 4-7 and 8-11; the second turns each input round.
STORED = torch.arange(12, dtype=torch.float32).view(3, 2, 2)
AS_IT_IS = Samples(STORED, torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2, 3]))
TURNED = Samples(STORED, torch.tensor([3, 4, 5]), torch.tensor([3, 2, 1, 0]))


def test_a_permutation_says_where_each_value_comes_from():
    cycled = Samples(STORED, torch.arange(3), torch.tensor([2, 0, 3, 1]))
    assert cycled.take(torch.tensor([1])).tolist() == [[[6, 4], [7, 5]]]


def test_permuted_inputs_keep_order_and_shape():
    assert TURNED.take(torch.tensor([2, 0])).tolist() == [[[11, 10], [9, 8]], [[3, 2], [1, 0]]]
    assert torch.equal(TURNED.x, STORED.flip(1, 2))
    assert len(TURNED) == 3


def test_without_a_permutation_inputs_are_what_is_stored():
    assert Samples(STORED, torch.arange(3)).x is STORED


def test_both_kinds_of_batches_permute():
    generator = torch.Generator().manual_seed(0)
    endless = InfiniteBatches(TURNED, task_label=0, batch_size=2, generator=generator, device=CPU)
    for batches in (itertools.islice(endless, 5), one_pass(TURNED, task_label=0, batch_size=2, device=CPU)):
        for x, y, _ in batches:
            assert torch.equal(x, STORED.flip(1, 2)[y - 3])


@pytest.mark.parametrize(
    "parts",
    [
        [AS_IT_IS, TURNED],
        [AS_IT_IS, Samples(TURNED.x, TURNED.y)],
        [Samples(AS_IT_IS.x, AS_IT_IS.y), Samples(TURNED.x, TURNED.y)],
        [concatenated([AS_IT_IS, TURNED], torch.tensor([0, 1, 2])), TURNED],
    ],
    ids=["shared", "one permuted", "none permuted", "nested"],
)
def test_concatenated_samples_are_those_of_the_parts(parts):
    expected = torch.cat([STORED, STORED.flip(1, 2)])
    for order in (None, torch.tensor([5, 0, 3, 1, 4, 2])):
        whole = concatenated(parts, order)
        positions = torch.arange(6) if order is None else order
        assert whole.y.tolist() == positions.tolist()
        assert torch.equal(whole.x, expected[positions])
        assert torch.equal(whole.take(torch.tensor([4, 2])), expected[positions[[4, 2]]])


def test_concatenated_permuted_samples_share_what_they_shared():
    assert concatenated([AS_IT_IS, TURNED])._stored is STORED


# The same inputs as bytes, of which each experience has two.
AS_BYTES = torch.arange(0, 240, 20, dtype=torch.uint8).view(3, 2, 2)
FIRST = Samples(AS_BYTES, torch.tensor([0, 1]), rows=torch.tensor([2, 0]))
SECOND = Samples(AS_BYTES, torch.tensor([2, 3]), rows=torch.tensor([1, 2]))


def test_bytes_become_their_values_over_255_when_inputs_are_taken():
    assert torch.equal(Samples(AS_BYTES, torch.arange(3)).take(torch.tensor([1])), AS_BYTES[1:2].float() / 255)
    assert torch.equal(FIRST.x, AS_BYTES[[2, 0]].float() / 255)
    turned = Samples(AS_BYTES, torch.tensor([7]), torch.tensor([3, 2, 1, 0]), rows=torch.tensor([1]))
    assert torch.equal(turned.x, AS_BYTES[1:2].flip(1, 2).float() / 255)
    assert len(FIRST) == 2


def test_samples_cut_out_of_the_same_inputs_go_on_sharing_them():
    both = concatenated([FIRST, SECOND], torch.tensor([3, 0, 1, 2]))
    assert both._stored is AS_BYTES
    assert both.y.tolist() == [3, 0, 1, 2]
    assert torch.equal(both.x, AS_BYTES[[2, 2, 0, 1]].float() / 255)


def test_a_sum_over_samples_is_that_of_what_they_hold_however_it_is_stored():
    """The order in which a pool is evaluated follows from it, and so do the last digits of scores."""
    as_floats = [Samples(part.x, part.y) for part in (FIRST, SECOND)]
    assert content_sum([FIRST, SECOND]) == content_sum(as_floats) != content_sum([SECOND, FIRST])
    orders = torch.tensor([0, 1, 2, 3]), torch.tensor([3, 2, 1, 0])
    floats, y = AS_BYTES.float() / 255, torch.arange(3)
    permuted = [[Samples(stored, y, order) for order in orders] for stored in (AS_BYTES, floats)]
    assert content_sum(permuted[0]) == content_sum(permuted[1])


def test_other_labels_leave_the_samples_as_they_were():
    relabelled = concatenated([AS_IT_IS, TURNED]).labelled(torch.zeros(6, dtype=torch.int64))
    assert torch.equal(relabelled.x, concatenated([AS_IT_IS, TURNED]).x)
    assert TURNED.labelled(torch.zeros(3, dtype=torch.int64)).y.tolist() == [0, 0, 0]
    assert TURNED.y.tolist() == [3, 4, 5]


def test_a_shared_tensor_is_moved_to_a_device_once_and_let_go_with_its_original():
    """Torch's device "meta", which has shapes and no values, stands for a GPU."""
    from hnet_bench.avalanche_adapter.benchmark import _copies

    meta, held = torch.device("meta"), len(_copies)
    stored = torch.rand(3, 4)
    parts = [Samples(stored, torch.arange(3), torch.randperm(4)) for _ in range(2)]
    moved = [part.to(meta) for part in (*parts, *parts)]
    assert {id(part._stored) for part in moved} == {id(moved[0]._stored)}
    assert moved[0]._stored.is_meta
    assert moved[0].y.is_meta
    assert parts[0]._stored is stored
    assert parts[0].to(CPU)._stored is stored
    assert len(_copies) == held + 5
    del stored, parts, moved
    assert len(_copies) == held
