"""The paper's own figures, on records and arrays that are made up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy
import pytest
import scipy.stats
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure

from hnet_bench.benchmarks.permuted_mnist import PermutedMnist
from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures import (
    compression,
    during_final,
    embedding_space,
    many_tasks,
    regression,
    replay_samples,
    step_time,
    transfer,
)
from hnet_bench.reporting.figures.style import look
from hnet_bench.reporting.figures.subject import Subject

SubjectOf = Callable[..., Subject]
X = numpy.stack([numpy.linspace(low, low + 2, 40) for low in (-4, -1, 2)])
REGRESSION = {
    "regression_x": X,
    "regression_true": numpy.stack([X[0] + 3, 2 * X[1] ** 2 - 1, (X[2] - 3) ** 3]),
    "regression_fit": numpy.zeros((3, 40)),
    "regression_range": numpy.array([[-4.0, -2], [-1, 1], [2, 4]]),
}
GRID = numpy.stack(numpy.meshgrid(numpy.linspace(-3, 3, 7), numpy.linspace(-2, 2, 7)), axis=-1)
EMBEDDINGS = {
    "embedding_grid": GRID,
    "embedding_accuracy": numpy.linspace(0, 1, 98).reshape(2, 7, 7),
    "task_embeddings": numpy.array([[0.0, 1.0], [2.0, -1.0]]),
}
SOUND = [[0.9, 0.1], [0.5, 0.7]]


def ramp(experiences: int, last: float) -> list[list[float]]:
    """Every experience at 0.9 right after it, and at the end from `last` up to 0.9."""
    matrix = numpy.full((experiences, experiences), 0.9)
    matrix[-1] = numpy.linspace(last, 0.9, experiences)
    return matrix.tolist()


def drawn(figure: Figure | None) -> Figure:
    assert figure is not None
    return figure


def test_many_tasks_are_shown_as_they_are_after_the_last(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": [ramp(25, 0.5)] * 3}, "b": {"CL1": [ramp(25, 0.8)]}})
    (axes,) = drawn(many_tasks.figure(subject)).axes
    assert [float(line.get_ydata()[0]) for line in axes.lines] == pytest.approx([50, 80])
    assert [len(line.get_ydata()) for line in axes.lines] == [25, 25]
    assert during_final.figure(subject) is None  # 25 points in a small panel could not be told apart


def test_bands_of_many_tasks_are_intervals_that_leave_the_lines_to_be_seen(
    subject_of: SubjectOf, words_of: Callable[[Figure], str]
) -> None:
    subject = subject_of({"a": {"CL1": [ramp(25, score) for score in (0.4, 0.5, 0.6)]}})
    page = drawn(many_tasks.figure(subject))
    # 10 points of standard deviation, three seeds: 1.31 standard errors.
    half = scipy.stats.t.ppf(0.84, 2) * 10 / 3**0.5
    (band,) = (part for part in page.axes[0].collections if isinstance(part, FillBetweenPolyCollection))
    heights = [y for x, y in band.get_paths()[0].vertices if x == 1]
    assert (min(heights), max(heights)) == pytest.approx((50 - half, 50 + half))
    assert "bands: 68 % t interval" in words_of(page)


def test_few_tasks_have_no_figure_of_many(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": [SOUND]}})
    assert many_tasks.figure(subject) is None
    assert step_time.figure(subject) is None


def test_the_time_of_a_step_is_that_of_training_over_the_iterations(subject_of: SubjectOf) -> None:
    seconds = {"train": [0.5 + 0.1 * task for task in range(25)], "evaluate": [9.0] * 25, "total": 999.0}
    rows = {"a": {"CL1": [ramp(25, 0.5)] * 2}}  # 5 iterations
    (axes,) = drawn(step_time.figure(subject_of(rows, seconds=seconds))).axes
    (line,) = axes.lines
    assert list(line.get_xdata()) == list(range(1, 26))
    assert line.get_ydata() == pytest.approx([100 + 20 * task for task in range(25)])
    low, high = axes.get_ylim()
    assert low < 100 < 580 < high


def test_of_several_seeds_the_middle_time_is_shown_since_other_work_makes_some_longer() -> None:
    axes = Figure().subplots()
    step_time.draw(axes, numpy.array([[1.0, 2.0], [1.1, 9.0], [7.0, 2.2]]), look(0))
    assert axes.lines[0].get_ydata() == pytest.approx([1.1, 2.2])


def test_compression_is_drawn_from_small_to_large_whatever_the_order_of_rows(subject_of: SubjectOf) -> None:
    rows = {name: {"CL1": [ramp(2, last)]} for name, last in (("b", 0.7), ("a", 0.5), ("c", 0.9))}
    subject = subject_of(rows, ratios={"a": 0.1, "b": 0.5, "c": 2.0})
    (axes,) = drawn(compression.figure(subject)).axes
    during, final = (line for line in axes.lines if len(line.get_xdata()) == 3)
    assert list(during.get_xdata()) == [0.1, 0.5, 2.0]
    assert list(during.get_ydata()) == pytest.approx([90, 90, 90])
    assert list(final.get_ydata()) == pytest.approx([70, 80, 90])
    assert axes.get_xscale() == "log"


def test_two_sizes_are_no_curve(subject_of: SubjectOf) -> None:
    rows = {"a": {"CL1": [SOUND]}, "b": {"CL1": [SOUND]}}
    assert compression.figure(subject_of(rows, ratios={"a": 0.5, "b": 1.0})) is None


def test_fits_are_drawn_over_the_true_functions_and_training_ranges(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": [SOUND, SOUND]}}, arrays=REGRESSION)
    (axes,) = drawn(regression.figure(subject)).axes
    assert axes.get_title(loc="left") == "Row a, seed 1"
    true = [line.get_ydata() for line in axes.lines if line.get_linestyle() == "--"]
    assert numpy.array(true) == pytest.approx(REGRESSION["regression_true"])
    ranges = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 3]
    assert numpy.array(ranges) == pytest.approx(REGRESSION["regression_range"])


def test_a_fit_outside_the_axes_is_told_in_numbers(subject_of: SubjectOf) -> None:
    fit = numpy.stack([numpy.full(40, -3.25), numpy.linspace(0, 9, 40), numpy.linspace(4.5, 7, 40)])
    subject = subject_of({"a": {"CL1": [[[0.1]]]}}, arrays={**REGRESSION, "regression_fit": fit})
    (axes,) = drawn(regression.figure(subject)).axes
    assert [text.get_text() for text in axes.texts if text.get_text()[0] in "↓↑"] == [
        "↓ \N{MINUS SIGN}3.2 to \N{MINUS SIGN}3.2",
        "↑ 4.5 to 7.0",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"regression_fit": numpy.zeros((3, 39))},
            r"'regression_fit' .* must have the shape \(T, n\), T = 3, n = 40, found",
        ),
        ({"regression_range": numpy.zeros((3, 3))}, "'regression_range' .* must have the shape"),
        ({"regression_true": None}, "have no 'regression_true': expected one of shape"),
    ],
)
def test_wrong_arrays_are_named(subject_of: SubjectOf, changes: dict[str, Any], words: str) -> None:
    arrays = {name: array for name, array in {**REGRESSION, **changes}.items() if array is not None}
    with pytest.raises(UserError, match=words):
        regression.figure(subject_of({"a": {"CL1": [SOUND]}}, arrays=arrays))


def test_an_archive_that_is_none_is_named(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": [SOUND]}}, arrays=REGRESSION)
    (path,) = subject.store.root.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=f"{path.name} could not be read"):
        regression.figure(subject)


def test_accuracy_stands_where_its_embedding_is(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": [SOUND]}}, arrays=EMBEDDINGS)
    first, second, _ = drawn(embedding_space.figure(subject)).axes
    (image,) = second.images
    # Pixels are centred on the points of the grid, whose step is 1 by 2/3.
    assert image.get_extent() == pytest.approx((-3.5, 3.5, -2 - 1 / 3, 2 + 1 / 3))
    assert image.origin == "lower"
    assert numpy.asarray(image.get_array()) == pytest.approx(100 * EMBEDDINGS["embedding_accuracy"][1])
    stars = [[line.get_marker() for line in axes.lines] for axes in (first, second)]
    assert stars == [["*", "o"], ["o", "*"]]


@pytest.mark.parametrize("wrong", [GRID.swapaxes(0, 1), GRID**3, GRID[::-1]])
def test_a_grid_must_be_regular_and_the_right_way_round(subject_of: SubjectOf, wrong: numpy.ndarray) -> None:
    subject = subject_of({"a": {"CL1": [SOUND]}}, arrays={**EMBEDDINGS, "embedding_grid": wrong})
    with pytest.raises(UserError, match="must be regular"):
        embedding_space.figure(subject)


def test_the_four_bars_are_those_of_the_rows(subject_of: SubjectOf) -> None:
    rows = {
        "hnet": {"CL1": [SOUND]},
        "from_scratch": {"CL1": [[[0.6, 0.1], [0.0, 0.5]]]},
        "fine_tuned": {"CL1": [[[0.9, 0.0], [0.2, 0.8]]]},
    }
    (axes,) = drawn(transfer.figure(subject_of(rows))).axes
    heights = [round(bar.get_height(), 9) for bar in axes.patches]
    assert heights == [90, 70, 50, 70, 60, 50, 20, 80]
    assert len({(bar.get_hatch(), bar.get_facecolor()) for bar in axes.patches}) == 4


def test_without_all_of_its_rows_the_figure_of_transfer_is_not_drawn(subject_of: SubjectOf) -> None:
    assert transfer.figure(subject_of({"hnet": {"CL1": [SOUND]}, "fine_tuned": {"CL1": [SOUND]}})) is None


def test_samples_are_a_line_for_each_task(subject_of: SubjectOf) -> None:
    samples = numpy.zeros((4, 10, 1, 3, 2), dtype=numpy.uint8)
    samples[1, 2, 0, 0, 1] = 248
    subject = subject_of({"a": {"CL3": [SOUND]}}, arrays={"replay_samples": samples})
    (axes,) = drawn(replay_samples.figure(subject)).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["task 1", "task 2", "task 3", "task 4"]
    mosaic = numpy.asarray(axes.images[0].get_array())
    assert mosaic.shape == (4 * 3, 8 * 2)
    assert list(zip(*numpy.nonzero(mosaic), strict=True)) == [(1 * 3 + 0, 2 * 2 + 1)]


def test_of_many_tasks_some_are_shown_from_the_first_to_the_last(subject_of: SubjectOf) -> None:
    samples = numpy.zeros((9, 10, 1, 3, 2), dtype=numpy.uint8)
    figure = drawn(replay_samples.figure(subject_of({"a": {"CL3": [SOUND]}}, arrays={"replay_samples": samples})))
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["task 1", "task 3", "task 5", "task 7", "task 9"]


def test_samples_of_a_generator_without_tasks_stand_in_lines(subject_of: SubjectOf) -> None:
    samples = numpy.zeros((20, 1, 3, 2), dtype=numpy.uint8)
    samples[9] = 255
    figure = drawn(replay_samples.figure(subject_of({"a": {"CL3": [SOUND]}}, arrays={"generated_samples": samples})))
    mosaic = numpy.asarray(figure.axes[0].images[0].get_array())
    assert mosaic.shape == (2 * 3, 8 * 2)
    assert mosaic[3:, 2:4].min() == 255


def test_permuted_pixels_are_put_back_in_order() -> None:
    orders = PermutedMnist(experiences=3).pixel_orders(1)
    image = numpy.arange(32 * 32) % 251
    permuted = numpy.stack([image[order] for order in orders]).reshape(3, 1, 1, 32, 32)
    restored = replay_samples.unpermuted(permuted, orders)
    assert (restored.reshape(3, -1) == image).all()


def test_vectors_are_no_images(subject_of: SubjectOf) -> None:
    samples = numpy.zeros((4, 10, 12), dtype=numpy.uint8)
    with pytest.raises(UserError, match=r"'replay_samples' .* must be images of one or three channels"):
        replay_samples.figure(subject_of({"a": {"CL3": [SOUND]}}, arrays={"replay_samples": samples}))
