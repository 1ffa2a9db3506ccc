"""Images as bytes: values, normalisation, and crops and mirrors that can be checked by eye."""

import itertools

import pytest
import torch

from hnet_bench.avalanche_adapter.batches import InfiniteBatches
from hnet_bench.avalanche_adapter.benchmark import Samples, concatenated, stored_tensors
from hnet_bench.avalanche_adapter.images import CROP_PADDING, ImageSamples, crops

CPU = torch.device("cpu")


def images(count=6, side=5):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (count, side, side, 3), generator=generator, dtype=torch.uint8)


def batches(samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return InfiniteBatches(samples, task_label=0, batch_size=4, generator=generator, device=CPU)


def test_values_are_channels_first_between_0_and_1():
    stored = images()
    samples = ImageSamples(stored, torch.zeros(6, dtype=torch.int64))
    assert samples.x.shape == (6, 3, 5, 5)
    torch.testing.assert_close(samples.x, stored.permute(0, 3, 1, 2) / 255)
    assert torch.equal(samples.take(torch.tensor([4, 1])), samples.x[[4, 1]])
    assert samples.x.is_contiguous(memory_format=torch.channels_last)
    assert samples.x.max() <= 1


def test_normalisation_is_that_of_each_channel():
    stored = images()
    mean, deviation = torch.tensor([0.5, 0.4, 0.3]), torch.tensor([0.2, 0.25, 0.5])
    samples = ImageSamples(stored, torch.zeros(6, dtype=torch.int64), mean=mean, deviation=deviation)
    expected = ((stored / 255 - mean) / deviation).permute(0, 3, 1, 2)
    torch.testing.assert_close(samples.x, expected)


@pytest.mark.parametrize("mirrored", [0, 1])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (8, 8), (2, 7), (4, 1), (CROP_PADDING, CROP_PADDING)])
def test_a_crop_is_cut_out_of_the_image_in_a_black_border(row, column, mirrored):
    stored = images(2)
    bordered = torch.zeros(2, 13, 13, 3, dtype=torch.uint8)
    bordered[:, 4:9, 4:9] = stored
    expected = bordered[:, row : row + 5, column : column + 5]
    corners = torch.tensor([[row] * 2, [column] * 2])
    found = crops(stored, corners, torch.full((2,), mirrored))
    assert torch.equal(found, expected.flip(2) if mirrored else expected)


def test_training_sees_every_crop_both_ways_and_evaluation_the_image():
    stored = images(1)
    samples = ImageSamples(stored, torch.zeros(1, dtype=torch.int64), augmented=True)
    expected = set()
    for row, column, mirrored in itertools.product(range(9), range(9), range(2)):
        corners = torch.tensor([[row], [column]])
        expected.add(tuple(crops(stored, corners, torch.tensor([mirrored])).flatten().tolist()))
    assert len(expected) == 162
    drawn = torch.cat([x for x, _, _ in itertools.islice(batches(samples), 400)])
    seen = {tuple(one.permute(1, 2, 0).mul(255).round().int().flatten().tolist()) for one in drawn}
    assert seen == expected
    torch.testing.assert_close(samples.take(torch.tensor([0])), stored.permute(0, 3, 1, 2) / 255)


def test_augmentation_repeats_with_the_seed():
    samples = ImageSamples(images(), torch.arange(6), augmented=True)
    first, again, other = (
        torch.cat([x for x, _, _ in itertools.islice(batches(samples, seed), 5)]) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_relabelled_and_joined_images_are_the_same_images():
    samples = ImageSamples(images(), torch.arange(6))
    other = samples.labelled(torch.arange(6) + 10)
    assert torch.equal(other.x, samples.x)
    together = concatenated([samples, other])
    assert torch.equal(together.x, torch.cat([samples.x, samples.x]))
    assert together.y.tolist() == [*range(6), *range(10, 16)]


@pytest.mark.parametrize("shares", [True, False])
def test_joined_images_are_augmented_as_they_were_alone(shares):
    """Joint training in CL2 and CL3 sees what the methods see that it is a bound of."""
    stored, order = images(), torch.tensor([7, 0, 11, 3])
    parts = [ImageSamples(stored if shares else stored.clone(), torch.arange(6), augmented=True) for _ in range(2)]
    together = concatenated(parts, order)
    assert together.y.tolist() == [1, 0, 5, 3]
    expected = ImageSamples(stored[[1, 0, 5, 3]], torch.arange(4), augmented=True)
    drawn = [one.drawn(torch.arange(4), torch.Generator().manual_seed(1)) for one in (together, expected)]
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], together.x)
    assert torch.equal(together.x, expected.x)
    plain = ImageSamples(stored, torch.arange(6))
    assert type(concatenated([parts[0], plain])) is Samples  # of two kinds: as they are


def test_a_checkpoint_knows_the_images_by_name():
    stored = images()
    named = stored_tensors([ImageSamples(stored, torch.arange(6), augmented=True)], CPU)
    assert any(tensor is stored for tensor in named.values())


def test_avalanches_own_loaders_get_the_same_values():
    samples = ImageSamples(images(), torch.arange(6))
    dataset = samples.avalanche_dataset(task_label=2)
    x, y, task_label = dataset[3]
    assert torch.equal(x, samples.x[3])
    assert (y, task_label) == (3, 2)
