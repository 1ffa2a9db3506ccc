"""Figures as files: which there are, what stands on them, the data that they name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import special

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures.kinds import FORMATS, MAIN, file_name
from hnet_bench.reporting.figures.layout import draw, encode
from hnet_bench.reporting.figures.page import Subject, data_sum_of, pages
from hnet_bench.reporting.figures.panels import CONFIDENCE
from hnet_bench.reporting.figures.style import house_style
from hnet_bench.runs.store import Damaged

SubjectOf = Callable[..., Subject]
ROOT = Path(__file__).parents[3]
SCORES = [[[0.9, 0.1], [0.5, 0.7]], [[0.8, 0.2], [0.6, 0.8]], [[0.85, 0.2], [0.4, 0.75]]]
REPORTED = {"CL3": {"mean": 61.0, "spread": 0.8, "spread_kind": "sem", "n": 20, "known": "recalled"}}
SAMPLES = numpy.random.default_rng(0).integers(0, 255, (4, 10, 1, 8, 8), dtype=numpy.uint8)


def rich(subject_of: SubjectOf, **changes: Any) -> Subject:
    """Two rows in two scenarios with seeds, reported numbers, inferred tasks and samples."""
    arguments: dict[str, Any] = {
        "rows": {"a": {"CL1": SCORES, "CL3": SCORES[:1]}, "b": {"CL3": SCORES[:2]}},
        "reported": REPORTED,
        "inferred": [[1.0, 0.0], [0.5, 0.75]],
        "arrays": {"replay_samples": SAMPLES},
    }
    arguments.update(changes)
    return subject_of(arguments.pop("rows"), **arguments)


def drawn(subject: Subject, **look: Any) -> dict[str, Figure]:
    with house_style():
        return {kind: draw(page, **look) for kind, page in pages(subject).items()}


def files_of(subject: Subject) -> dict[str, bytes]:
    return {file_name(subject.table.name, kind, "svg"): encode(page) for kind, page in pages(subject).items()}


def texts(svg: bytes) -> str:
    root = ElementTree.fromstring(svg)
    return " ".join("".join(node.itertext()) for node in root.iter("{http://www.w3.org/2000/svg}text"))


def test_a_table_has_the_figures_that_its_records_can_fill(subject_of: SubjectOf) -> None:
    assert list(files_of(rich(subject_of))) == [
        "made_up.svg",
        "made_up.forest.svg",
        "made_up.learning-curves.svg",
        "made_up.during-and-final.svg",
        "made_up.matrices.svg",
        "made_up.task-inference.svg",
        "made_up.replay-samples.svg",
    ]


def test_every_format_is_what_it_says_and_names_the_data_that_it_shows(subject_of: SubjectOf) -> None:
    page = pages(subject_of({"a": {"CL1": SCORES[:1]}}))["learning-curves"]
    for suffix, start in (("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")):
        content = encode(page, suffix)
        assert content.startswith(start)
        assert data_sum_of(content) == page.data_sum()
        assert not re.search(rb"CreationDate|ModDate|dc:date|tIME", content)
    assert data_sum_of(b"<svg/>") is None


def test_text_is_text_with_a_title_and_a_description(subject_of: SubjectOf) -> None:
    svg = files_of(rich(subject_of))["made_up.learning-curves.svg"]
    words = texts(svg)
    for text in (
        "A table that is made up",
        "Learning curves",
        "Row a",
        "CL3: class",
        "average accuracy, %",
        "Seeds 1-3",
    ):
        assert text in words
    root = ElementTree.fromstring(svg)
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "A table that is made up: Learning curves"
    assert f"{100 * CONFIDENCE:g} % t interval" in (root.findtext("{http://www.w3.org/2000/svg}desc") or "")


def test_a_dollar_in_a_name_is_a_dollar(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    for state in subject.states:
        object.__setattr__(state.cell, "label", "cost $x_1$")
    for kind in ("comparison", "learning-curves", "matrices"):
        assert "cost $x_1$" in texts(encode(pages(subject)[kind])), kind


def test_without_records_the_figures_that_are_due_say_what_to_run(subject_of: SubjectOf) -> None:
    files = files_of(subject_of({"a": {"CL1": []}}, on_table={"figures": ("regression",)}))
    assert list(files) == ["made_up.svg", "made_up.regression.svg"]
    assert all("hnet-bench run made_up" in texts(content) for content in files.values())


def test_a_figure_that_does_not_exist_is_refused(subject_of: SubjectOf) -> None:
    with pytest.raises(UserError, match="asks for figure 'pie': known are comparison, forest"):
        pages(subject_of({"a": {"CL1": []}}, on_table={"figures": ("pie",)}))


def test_a_reduced_budget_is_said_on_every_figure(subject_of: SubjectOf, words_of: Callable[[Figure], str]) -> None:
    for kind, figure in drawn(rich(subject_of, on_table={"reduced": "50 instead of 2,000 iterations"})).items():
        assert "Reduced: 50 instead of 2,000 iterations" in words_of(figure), kind


def test_a_cell_that_was_not_run_is_said_to_be_so(subject_of: SubjectOf, words_of: Callable[[Figure], str]) -> None:
    figures = drawn(subject_of({"a": {"CL1": [SCORES[0]], "CL3": []}, "b": {"CL3": [SCORES[0]]}}))
    for kind in ("during-and-final", "matrices"):
        assert words_of(figures[kind]).count("not run") == 1  # b has no cell in CL1


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (0, "own."),
        (2, "own. Without a record yet: Row 0 (CL1, CL3)."),
        (7, "own. Without a record yet: 7 of 9 cells."),
    ],
)
def test_the_caption_names_cells_without_a_record_or_how_many_there_are(
    subject_of: SubjectOf, missing: int, text: str
) -> None:
    rows: dict[str, dict[str, Any]] = {"z": {"CL1": SCORES[:2], "CL3": SCORES[:2]}}
    for index in range(missing):
        rows.setdefault(str(index // 2), {})[("CL1", "CL3")[index % 2]] = []
    assert pages(subject_of(rows))["comparison"].caption.endswith(f"Each panel has a scale of its {text}")


def test_a_forest_waits_for_cells_with_a_reported_number_alone(subject_of: SubjectOf) -> None:
    subject = subject_of({"z": {"CL1": SCORES[:2], "CL3": SCORES[:2]}, "a": {"CL1": [], "CL3": []}}, reported=REPORTED)
    assert pages(subject)["forest"].caption.endswith(" Without a record yet: Row a (CL3).")


def test_rows_of_different_benchmarks_do_not_share_axes(subject_of: SubjectOf) -> None:
    three = [[0.9, 0, 0], [0.8, 0.9, 0], [0.7, 0.8, 0.9]]
    figure = drawn(subject_of({"a": {"CL1": [SCORES[0]]}, "b": {"CL1": [three]}}))["learning-curves"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Synthetic\n2 experiences\nCL1: task given",
        "Synthetic\n3 experiences\nCL1: task given",
    ]


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (1, 1, "Seed 1."),
        (3, 3, "Seeds 1-3."),
        (3, 1, "Seeds 1-3 (1 to 3 in a cell)."),
    ],
)
def test_the_caption_says_which_seeds(subject_of: SubjectOf, first: int, second: int, text: str) -> None:
    subject = subject_of({"a": {"CL1": SCORES[:first]}, "b": {"CL1": SCORES[:second]}})
    assert pages(subject)["learning-curves"].caption.startswith(f"{text} Accuracy")


def test_the_caption_speaks_of_intervals_only_where_there_are_some(subject_of: SubjectOf) -> None:
    captions = [
        {kind: page.caption for kind, page in pages(subject_of({"a": {"CL1": SCORES[:seeds]}})).items()}
        for seeds in (1, 3)
    ]
    for kind in ("comparison", "learning-curves", "during-and-final"):
        assert "interval" not in captions[0][kind]
        assert f"{100 * CONFIDENCE:g} % t interval of the mean, as far as scores can go" in captions[1][kind]


@pytest.mark.parametrize(
    "label", ["Row", "A strategy with a name that is far longer than any in the papers (ours, $5)"]
)
@pytest.mark.parametrize("width", [None, 3.25])
def test_nothing_is_cut_off_at_the_edges(subject_of: SubjectOf, label: str, width: float | None) -> None:
    if width and len(label) > 20:
        pytest.skip("no such name fits into a column")
    subject = rich(subject_of)
    for state in subject.states:
        object.__setattr__(state.cell, "label", f"{label} {state.cell.row}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # from a layout that does not fit
        for kind, figure in drawn(subject, width=width).items():
            with house_style():
                FigureCanvasAgg(figure).draw()
                box = figure.get_tightbbox()
            size = figure.get_size_inches()
            assert width in (None, size[0])
            assert min(box.x0, box.y0) >= -0.02, kind
            assert (box.x1 <= size[0] + 0.02, box.y1 <= size[1] + 0.02) == (True, True), kind


def test_labels_are_as_large_as_asked_for_whatever_the_width(subject_of: SubjectOf) -> None:
    page = pages(rich(subject_of))["learning-curves"]
    for width, size in ((3.25, 8), (7.0, 10)):
        svg = encode(page, width=width, font_size=size).decode()
        assert f'width="{width * 72:g}pt"' in svg
        assert re.search(rf"font(-size)?: {size}px[^>]*>average accuracy, %", svg)


def test_a_figure_without_room_for_its_panels_is_refused(subject_of: SubjectOf) -> None:
    page = pages(rich(subject_of))["comparison"]
    with pytest.raises(UserError, match=r"40 points leave no room for the panels of a figure 2 inches wide"):
        encode(page, width=2, font_size=40)


def test_a_users_own_style_changes_nothing(subject_of: SubjectOf) -> None:
    import matplotlib

    page = pages(rich(subject_of))["comparison"]
    plain = encode(page)
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "svg.fonttype": "path", "lines.linewidth": 9}):
        assert encode(page) == plain


def test_chosen_rows_keep_the_colours_of_the_whole_table(subject_of: SubjectOf) -> None:
    whole = rich(subject_of)
    part = replace(whole, rows=["b"])
    colours = [
        {line.get_color() for line in drawn(one)["learning-curves"].axes[-1].lines if line.get_marker() == "s"}
        for one in (whole, part)
    ]
    assert colours[0] == colours[1] != set()


def test_the_sum_is_that_of_what_is_shown(subject_of: SubjectOf) -> None:
    subject = rich(subject_of)
    sums = {kind: page.data_sum() for kind, page in pages(subject).items()}
    assert sums == {kind: page.data_sum() for kind, page in pages(replace(subject)).items()}
    other = replace(subject)
    other.scores.loc[other.scores.index[-1], "score"] += 1e-6
    changed = {kind for kind, page in pages(other).items() if page.data_sum() != sums[kind]}
    assert changed == {"comparison", "learning-curves", "during-and-final", "matrices"}
    page = pages(subject)["forest"]
    assert len({replace(page, **text).data_sum() for text in ({}, {"caption": "x"}, {"heading": "x"})}) == 3


def test_the_sum_is_the_same_with_the_quantiles_of_another_release_of_scipy(
    subject_of: SubjectOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def intervals_and_sum() -> tuple[Any, str]:
        page = pages(rich(subject_of))["forest"]
        assert page.scores is not None
        return page.scores["difference_low"].dropna().tolist(), page.data_sum()

    intervals, found = intervals_and_sum()
    quantile = special.stdtrit
    monkeypatch.setattr(special, "stdtrit", lambda df, p: quantile(df, p) * (1 + 5e-9))  # as far off as in 1.11.1
    others, other = intervals_and_sum()
    assert intervals != others == pytest.approx(intervals, rel=1e-7)
    assert found == other
    monkeypatch.setattr(special, "stdtrit", lambda df, p: quantile(df, p) * (1 + 1e-4))
    assert intervals_and_sum()[1] != found


def test_the_sum_tells_small_errors_apart(subject_of: SubjectOf) -> None:
    page = pages(subject_of({"a": {"CL1": SCORES[:1]}}), [MAIN])[MAIN]
    assert page.scores is not None
    scores = page.scores
    one, same, other = (replace(page, scores=scores.assign(score=4e-7 + add)).data_sum() for add in (0, 1e-20, 1e-7))
    assert one == same != other


def test_a_figure_without_arrays_says_what_would_make_them(subject_of: SubjectOf) -> None:
    def said(subject: Subject) -> str:
        return pages(subject)["regression"].empty

    on_table = {"figures": ("regression",)}
    none = subject_of({"a": {"CL1": []}}, on_table=on_table)
    assert said(none).startswith("No record yet. Run: hnet-bench run ")
    some = subject_of({"a": {"CL1": SCORES[:1]}}, on_table=on_table)
    assert said(some).startswith("Too few of the runs are done for this figure. To do the others, run: hnet-bench ")
    every = subject_of({"a": {"CL1": SCORES[:2]}}, on_table=on_table)
    assert said(every).startswith("Every run is done, but none keeps what this figure shows.")
    assert "delete these records, and do the runs again: hnet-bench run " in said(every)
    (state,) = every.states
    lost = replace(every, states=[replace(state, lacking=(Damaged(Path("a.npz"), "It is not there."),))])
    assert said(lost).startswith("The arrays that this figure shows are lost. To make them anew, run: hnet-")


SCRIPT = """
import hashlib, json, sys
if sys.argv[2] == "sums":
    sys.modules["matplotlib"] = sys.modules["seaborn"] = None  # and what they show without what draws
