"""Permuted MNIST: which pixel goes where, with which labels, and that nothing is copied per experience."""

import numpy
import pytest
import torch

from hnet_bench.avalanche_adapter import evaluation
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark, in_memory_samples
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.permuted_mnist import PermutedMnist
from hnet_bench.data.datasets import Arrays
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError

FIXED, PER_SEED = PermutedMnist(experiences=3), PermutedMnist(experiences=3, permutations="per_seed")


@pytest.mark.parametrize("settings", [FIXED, PER_SEED])
def test_every_experience_has_every_padded_pixel_once_in_an_order_of_its_own(settings):
    assert settings.facts.input_shape == (1, 32, 32)
    orders = settings.pixel_orders(seed=1)
    assert orders.shape == (3, 1024)
    for order in orders:
        assert sorted(order) == list(range(1024))
    assert len({tuple(order) for order in orders}) == 3


def test_fixed_orders_are_those_of_seed_42_after_an_image_as_it_is():
    assert numpy.array_equal(FIXED.pixel_orders(seed=1), FIXED.pixel_orders(seed=7))
    assert FIXED.pixel_orders(seed=1)[0].tolist() == list(range(1024))
    drawn = numpy.random.RandomState(42)
    for order in FIXED.pixel_orders(seed=1)[1:]:
        assert numpy.array_equal(order, drawn.permutation(1024))


def test_orders_per_seed_are_those_of_van_de_ven():
    """The value was drawn with NumPy's legacy generator apart from this code."""
    assert PER_SEED.pixel_orders(seed=2)[0, :8].tolist() == [546, 978, 907, 577, 845, 752, 295, 914]
    assert PER_SEED.pixel_orders(seed=0)[0].tolist() == list(range(1024))


def test_runs_can_share_a_draw_and_have_seeds_of_their_own():
    repeated = PermutedMnist(experiences=3, permutations="per_seed", draw_seed=2)
    assert numpy.array_equal(repeated.pixel_orders(seed=1002), PER_SEED.pixel_orders(seed=2))
    with pytest.raises(UserError, match="without permutations = per_seed nothing is drawn with a seed"):
        PermutedMnist(draw_seed=2)


def test_more_experiences_begin_with_the_same_ones():
    longer = PermutedMnist(experiences=5, permutations="per_seed").pixel_orders(seed=3)
    assert numpy.array_equal(longer[:3], PER_SEED.pixel_orders(seed=3))


def test_without_padding_there_are_784_pixels():
    assert PermutedMnist(padding=0).facts.inputs == PermutedMnist(padding=0).pixel_orders(seed=1).shape[1] == 784


@pytest.mark.parametrize("settings", [{"experiences": 0}, {"padding": -1}])
def test_settings_that_make_no_sense_are_refused(settings):
    with pytest.raises(UserError, match="must be at least"):
        PermutedMnist(**settings)


@pytest.fixture(scope="module")
def small_mnist():
    """A stand-in for MNIST: for each digit a pattern of its own, and noise."""
    random = numpy.random.default_rng(0)
    labels = numpy.arange(100, dtype=numpy.uint8) % 10
    patterns = random.integers(0, 200, (10, 28, 28), dtype=numpy.uint8)
    images = patterns[labels] + random.integers(0, 56, (100, 28, 28), dtype=numpy.uint8)
    return Arrays("mnist", images[:60], labels[:60], images[60:], labels[60:])


@pytest.fixture(scope="module", params=list(Scenario), ids=lambda scenario: scenario.label)
def built(request, small_mnist):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hnet_bench.data.load.load", lambda name, folder: small_mnist)
        return FIXED.build(scenario=request.param, seed=1)


def test_inputs_are_padded_permuted_pixels_over_255(built, small_mnist):
    padded = numpy.pad(small_mnist.x_test[5] / 255, 2).ravel()
    for samples, order in zip(built.test, FIXED.pixel_orders(seed=1), strict=True):
        taken = samples.take(torch.tensor([5]))
        assert taken.shape == (1, 1, 32, 32)
        torch.testing.assert_close(taken.flatten(), torch.from_numpy(padded[order]).float())


