"""Split MNIST: which digits come when, with which labels, and what an experience says of itself."""

import sys
from pathlib import Path

import psutil
import pytest
import torch

from hnet_bench.benchmarks.split_mnist import SplitMnist
from hnet_bench.interfaces import Scenario, UserError

# Digit pairs that the seeds of van de Ven & Tolias give (digit with label 2k, digit with label 2k + 1).
PAIRS = {
    1: "46 05 39 27 81", 2: "31 56 02 74 98", 3: "72 38 10 56 94", 4: "67 40 28 59 13", 5: "65 29 31 84 70",
    6: "31 68 75 42 09", 7: "24 37 91 86 05", 8: "37 49 85 16 02", 9: "74 36 19 82 05", 10: "65 14 82 37 09",
    11: "86 27 45 30 19", 12: "38 76 40 92 15", 13: "83 90 41 25 67", 14: "26 50 43 87 91", 15: "52 03 78 14 96",
    16: "27 16 58 03 49", 17: "59 13 42 80 76", 18: "25 49 37 60 81", 19: "70 86 59 31 42", 20: "41 59 83 60 27",
    21: "60 13 74 52 89",
}  # fmt: skip


@pytest.mark.parametrize("seed", PAIRS)
def test_per_seed_order_is_that_of_van_de_ven(seed):
    digits = SplitMnist(class_order="per_seed").digits(seed)
    assert " ".join(f"{first}{second}" for first, second in digits) == PAIRS[seed]


def test_fixed_order_is_the_same_for_every_seed():
    assert SplitMnist().digits(1) == SplitMnist().digits(7) == ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))
    assert SplitMnist(class_order="per_seed").digits(0) == SplitMnist().digits(0)


def test_runs_can_share_a_draw_and_have_seeds_of_their_own():
    repeated = SplitMnist(class_order="per_seed", draw_seed=4)
    assert repeated.digits(1004) == repeated.digits(7) == SplitMnist(class_order="per_seed").digits(4)
    repeated.check(scenario=Scenario.TASK, seed=2**40)  # nothing is drawn with it


def test_digits_may_come_one_by_one_or_five_at_a_time():
    one_by_one = SplitMnist(class_order="per_seed", classes_per_experience=1)
    assert one_by_one.digits(1) == tuple((int(digit),) for pair in PAIRS[1].split() for digit in pair)
    assert (one_by_one.facts.experiences, one_by_one.facts.classes_per_experience) == (10, 1)
    assert SplitMnist(classes_per_experience=5).digits(1) == ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9))
    one_by_one.check(scenario=Scenario.CLASS, seed=1)
    with pytest.raises(UserError, match="With one class in each experience split_mnist is for CL3: in CL1 nothing"):
        one_by_one.check(scenario=Scenario.TASK, seed=1)
    with pytest.raises(UserError, match=r"'classes_per_experience' of split_mnist must be 1, 2 or 5.* found 3"):
        SplitMnist(classes_per_experience=3)


@pytest.mark.parametrize("settings", [{}, {"class_order": "per_seed"}])
def test_a_draw_needs_a_seed_that_something_can_be_drawn_with(settings):
    with pytest.raises(UserError, match=r"'draw_seed' is the seed of a draw|'draw_seed' must be at least 0"):
        SplitMnist(draw_seed=-1, **settings)


@pytest.fixture(scope="module", params=list(Scenario), ids=lambda scenario: scenario.label)
def built(request, mnist_folder):
    return SplitMnist(class_order="per_seed").build(scenario=request.param, seed=1, folder=mnist_folder)


def test_every_image_comes_once_with_the_labels_of_the_scenario(built):
    assert sum(len(samples.x) for samples in built.train) == 60_000
    assert sum(len(samples.x) for samples in built.test) == 10_000
    # Seed 1 starts with the digits 4 and 6: 5,842 and 5,918 training images.
    assert built.train[0].y.bincount()[:2].tolist() == [5_842, 5_918]
    expected = [4, 5] if built.scenario is Scenario.CLASS else [0, 1]
    assert built.train[2].y.unique().tolist() == expected


def test_inputs_are_the_pixels_over_255(built, mnist_folder):
    from hnet_bench.data.load import load

    mnist = load("mnist", folder=mnist_folder)
    first_six = int((mnist.y_train == 6).argmax())
    sixes = built.train[0].x[built.train[0].y == 1]
    torch.testing.assert_close(sixes[0, 0] * 255, torch.from_numpy(mnist.x_train[first_six]).float())
    assert built.train[0].x.min() == 0
    assert built.train[0].x.max() == 1


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems say less of a process.")
def test_the_images_are_one_map_of_the_archive_of_which_a_process_has_no_copy(built, mnist_folder):
    (first,) = {samples._stored.data_ptr() for samples in built.train}
    (maps,) = [one for one in psutil.Process().memory_maps(grouped=False) if holds(one, first)]
    assert Path(maps.path) == (mnist_folder / "mnist.npz").resolve()
    assert maps.rss >= 60_000 * 784
    assert maps.private_dirty == 0


def holds(one, address):
    begin, end = (int(part, 16) for part in one.addr.split("-"))
    return begin <= address < end
