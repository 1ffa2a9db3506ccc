"""What each kind of figure draws on axes of one's own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy
import pandas
import pytest
import scipy.stats
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hnet_bench.benchmarks.permuted_mnist import PermutedMnist
from hnet_bench.interfaces import UserError
from hnet_bench.papers.reported import Reported
from hnet_bench.reporting import figures
from hnet_bench.reporting.figures.arrays import unpermuted
from hnet_bench.reporting.figures.averages import MARKS
from hnet_bench.reporting.figures.kinds import KINDS
from hnet_bench.reporting.figures.page import Subject, pages
from hnet_bench.reporting.figures.panels import rows_of_methods, t_interval
from hnet_bench.reporting.figures.style import METHODS, looks
from hnet_bench.reporting.text import measured_text

SubjectOf = Callable[..., Subject]
PAGE = Path(__file__).parents[3] / "docs" / "figures.md"


def test_every_kind_is_a_function_that_the_page_names() -> None:
    named = [
        re.findall(r"`(\w+)`", line.split("|")[1]) for line in PAGE.read_text().splitlines() if line.startswith("| `")
    ]
    functions = sorted(name for names in named for name in names)
    assert functions == sorted(kind.draw.__name__ for kind in KINDS.values())
    assert functions == sorted({*figures.__all__} - {"STYLE"})


SOUND = [[0.9, 0.1], [0.5, 0.7]]
OTHER = [[0.8, 0.3], [0.4, 0.6]]
THREE = [[0.9, 0.1, 0.2], [0.5, 0.7, 0.3], [0.3, 0.6, 0.9]]
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


@pytest.fixture
def ax() -> Axes:
    axes = Figure().subplots()
    assert isinstance(axes, Axes)
    return axes


def lines(ax: Axes) -> list[list[float]]:
    """Heights of all lines that can be seen."""
    return [
        [round(float(y), 6) for y in line.get_ydata()]
        for line in ax.lines
        if line.get_linestyle() != "None" and len(line.get_ydata())
    ]


def bars(ax: Axes) -> list[tuple[float, float]]:
    """The ends of vertical error bars."""
    segments = [segment for part in ax.collections for segment in getattr(part, "get_segments", list)()]
    return [(float(low[1]), float(high[1])) for low, high in segments if low[0] == high[0] and low[1] == low[1]]


def ramp(experiences: int, last: float) -> list[list[float]]:
    """Every experience at 0.9 right after it, and at the end from `last` up to 0.9."""
    matrix = numpy.full((experiences, experiences), 0.9)
    matrix[-1] = numpy.linspace(last, 0.9, experiences)
    return matrix.tolist()


def own_frame(**columns: Any) -> pandas.DataFrame:
    """As somebody writes it who has never seen ours."""
    return pandas.DataFrame(
        {
            "row": "mine",
            "seed": [1, 1, 1, 1],
            "after": [1, 1, 2, 2],
            "experience": [1, 2, 1, 2],
            "score": [0.9, 0.1, 0.5, 0.7],
            **columns,
        }
    )


@pytest.mark.parametrize(
    "draw",
    [figures.learning_curves, figures.during_and_final, figures.matrices, figures.many_tasks, figures.comparison],
)
def test_a_kind_draws_on_the_axes_that_it_is_given_which_stay_the_users(draw: Callable[..., Axes], ax: Axes) -> None:
    assert draw(own_frame(), ax=ax) is ax
    ax.set_xlabel("mine")
    ax.set_xticks([1.5], ["here"])
    ax.set_title("my title")
    ax.grid(visible=True)
    assert ax.get_xlabel() == "mine"
    if ax.get_legend():
        names = [text.get_text() for text in ax.get_legend().get_texts()]
        assert [text.get_text() for text in ax.legend().get_texts()] == names
    assert [text.get_text() for text in ax.get_xticklabels()] == ["here"]
    ax.figure.canvas.draw()


def test_without_axes_the_current_ones_are_drawn_on() -> None:
    from matplotlib import pyplot

    mine = pyplot.figure().subplots()
    try:
        assert figures.learning_curves(own_frame()) is mine
    finally:
        pyplot.close()


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (own_frame().drop(columns="after"), "needs the columns row, seed, after, experience, score: after not found"),
        (own_frame()[:0], "the frame has no line"),
        (own_frame(scenario=["CL1", "CL1", "CL3", "CL3"]), r"the frame has 2 \( CL1;  CL3\): choose one"),
    ],
)
def test_a_frame_that_cannot_be_drawn_is_refused_in_a_sentence(frame: pandas.DataFrame, words: str, ax: Axes) -> None:
    with pytest.raises(UserError, match=words):
        figures.learning_curves(frame, ax=ax)


def test_a_learning_curve_averages_over_what_was_seen(subject_of: SubjectOf, ax: Axes) -> None:
    figures.learning_curves(subject_of({"a": {"CL1": [THREE]}}).scores, ax=ax)
    assert lines(ax) == [[90, 60, 60]]


def test_bars_are_intervals_that_end_where_scores_end(subject_of: SubjectOf, ax: Axes) -> None:
    seeds = [[[first, 0.0], [0.5, 0.5]] for first in (1.0, 0.99, 0.8)]
    figures.learning_curves(subject_of({"a": {"CL1": seeds}}).scores, ax=ax)
    # t(0.975, 2) = 4.3027.
    low = 93 - 4.3027 * numpy.std([100, 99, 80], ddof=1) / 3**0.5
    assert bars(ax)[0] == pytest.approx((low, 100), abs=1e-3)


@pytest.mark.parametrize(("confidence", "printed"), [(0.95, 2.776), (0.90, 2.132)])
def test_intervals_are_those_of_printed_tables(confidence: float, printed: float) -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    low, high = t_interval(values, confidence=confidence)
    assert (high - low) / 2 == pytest.approx(printed * math.sqrt(0.5), abs=1e-3)


def test_two_seeds_have_no_interval() -> None:
    assert numpy.isnan(t_interval([1.0, 2.0])).all()


def test_a_bound_that_learns_at_once_is_a_level_line_and_one_that_does_not_a_curve(
    subject_of: SubjectOf, ax: Axes
) -> None:
    chance = [0.5, 0.5, 0.5]
    rows = {"a": {"CL1": [THREE]}, "all": {"CL1": [[chance, chance, [0.9, 0.9, 0.9]]]}, "none": {"CL1": [THREE]}}
    figures.learning_curves(subject_of(rows, references=["all", "none"]).scores, ax=ax)
    assert lines(ax) == [[90, 60, 60], [90, 60, 60], [90, 90]]


def test_bounds_do_not_set_the_scale(subject_of: SubjectOf, ax: Axes) -> None:
    good = [[0.99, 0.1, 0.1], [0.98, 0.99, 0.1], [0.98, 0.99, 0.99]]
    figures.learning_curves(subject_of({"a": {"CL1": [good]}, "b": {"CL1": [THREE]}}, references=["b"]).scores, ax=ax)
    low, high = ax.get_ylim()
    assert 94 < low < 98
    assert high > 100


def test_errors_are_averaged_before_they_are_drawn_on_a_logarithmic_axis(subject_of: SubjectOf, ax: Axes) -> None:
    subject = subject_of({"a": {"CL1": [[[0.001]], [[1.0]]]}, "b": {"CL1": [[[0.01]], [[0.1]]]}}, references=["b"])
    figures.learning_curves(subject.scores.assign(unit="mse"), ax=ax)
    assert ax.get_yscale() == "log"
    assert lines(ax) == [[0.5005], [0.055]]


def test_a_look_belongs_to_the_method_whatever_is_drawn_beside_it(subject_of: SubjectOf) -> None:
    rows = {"a": {"CL1": [SOUND]}, "b": {"CL1": [SOUND], "CL3": [SOUND]}, "c": {"CL3": [SOUND]}}
    frame = subject_of(rows).scores
    assert looks(frame)["Row b"] == looks(frame[frame["scenario"] == "CL3"])["Row b"]
    frame["method"] = frame["method"].cat.rename_categories({"Row c": "SI"})
    assert looks(frame)["SI"] == looks(frame[frame["method"] == "SI"])["SI"] == METHODS["SI"]


def test_a_look_is_the_same_where_a_bound_has_no_line(subject_of: SubjectOf) -> None:
    rows = {name: {"CL1": [SOUND], "CL3": [SOUND]} for name in "acdf"} | {"b": {"CL3": [SOUND]}, "e": {"CL3": [SOUND]}}
    frame = subject_of(dict(sorted(rows.items())), references=["b", "e", "f"]).scores
    whole, part = looks(frame), looks(frame[frame["scenario"] == "CL1"])
    assert {name: part[name] for name in ("Row a", "Row c", "Row d", "Row f")} == {
        name: whole[name] for name in ("Row a", "Row c", "Row d", "Row f")
    }


def test_looks_differ_also_without_colour() -> None:
    frame = pandas.DataFrame({"method": [f"m{index}" for index in range(140)], "reference": False})
    found = looks(frame.assign(hyperparameter=None, method=frame["method"].astype("category")))
    assert len(set(map(str, found.values()))) == 140
    known = [(look.marker, str(look.dashes)) for look in METHODS.values()]
    assert len(set(known)) == len(known)


def test_bounds_differ_from_each_other_and_from_methods() -> None:
    names = [f"m{index}" for index in range(40)]
    frame = pandas.DataFrame({"method": pandas.Categorical(names, names), "reference": [True] * 32 + [False] * 8})
    assert len(set(map(str, looks(frame.assign(hyperparameter=None)).values()))) == 40


def test_task_inference_is_drawn_in_percent_after_the_last_experience(subject_of: SubjectOf, ax: Axes) -> None:
    subject = subject_of({"a": {"CL3": [SOUND, OTHER]}}, inferred=[[1.0, 0.0], [0.5, 0.75]])
    figures.task_inference(subject.scores, ax=ax)
    chance, inferred = lines(ax)
    assert (chance, inferred) == ([50, 50], [50, 75])


@pytest.mark.parametrize(("methods", "numbers"), [(12, False), (13, True)])
def test_of_more_than_twelve_methods_curves_are_a_map_of_numbers(
    subject_of: SubjectOf, methods: int, numbers: bool
) -> None:
    """The last method has two seeds; all stand below each other in the order of the table."""
    rows: dict[str, Any] = {f"m{index}": {"CL3": [THREE]} for index in range(methods - 1)}
    rows["last"] = {"CL3": [THREE, [[0.7, 0, 0], [0.5, 0.5, 0], [0.0, 0.3, 0.6]]]}
    subject = subject_of(rows, inferred=[[1.0, 0, 0], [0.5, 0.75, 0], [0.1, 0.2, 0.3]])
    found = pages(subject, ["learning-curves", "task-inference"])
    expected = {"learning-curves": ["80", "55", "45"], "task-inference": ["10", "20", "30"]}
    for kind, page in found.items():
        (panel,) = page.panels
        ax = KINDS[kind].draw(panel.data, ax=Figure().subplots(), **panel.options)
        assert bool(ax.get_legend()) != numbers
        assert ("Bars" in page.caption or "Dotted" in page.caption) == (kind == "task-inference" and not numbers)
        if numbers:
            assert [text.get_text() for text in ax.texts[-3:]] == expected[kind]
            names = [text.get_text() for text in ax.get_yticklabels()]
            assert names == [*(f"Row m{index}" for index in range(methods - 1)), "Row last"]
            assert ax.get_yticks()[0] < ax.get_yticks()[-1]
            assert ax.yaxis_inverted()
    assert ("chance is at 33.3" in found["task-inference"].caption) == numbers


def test_rows_of_methods_begin_at_the_left_whatever_scenarios_a_benchmark_has() -> None:
    title = pandas.Categorical(
        ["M, 5 experiences"] * 2 + ["M, 10 experiences"], ["M, 5 experiences", "M, 10 experiences"]
    )
    methods = pandas.Categorical(["a", "b", "c"])
    frame = pandas.DataFrame({"title": title, "scenario": ["CL1", "CL3", "CL3"], "method": methods})
    found = [(one.title, one.row, one.column, one.options["order"]) for one in rows_of_methods(frame)]
    assert found == [
        ("M\n5 experiences\nCL1: task given", 0, 0, ["a", "b"]),
        ("M\n5 experiences\nCL3: class", 0, 1, ["a", "b"]),
        ("M\n10 experiences\nCL3: class", 1, 0, ["c"]),
    ]


def test_many_tasks_have_bands_of_about_one_sem(subject_of: SubjectOf, ax: Axes) -> None:
    subject = subject_of({"a": {"CL1": [ramp(25, score) for score in (0.4, 0.5, 0.6)]}})
    figures.many_tasks(subject.scores, ax=ax)
    # 10 points of standard deviation, three seeds: 1.31 standard errors.
    half = scipy.stats.t.ppf(0.84, 2) * 10 / 3**0.5
    heights = [y for x, y in ax.collections[0].get_paths()[0].vertices if x == 1]
    assert (min(heights), max(heights)) == pytest.approx((50 - half, 50 + half))


def test_the_time_of_a_step_is_the_median_of_training_over_the_iterations(subject_of: SubjectOf, ax: Axes) -> None:
    seconds = {"train": [0.5 + 0.1 * task for task in range(25)], "evaluate": [9.0] * 25, "total": 999.0}
    frame = subject_of({"a": {"CL1": [ramp(25, 0.5)] * 3}}, seconds=seconds).scores  # 5 iterations
    frame.loc[frame["seed"] == 2, "step_seconds"] *= 9  # other work on the machine
    figures.step_time(frame, ax=ax)
    assert lines(ax) == [pytest.approx([100 + 20 * task for task in range(25)])]


def test_during_is_the_diagonal_and_final_the_last_row(subject_of: SubjectOf, ax: Axes) -> None:
    figures.during_and_final(subject_of({"a": {"CL1": [SOUND, OTHER]}}).scores, ax=ax)
    points = {line.get_marker(): list(line.get_ydata()) for line in ax.lines if len(line.get_ydata()) == 2}
    points = {marker: points[marker] for marker in ("o", "s")}
    assert points == {"o": pytest.approx([85, 65]), "s": pytest.approx([45, 65])}


def test_a_matrix_is_the_mean_over_seeds_with_its_numbers(subject_of: SubjectOf, ax: Axes) -> None:
    figures.matrices(subject_of({"a": {"CL1": [SOUND, OTHER]}}).scores, ax=ax)
    assert numpy.asarray(ax.collections[0].get_array()) == pytest.approx(numpy.array([[85, 20], [45, 65]]))
    assert [text.get_text() for text in ax.texts] == ["85", "20", "45", "65"]
    assert ax.yaxis_inverted()


def test_a_large_matrix_has_no_numbers(subject_of: SubjectOf, ax: Axes) -> None:
    figures.matrices(subject_of({"a": {"CL1": [ramp(20, 0.5)]}}).scores, ax=ax)
    assert not ax.texts
    assert [text.get_text() for text in ax.get_xticklabels() if text.get_text()] == ["1", "10", "20"]


def test_averages_are_points_with_seeds_intervals_and_what_is_reported(subject_of: SubjectOf, ax: Axes) -> None:
    reported = {"CL1": {"mean": 58.0, "spread": 0.5, "spread_kind": "sem", "n": 20, "known": "recalled"}}
    rows = {"a": {"CL1": [SOUND, OTHER, SOUND]}, "b": {"CL1": [SOUND]}}
    figures.comparison(subject_of(rows, reported=reported).scores, ax=ax)
    points = {line.get_label(): list(line.get_xdata()) for line in ax.lines}
    assert points["one seed"] == pytest.approx([60, 50, 60, 60])
    assert sorted(x for line in ax.lines if line.get_markersize() == 5 for x in line.get_xdata()) == pytest.approx(
        [170 / 3, 60]
    )
    half = 4.3027 * numpy.std([60, 50, 60], ddof=1) / 3**0.5
    assert any(list(line.get_xdata()) == pytest.approx([170 / 3 - half, 170 / 3 + half], abs=1e-3) for line in ax.lines)
    assert [text.get_text() for text in ax.texts] == ["56.67", "60.00"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["Row a", "Row b"]
    (diamonds,) = (list(part[0].get_xdata()) for part in ax.containers)
    assert diamonds == pytest.approx([58, 58])


def test_a_mean_half_way_between_two_texts_is_the_same_in_the_figure_and_in_tables(
    subject_of: SubjectOf, ax: Axes
) -> None:
    """These sum to 1.13055 exactly, so their mean is 37.685 %; added up in floats it comes out on either side."""
    last = ([0.2864, 0.374, 0.379, 0.43, 0.348, 0.481], [0.3351, 0.388, 0.391, 0.426, 0.391, 0.474])
    last += ([0.2998, 0.344, 0.343, 0.341, 0.316, 0.436],)
    subject = subject_of({"a": {"CL1": [[[0.5] * 6] * 5 + [scores] for scores in last]}})
    figures.comparison(subject.scores, ax=ax)
    assert [text.get_text() for text in ax.texts] == ["37.69"]
    assert measured_text(subject.states[0]).startswith("37.69 ")


def test_a_sweep_is_a_line_over_its_values(subject_of: SubjectOf, ax: Axes) -> None:
    rows = {name: {"CL1": [[[last, 0], [last, last]]]} for name, last in (("x", 0.7), ("y", 0.5), ("z", 0.9))}
    values = {"x": {"strength": 10.0}, "y": {"strength": 0.1}, "z": {"strength": 1000.0}}
    figures.comparison(subject_of(rows, strategy="ewc", hyperparameters=values).scores, ax=ax)
    line = ax.lines[-1]
    assert list(line.get_xdata()) == [0.1, 10, 1000]
    assert list(line.get_ydata()) == pytest.approx([50, 70, 90])
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "strength")


def forest_of(subject_of: SubjectOf, ax: Axes, scores: list[Any], reported: dict[str, Any], **more: Any) -> Axes:
    subject = subject_of({"a": {"CL1": scores}}, reported={"CL1": {"known": "recalled", **reported}}, **more)
    return figures.forest(subject.scores, ax=ax)


def test_a_forest_shows_the_difference_in_points_and_the_margin(subject_of: SubjectOf, ax: Axes) -> None:
    # Averages 60 and 50 %, less 59.
    forest_of(subject_of, ax, [SOUND, OTHER], {"mean": 59.0, "margin": 1.0})
    point = next(line for line in ax.lines if line.get_marker() == "D" and len(line.get_xdata()))
    assert list(point.get_xdata()) == pytest.approx([-4])
    (margin,) = ax.patches
    assert (margin.get_x(), margin.get_width()) == pytest.approx((-1, 2))


def test_without_a_margin_a_forest_names_none(subject_of: SubjectOf, ax: Axes) -> None:
    subject = subject_of({"a": {"CL1": [SOUND, OTHER]}}, reported={"CL1": {"mean": 59.0, "known": "recalled"}})
    legend = figures.forest(subject.scores, ax=ax).get_legend()
    assert legend
    assert not any("margin" in text.get_text() for text in legend.get_texts())
    assert "; no margin is declared to judge by." in KINDS["forest"].caption(subject.scores)


def test_errors_are_compared_by_their_ratio(subject_of: SubjectOf, ax: Axes) -> None:
    subject = subject_of(
        {"a": {"CL1": [[[0.01]]]}}, reported={"CL1": {"mean": 0.1, "known": "verified", "note": "read"}}
    )
    figures.forest(subject.scores.assign(unit="mse", reported=0.001, difference=0.009), ax=ax)
    point = next(line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()))
    assert list(point.get_xdata()) == pytest.approx([10])
    assert ax.get_xscale() == "log"
    low, high = ax.get_xlim()
    assert low * high == pytest.approx(1)  # equal is in the middle


def test_an_interval_that_leaves_the_forest_ends_in_an_arrow(subject_of: SubjectOf, ax: Axes) -> None:
    forest_of(subject_of, ax, [SOUND, OTHER], {"mean": 54.5})
    arrows = sorted(
        (line.get_marker(), float(line.get_xdata()[0])) for line in ax.lines if line.get_marker() in ("<", ">")
    )
    assert arrows == [("<", ax.get_xlim()[0] / 1), (">", ax.get_xlim()[1])]


def test_what_awaits_its_first_look_is_hollow_and_not_called_a_single_seed(subject_of: SubjectOf, ax: Axes) -> None:
    subject = subject_of({"a": {"CL1": [SOUND, OTHER]}}, reported={"CL1": {"mean": 59.0, "known": "recalled"}})
    waiting = subject.scores.assign(difference_low=math.nan, difference_high=math.nan)
    figures.forest(waiting, ax=ax)
    legend = ax.get_legend()
    assert legend
    texts = [text.get_text() for text in legend.get_texts()]
    assert "hollow: no interval yet" in texts
    assert not any("single" in text for text in texts)


def test_a_single_seed_is_hollow(subject_of: SubjectOf, ax: Axes) -> None:
    forest_of(subject_of, ax, [SOUND], {"mean": 59.0})
    point = next(line for line in ax.lines if line.get_marker() == "D" and len(line.get_xdata()))
    assert point.get_markerfacecolor() == "white"


def test_marks_of_the_forest_cover_all_ways_of_knowing() -> None:
    assert set(MARKS) == set(get_args(get_type_hints(Reported)["known"]))


def test_compression_is_drawn_from_small_to_large_whatever_the_order_of_rows(subject_of: SubjectOf, ax: Axes) -> None:
    rows = {name: {"CL1": [ramp(2, last)]} for name, last in (("b", 0.7), ("a", 0.5), ("c", 0.9))}
    figures.compression(subject_of(rows, ratios={"a": 0.1, "b": 0.5, "c": 2.0}).scores, ax=ax)
    during, final = (line for line in ax.lines if len(line.get_xdata()) == 3 and line.get_marker() in ("o", "s"))
    assert list(during.get_xdata()) == [0.1, 0.5, 2.0]
    assert list(during.get_ydata()) == pytest.approx([90, 90, 90])
    assert list(final.get_ydata()) == pytest.approx([70, 80, 90])
    assert ax.get_xscale() == "log"


def test_rows_of_one_size_are_not_a_line_over_sizes(subject_of: SubjectOf) -> None:
    rows = {name: {"CL1": [ramp(2, 0.7)]} for name in "abcd"}
    subject = subject_of(rows, ratios={"a": 0.1, "b": 0.5, "c": 2.0, "d": 2.0})
    assert "compression" not in pages(subject)
    with pytest.raises(UserError, match="several rows have one compression ratio"):
        figures.compression(subject.scores)
    del rows["d"]
    assert "compression" in pages(subject_of(rows, ratios={"a": 0.1, "b": 0.5, "c": 2.0}))


@pytest.mark.parametrize("kind", ["forest", "task_inference", "transfer", "learning_curves"])
def test_a_frame_without_what_a_figure_shows_is_refused_in_a_sentence(subject_of: SubjectOf, kind: str) -> None:
    frame = subject_of({"a": {"CL1": [THREE]}}).scores
    diagonal_and_final = frame[(frame["after"] == frame["experience"]) | (frame["after"] == 3)]
    assert len(diagonal_and_final) == 5
    with pytest.raises(UserError, match=r"There is nothing to draw: (no|it needs) "):
        getattr(figures, kind)(diagonal_and_final)


def test_a_matrix_of_errors_has_colours_for_those_that_are_there(subject_of: SubjectOf, ax: Axes) -> None:
    figures.matrices(subject_of({"a": {"CL1": [[[0.001, 0.5], [0.01, 0.1]]]}}).scores.assign(unit="mse"), ax=ax)
    assert (ax.collections[0].norm.vmin, ax.collections[0].norm.vmax) == pytest.approx((0.001, 0.5))


def test_the_four_bars_are_those_of_the_rows(subject_of: SubjectOf, ax: Axes) -> None:
    rows = {
        "hnet": {"CL1": [SOUND]},
        "from_scratch": {"CL1": [[[0.6, 0.1], [0.0, 0.5]]]},
        "fine_tuned": {"CL1": [[[0.9, 0.0], [0.2, 0.8]]]},
    }
    figures.transfer(subject_of(rows).scores, ax=ax)
    heights = [[round(bar.get_height(), 9) for bar in container] for container in ax.containers]
    assert heights == [[90, 70], [50, 70], [60, 50], [20, 80]]
    assert len({container[0].get_hatch() for container in ax.containers}) == 3


TRIALS = pandas.DataFrame(
    [
        ("ewc", rule, "strength", value, score, score == best, 10.0)
        for rule, best, scores in [("final_validation", 0.9, (0.5, 0.9, 0.7)), ("test", 0.8, (0.8, 0.6, 0.7))]
        for value, score in zip((1.0, 10.0, 100.0), scores, strict=True)
    ],
    columns=["row", "rule", "hyperparameter", "value", "score", "chosen", "published"],
)


def test_trials_are_a_line_for_each_rule_with_what_it_chose_and_what_is_published(ax: Axes) -> None:
    figures.tuning(TRIALS, ax=ax)
    assert lines(ax) == [[50.0, 90.0, 70.0], [80.0, 60.0, 70.0], [0.0, 1.0]]
    marked = [line for line in ax.lines if line.get_linestyle() == "None"]
    assert [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in marked] == [
        ([10.0], [90.0]),
        ([1.0], [80.0]),
    ]
    assert list(ax.lines[-1].get_xdata()) == [10.0, 10.0]
    assert ax.get_xscale() == "log"
    legend = ax.get_legend()
    assert legend
    assert [text.get_text() for text in legend.get_texts()] == ["final_validation", "test", "published"]


def test_what_is_published_and_no_number_has_no_place_among_numbers(ax: Axes) -> None:
    figures.tuning(TRIALS.astype({"published": object}).assign(published="exact"), ax=ax)
    assert lines(ax) == [[50.0, 90.0, 70.0], [80.0, 60.0, 70.0]]


def test_panels_of_trials_say_in_what_they_differ() -> None:
    places = [("Split MNIST", "EWC", "ewc"), ("Permuted MNIST", "EWC", "ewc"), ("Split MNIST", "Mine", "a")]
    kinds = [*places, ("Split MNIST", "Mine", "b")]
    frame = pandas.concat(
        TRIALS.assign(title=title, scenario="CL1", group=group, strategy=strategy) for title, group, strategy in kinds
    )

    def titles(shown: pandas.DataFrame) -> list[str]:
        make = KINDS["tuning"].panels
        assert make
        return [panel.title for panel in make(shown, shown)]

    assert titles(frame) == [
        "Split MNIST\nEWC",
        "Permuted MNIST\nEWC",
        "Split MNIST\nMine (a)",
        "Split MNIST\nMine (b)",
    ]
    assert titles(frame[(frame["title"] == "Split MNIST") & (frame["strategy"] != "b")]) == ["EWC", "Mine"]


def test_of_several_hyperparameters_the_best_over_the_others_is_drawn_and_texts_stand_side_by_side(ax: Axes) -> None:
    twice = TRIALS[TRIALS["rule"] == "test"].assign(value=["exact", "exact", "true"], published=None)
    figures.tuning(twice, ax=ax)
    assert lines(ax) == [[80.0, 70.0]]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["exact", "true"]


def test_fits_are_drawn_over_the_true_functions_and_training_ranges(ax: Axes) -> None:
    figures.regression(REGRESSION, ax=ax)
    true = [line.get_ydata() for line in ax.lines if line.get_linestyle() == "--"]
    assert numpy.array(true) == pytest.approx(REGRESSION["regression_true"])
    ranges = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 3]
    assert numpy.array(ranges) == pytest.approx(REGRESSION["regression_range"])


def test_a_fit_outside_the_axes_is_told_in_numbers(ax: Axes) -> None:
    fit = numpy.stack([numpy.full(40, -3.25), numpy.linspace(0, 9, 40), numpy.linspace(4.5, 7, 40)])
    figures.regression({**REGRESSION, "regression_fit": fit}, ax=ax)
    assert [text.get_text() for text in ax.texts] == [
        "↓ \N{MINUS SIGN}3.2 to \N{MINUS SIGN}3.2",
        "↑ 4.5 to 7.0",
    ]
    ax.figure.set_size_inches(2.4, 1.9)  # as on a page
    ax.figure.draw_without_rendering()
    inside = ax.get_window_extent()
    for text in ax.texts:
        box = text.get_window_extent()
        assert inside.x0 <= box.x0 < box.x1 <= inside.x1


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
        pages(subject_of({"a": {"CL1": [SOUND]}}, arrays=arrays))


def test_an_archive_that_is_none_is_named(subject_of: SubjectOf, tmp_path: Path) -> None:
    subject = subject_of({"a": {"CL1": [SOUND]}}, arrays=REGRESSION)
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match=f"{path.name} could not be read"):
        pages(subject)


def test_accuracy_stands_where_its_embedding_is(ax: Axes) -> None:
    figures.embedding_space(EMBEDDINGS, ax=ax, task=2)
    mesh = ax.collections[0]
    # Cells are centred on the points of the grid, whose step is 1 by 2/3.
    corners = mesh.get_coordinates()
    assert (*corners[0, 0], *corners[-1, -1]) == pytest.approx((-3.5, -2 - 1 / 3, 3.5, 2 + 1 / 3))
    assert numpy.asarray(mesh.get_array()) == pytest.approx(100 * EMBEDDINGS["embedding_accuracy"][1])
    assert [line.get_marker() for line in ax.lines] == ["o", "*"]


def samples_of(subject_of: SubjectOf, **arrays: numpy.ndarray) -> Axes:
    (panel,) = pages(subject_of({"a": {"CL3": [SOUND]}}, arrays=arrays))["replay-samples"].panels
    axes = Figure().subplots()
    assert isinstance(axes, Axes)
    return figures.replay_samples(panel.data, ax=axes, **panel.options)


def test_samples_are_a_line_for_each_task(subject_of: SubjectOf) -> None:
    samples = numpy.zeros((4, 10, 1, 3, 2), dtype=numpy.uint8)
    samples[1, 2, 0, 0, 1] = 248
    ax = samples_of(subject_of, replay_samples=samples)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["task 1", "task 2", "task 3", "task 4"]
    mosaic = numpy.asarray(ax.images[0].get_array())
    assert mosaic.shape == (4 * 3, 8 * 2)
    assert list(zip(*numpy.nonzero(mosaic), strict=True)) == [(1 * 3 + 0, 2 * 2 + 1)]


def test_of_many_tasks_some_are_shown_from_the_first_to_the_last(subject_of: SubjectOf) -> None:
    ax = samples_of(subject_of, replay_samples=numpy.zeros((9, 10, 1, 3, 2), dtype=numpy.uint8))
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"task {task}" for task in (1, 3, 5, 7, 9)]


def test_samples_of_a_generator_without_tasks_stand_in_lines(subject_of: SubjectOf) -> None:
    samples = numpy.zeros((20, 1, 3, 2), dtype=numpy.uint8)
    samples[9] = 255
    mosaic = numpy.asarray(samples_of(subject_of, generated_samples=samples).images[0].get_array())
    assert mosaic.shape == (2 * 3, 8 * 2)
    assert mosaic[3:, 2:4].min() == 255


def test_samples_that_would_look_black_are_lit_up_and_say_so(subject_of: SubjectOf) -> None:
    samples = numpy.full((8, 1, 3, 2), 13, dtype=numpy.uint8)
    samples[0, 0, 1, 1] = 40
    page = pages(subject_of({"a": {"CL3": [SOUND]}}, arrays={"generated_samples": samples}))["replay-samples"]
    (panel,) = page.panels
    assert panel.title.endswith("seed 1, greys 13 to 40")
    assert "shown from black to white" in page.caption
    axes: Any = Figure().subplots()
    mosaic = numpy.asarray(figures.replay_samples(panel.data, ax=axes, **panel.options).images[0].get_array())
    assert sorted(set(mosaic.ravel().tolist())) == [0, 255]


def test_permuted_pixels_are_put_back_in_order() -> None:
    orders = PermutedMnist(experiences=3).pixel_orders(1)
    image = numpy.arange(32 * 32) % 251
    permuted = numpy.stack([image[order] for order in orders]).reshape(3, 1, 1, 32, 32)
    assert (unpermuted(permuted, orders).reshape(3, -1) == image).all()


def test_vectors_are_no_images(subject_of: SubjectOf) -> None:
    samples = numpy.zeros((4, 10, 12), dtype=numpy.uint8)
    with pytest.raises(UserError, match=r"'replay_samples' .* must be images of one or three channels"):
        pages(subject_of({"a": {"CL3": [SOUND]}}, arrays={"replay_samples": samples}))
