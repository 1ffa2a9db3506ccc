"""What the figures that any table has show of its records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import get_args, get_type_hints

import numpy
import pytest
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from hnet_bench.papers.table import Reported
from hnet_bench.reporting.figures import during_final, forest, learning_curves, matrices, task_inference
from hnet_bench.reporting.figures.axes import ScoreScale
from hnet_bench.reporting.figures.estimates import Estimate
from hnet_bench.reporting.figures.learning_curves import seen_so_far
from hnet_bench.reporting.figures.style import look
from hnet_bench.reporting.figures.subject import Subject, seeds_text

SubjectOf = Callable[..., Subject]
SOUND = [[0.9, 0.1], [0.5, 0.7]]
OTHER = [[0.8, 0.3], [0.4, 0.6]]


def titles(figure: Figure | None) -> list[str]:
    assert figure is not None
    return [axes.get_title(loc="left") for axes in figure.axes]


def texts(figure: Figure | None) -> Sequence[str]:
    assert figure is not None
    return [text.get_text() for text in figure.texts]


def test_during_is_the_diagonal_and_final_the_last_row(subject_of: SubjectOf) -> None:
    (state,) = subject_of({"a": {"CL1": [SOUND, OTHER]}}).states
    during, final = during_final.during_and_final(state, 100)
    assert during == pytest.approx(numpy.array([[90, 70], [80, 60]]))
    assert final == pytest.approx(numpy.array([[50, 70], [40, 60]]))
    panel = during_final.Panel(
        during=during, final=final, scale=ScoreScale(0.0, 100.0, False, ()), box=(0.0, 0.0, 2.0, 100.0)
    )
    axes = during_final.draw(Figure().subplots(), [panel])
    points = [line for line in axes.lines if line.get_marker() in ("o", "s")]
    # From the top of a box that is 100 high.
    assert points[0].get_ydata() == pytest.approx([15, 35])
    assert points[1].get_ydata() == pytest.approx([55, 35])
    assert points[0].get_xdata() == pytest.approx([0.37, 1.37])


def test_cells_that_were_not_run_are_said_to_be_so(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": [SOUND], "CL3": []}, "b": {"CL3": [SOUND]}})
    for figure in (during_final.figure(subject), matrices.figure(subject)):
        assert texts(figure).count("not run") == 1  # b has no cell in CL1


def test_a_heat_map_is_the_mean_over_seeds_with_the_first_experience_above(subject_of: SubjectOf) -> None:
    (state,) = subject_of({"a": {"CL1": [SOUND, OTHER]}}).states
    mean = matrices.mean_matrix(state, 100)
    assert mean == pytest.approx(numpy.array([[85, 20], [45, 65]]))
    mesh = matrices.draw(Figure().subplots(), mean, matrices.Normalize(0, 100), (1.0, 2.0, 4.0, 4.0))
    assert isinstance(mesh, QuadMesh)
    assert numpy.asarray(mesh.get_array()) == pytest.approx(mean)
    corners = mesh.get_coordinates()
    assert (list(corners[0, 0]), list(corners[-1, -1])) == ([1, 2], [5, 6])
    figure = matrices.figure(subject_of({"a": {"CL1": [SOUND, OTHER]}}))
    assert figure is not None
    assert figure.axes[0].yaxis_inverted()


def test_many_experiences_make_a_small_image_instead_of_many_shapes() -> None:
    axes = Figure().subplots()
    axes.set(xlim=(0, 3), ylim=(3, 0))
    matrices.draw(axes, numpy.eye(100), matrices.Normalize(0, 1), (1.0, 1.0, 1.0, 1.0))
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 3), (3, 0))
    assert len(axes.images) == 1
    assert not axes.collections


def test_a_learning_curve_averages_over_what_was_seen() -> None:
    matrix = numpy.array([[[0.9, 0.1, 0.2], [0.5, 0.7, 0.3], [0.3, 0.6, 0.9]]])
    assert seen_so_far(matrix) == pytest.approx(numpy.array([[0.9, 0.6, 0.6]]))


def test_a_learning_curve_with_gaps_shows_what_was_evaluated() -> None:
    gaps = numpy.array([[[0.9, numpy.nan], [0.5, 0.7]], [[numpy.nan, numpy.nan], [0.5, 0.5]]])
    averages = seen_so_far(gaps)
    assert averages[0] == pytest.approx([0.9, 0.6])
    assert numpy.isnan(averages[1, 0])


def test_rows_of_different_benchmarks_do_not_share_axes(subject_of: SubjectOf) -> None:
    three = [[0.9, 0, 0], [0.8, 0.9, 0], [0.7, 0.8, 0.9]]
    subject = subject_of({"a": {"CL1": [SOUND]}, "b": {"CL1": [three]}})
    assert titles(learning_curves.figure(subject)) == [
        "synthetic, 2 experiences\nCL1: task given",
        "synthetic, 3 experiences\nCL1: task given",
    ]


def test_the_first_140_rows_look_different_also_without_colour() -> None:
    looks = [look(index) for index in range(140)]
    assert len(set(map(str, looks))) == 140
    assert len({(str(one.marker), str(one.line)) for one in looks[:20]}) == 20


def test_task_inference_is_drawn_in_percent_after_the_last_experience(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL3": [SOUND, OTHER]}}, inferred=[[1.0, 0.0], [0.5, 0.75]])
    figure = task_inference.figure(subject)
    assert figure is not None
    line = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert list(map(float, line.get_ydata())) == [50, 75]
    chance = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert float(chance[0].get_ydata()[0]) == 50


def test_rows_that_do_not_infer_the_task_have_no_such_figure(subject_of: SubjectOf) -> None:
    assert task_inference.figure(subject_of({"a": {"CL3": [SOUND]}})) is None


def test_a_forest_shows_the_difference_in_points_the_margin_and_what_is_known(subject_of: SubjectOf) -> None:
    reported = {"CL1": {"mean": 59.0, "spread": 0.5, "spread_kind": "sem", "n": 20, "known": "recalled"}}
    subject = subject_of({"a": {"CL1": [SOUND, OTHER]}}, reported=reported)
    object.__setattr__(subject.states[0].cell.reported, "margin", 0.01)
    figure = forest.figure(subject)
    assert figure is not None
    (axes,) = figure.axes
    point = next(line for line in axes.lines if line.get_marker() == "D")
    # Averages 60 and 50 %, less 59.
    assert float(point.get_xdata()[0]) == pytest.approx(-4)
    (margin,) = axes.patches
    assert (margin.get_x(), margin.get_width()) == pytest.approx((-1, 2))


def test_an_interval_that_leaves_the_forest_ends_in_an_arrow() -> None:
    axes = forest.draw(
        Figure().subplots(),
        [0, 1],
        [Estimate(0.5, 60.0), Estimate(-1.0, 0.2)],
        margins=[None, None],
        marks=["o", "o"],
    )
    arrows = sorted((line.get_marker(), float(line.get_xdata()[0])) for line in axes.lines if line.get_marker() in "<>")
    limits = axes.get_xlim()
    assert arrows == [("<", limits[0]), (">", limits[1])]
    assert limits[1] < 5  # what is known well is not dwarfed


def test_without_reported_numbers_there_is_no_forest(subject_of: SubjectOf) -> None:
    assert forest.figure(subject_of({"a": {"CL1": [SOUND]}})) is None


def test_a_single_seed_is_hollow(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": [SOUND]}}, reported={"CL1": {"mean": 59.0, "known": "verified"}})
    figure = forest.figure(subject)
    assert figure is not None
    point = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert point.get_markerfacecolor() == "white"


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ([SOUND], [SOUND], "Seed 1."),
        ([SOUND] * 3, [SOUND] * 3, "Seeds 1-3."),
        ([SOUND] * 3, [SOUND], "Seeds 1-3 (1 to 3 in a cell)."),
    ],
)
def test_the_caption_says_which_seeds(subject_of: SubjectOf, first: object, second: object, text: str) -> None:
    assert seeds_text(subject_of({"a": {"CL1": first}, "b": {"CL1": second}}).states) == text


def test_marks_of_the_forest_cover_all_ways_of_knowing() -> None:
    assert set(forest._MARKS) == set(get_args(get_type_hints(Reported)["known"]))