from pathlib import Path
from hnet_bench.papers.table import load_table
from hnet_bench.reporting.figures.page import data_sum_of
from hnet_bench.reporting.figures.page import Subject, pages
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.store import Store
table, store = load_table("mine.toml"), Store(Path(sys.argv[1]))
subject = Subject(table=table, states=table_state(table, store), command="mine.toml")
if sys.argv[2] == "sums":
    print(json.dumps([page.data_sum() for page in pages(subject).values()]))
else:
    from hnet_bench.reporting.figures.layout import encode
    every = pages(subject)
    files = {kind + "." + suffix: encode(every[kind], suffix) for kind in every for suffix in ("svg", "pdf", "png")}
    named = [data_sum_of(content) for name, content in files.items() if name.endswith("svg")]
    print(json.dumps([named, {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}]))
assert not {"torch", "avalanche"} & sys.modules.keys()
"""


@pytest.fixture
def own_table(user_table: Path, tmp_path: Path, record_of: Callable[..., Any]) -> Path:
    """Records of mine.toml in the folder that is returned."""
    from hnet_bench.papers.table import load_table
    from hnet_bench.runs.spec import resolve_cell
    from hnet_bench.runs.store import Store

    store = Store(tmp_path / "results")
    for cell in load_table("mine.toml").cells:
        for seed, score in enumerate(SCORES, start=1):
            store.write(spec := resolve_cell(cell, seed=seed), record_of(spec, score=score))
    return store.root


def test_processes_write_the_same_bytes_on_different_days_and_need_nothing_that_draws_for_the_sums(
    own_table: Path,
) -> None:
    found = []
    for what, hash_seed, day in (("files", "1", "0"), ("files", "2", "1700000000"), ("sums", "3", "0")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        # Matplotlib would take the date from here; there should be none.
        environment["SOURCE_DATE_EPOCH"] = day
        command = [sys.executable, "-c", SCRIPT, str(own_table), what]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1] == [found[2], found[0][1]]
    assert {name.rpartition(".")[2] for name in found[0][1]} == set(FORMATS)


def test_the_command_writes_what_it_lists(
    own_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hnet_bench.cli import main

    arguments = ["figures", "mine.toml", "--results", str(own_table), "--reports", "out"]
    assert main([*arguments, "--formats", "svg", "pdf", "--kinds", "comparison", "matrices"]) == 0
    *listed, last = capsys.readouterr().out.splitlines()
    assert sorted(listed) == sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "out").glob("[!.]*"))
    assert listed == ["out/mine.svg", "out/mine.pdf", "out/mine.matrices.svg", "out/mine.matrices.pdf"]
    assert last == "4 files from 9 records."
    for wrong, words in (
        (["--formats", "gif"], "Unknown format 'gif': expected svg, pdf, png."),
        (["--kinds", "pie"], "Unknown kind of figure 'pie': expected comparison, forest, "),
        (["--kinds", "regression"], "Nothing to draw for regression: the chosen cells of table 'mine' have nothing "),
        (["--rows", "nobody"], "Table 'mine' has no row 'nobody'"),
    ):
        assert main([*arguments, *wrong]) == 2
        assert f"Error: {words}" in capsys.readouterr().err
    assert main([*arguments, "--kinds", "comparison", "regression", "replay-samples"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("out/mine.svg\n")
    assert "Nothing to draw for regression, replay-samples: " in said.err
    (tmp_path / "file").write_text("")
    assert main([*arguments[:-1], "file"]) == 2
    assert "The figure file/mine.svg cannot be written" in capsys.readouterr().err


def test_the_command_takes_texts_width_and_rows(own_table: Path, tmp_path: Path) -> None:
    from hnet_bench.cli import main
    from hnet_bench.papers.table import load_table

    row = load_table("mine.toml").cells[0]
    arguments = ["figures", "mine.toml", "--results", str(own_table), "--reports", "out", "--kinds", "comparison"]
    assert main([*arguments, "--rows", row.row, "--width", "3.25", "--title", "My title", "--caption", ""]) == 0
    svg = (tmp_path / "out" / "mine.svg").read_bytes()
    assert b'width="234pt"' in svg
    words = texts(svg)
    assert "My title" in words
    assert "Seeds" not in words
    others = {cell.label for cell in load_table("mine.toml").cells} - {row.label}
    assert not any(label in words for label in others)
    assert "verages" in words
    assert main([*arguments, "--title", ""]) == 0
    svg = (tmp_path / "out" / "mine.svg").read_bytes()
    assert "verages" not in texts(svg)
    assert re.search(rb"<title>(Measured and reported a|A)verages</title>", svg)


def test_the_command_takes_scenarios(own_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from hnet_bench.cli import main

    arguments = ["figures", "mine.toml", "--results", str(own_table), "--reports", "out", "--kinds", "comparison"]
    assert main([*arguments, "--scenarios", "CL1"]) == 0
    words = texts((tmp_path / "out" / "mine.svg").read_bytes())
    assert "CL1" in words
    assert not re.search("CL[23]", words)
    assert main([*arguments, "--scenarios", "CL4"]) == 2
    assert "CL4" in capsys.readouterr().err


def test_rows_of_panels_that_would_be_too_narrow_stand_below_each_other(
    subject_of: SubjectOf, words_of: Callable[[Figure], str]
) -> None:
    """In a column of a journal three scenarios beside the names of rows would leave nothing for the panels."""
    every = dict.fromkeys(("CL1", "CL2", "CL3"), SCORES)
    subject = subject_of({"a": every, "b": {"CL2": [], "CL3": SCORES}})
    for kind in ("during-and-final", "matrices"):
        columns = {}
        for width in (None, 3.25):
            figure = drawn(subject, width=width)[kind]
            with house_style():
                FigureCanvasAgg(figure).draw()
            axes = [ax for ax in figure.axes if ax.get_label() != "<colorbar>"]
            columns[width] = len({ax.get_subplotspec().colspan.start for ax in axes})
            named = [(ax.get_title(loc="left"), ax.get_ylabel(), bool(ax.lines or ax.collections)) for ax in axes]
            assert min(ax.get_position().width * figure.get_size_inches()[0] for ax in axes) > 0.5, kind
            assert words_of(figure).count("not run") == 1
        assert columns == {None: 3, 3.25: 1}
        assert named == [
            ("CL1: task given", "Row a", True),
            ("CL2: domain", "Row a", True),
            ("", "Row b", False),
            ("CL3: class", "Row a", True),
            ("", "Row b", True),
        ]


@pytest.mark.parametrize(
    ("kind", "label", "rows", "scenarios"),
    [
        ("matrices", "Without lookahead", 4, ("CL1", "CL3")),
        ("learning-curves", "EWC, strength 10000", 7, ("CL1",)),
        ("learning-curves", "Split MNIST (400, 400), a hypernetwork for each task, with the seed 1", 26, ("CL1",)),
    ],
)
def test_names_of_rows_and_long_legends_are_whole(
    subject_of: SubjectOf, kind: str, label: str, rows: int, scenarios: tuple[str, ...]
) -> None:
    """Beside a scale of colours squares are drawn where their place begins, and a legend has the columns that fit."""
    scores = [[[0.9] * 5] * 5]
    subject = subject_of(
        {f"row_{row}": dict.fromkeys(scenarios, scores) for row in range(rows)},
        benchmark={"name": "synthetic", "experiences": 5},
    )
    for state in subject.states:
        object.__setattr__(state.cell, "label", label[:-1] + state.cell.row.removeprefix("row_"))
    figure = drawn(subject)[kind]
    with house_style():
        FigureCanvasAgg(figure).draw()
        box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.x1 <= figure.get_size_inches()[0]


def test_marks_of_the_best_score_are_whole(subject_of: SubjectOf) -> None:
    axes = drawn(subject_of({"a": {"CL1": [[[1.0, 0.0], [0.5, 1.0]]]}}))["during-and-final"].axes[0]
    marked = [line for line in axes.lines if line.get_marker() in {"o", "s"}]
    assert marked
    assert not any(line.get_clip_on() for line in marked)


def test_the_caption_of_differences_speaks_of_bars_only_where_there_are_some(subject_of: SubjectOf) -> None:
    for seeds in (1, 3):
        caption = pages(subject_of({"a": {"CL3": SCORES[:seeds]}}, reported=REPORTED))["forest"].caption
        assert [word in caption for word in ("Bars", "Arrows")] == [seeds > 1] * 2