def test_labels_are_digits_and_in_class_ten_more_with_every_experience(built, small_mnist):
    step = 10 if built.scenario is Scenario.CLASS else 0
    for index, samples in enumerate(built.train):
        assert samples.y.tolist() == [int(label) + step * index for label in small_mnist.y_train]
    assert built.facts.outputs(built.scenario) == (10 if built.scenario is Scenario.DOMAIN else 30)


def test_only_task_tells_the_task(built):
    labels = [experience.task_labels for experience in built.avalanche.test_stream]
    assert labels == ([[0], [1], [2]] if built.scenario is Scenario.TASK else [[0]] * 3)


def test_all_experiences_share_the_images(built):
    for parts in (built.train, built.test):
        assert len({samples._stored.data_ptr() for samples in parts}) == 1


def test_avalanche_sees_the_same_data(built):
    for stream, parts in ((built.avalanche.train_stream, built.train), (built.avalanche.test_stream, built.test)):
        for experience, samples in zip(stream, parts, strict=True):
            assert list(experience.dataset.targets) == samples.y.tolist()
            x, y, _ = experience.dataset[17]
            assert torch.equal(x, samples.take(torch.tensor([17]))[0])
            assert y == samples.y[17]
            assert torch.equal(samples.x[17], x)


def trained(benchmark):
    protocol = TrainingProtocol(iterations=60, batch_size=16, learning_rate=3e-3, hidden_units=(40,))
    torch.manual_seed(0)
    template = ClassifierTemplate(
        setup=Setup(scenario=benchmark.scenario, facts=benchmark.facts, protocol=protocol, seed=1)
    )
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    return template


def test_the_evaluator_scores_as_if_inputs_had_been_permuted_beforehand(built):
    beforehand = in_memory_benchmark(
        facts=built.facts,
        scenario=built.scenario,
        train=[Samples(samples.x, samples.y) for samples in built.train],
        test=[Samples(samples.x, samples.y) for samples in built.test],
        data_sums={},
    )
    template, twin = trained(built), trained(beforehand)
    for ours, theirs in zip(template.model.parameters(), twin.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    score = Evaluator(built).evaluate(template).score
    assert score == Evaluator(beforehand).evaluate(template).score
    assert max(score) > 0.5


def test_the_evaluator_copies_no_images_and_shows_neither_task_nor_label(built):
    template, shown = trained(built), []
    evaluate = template.eval
    template.eval = lambda experiences: (shown.extend(experiences), evaluate(experiences))
    Evaluator(built).evaluate(template)
    assert len(shown) == (3 if built.scenario is Scenario.TASK else 1)
    for experience in shown:
        samples = in_memory_samples(experience)
        pool = evaluation._mixed.get(samples, samples)  # where nobody who is given it finds the images
        assert pool._stored.data_ptr() == built.test[0]._stored.data_ptr()
        assert not samples.y.any()
        assert [name for name in vars(samples) if not name.startswith("_")] == ["y"]
        x, y, _ = experience.dataset[11]
        assert torch.equal(x, samples.take(torch.tensor([11]))[0])
        assert y == 0


def test_the_true_mnist(mnist_folder):
    built = PermutedMnist(experiences=2).build(scenario=Scenario.CLASS, seed=1, folder=mnist_folder)
    assert [len(samples) for samples in (*built.train, *built.test)] == [60_000, 60_000, 10_000, 10_000]
    assert built.train[1].y.unique().tolist() == list(range(10, 20))
    first = torch.arange(100)
    identity, permuted = (samples.take(first) for samples in built.train)
    assert not identity[:, :, :2].any()
    assert not identity[:, :, :, -2:].any()
    assert identity.max() == 1
    assert torch.equal(identity.flatten(1).sort().values, permuted.flatten(1).sort().values)
