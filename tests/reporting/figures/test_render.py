"""All figures of a table as files: which there are, that nothing is cut off, and that bytes are stable."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures import missing
from hnet_bench.reporting.figures.encode import FORMATS
from hnet_bench.reporting.figures.render import draw, drawn, render_all
from hnet_bench.reporting.figures.style import style
from hnet_bench.reporting.figures.subject import Subject
from hnet_bench.runs.store import Damaged

SubjectOf = Callable[..., Subject]
ROOT = Path(__file__).parents[3]
SCORES = [[[0.9, 0.1], [0.5, 0.7]], [[0.8, 0.2], [0.6, 0.8]], [[0.85, 0.2], [0.4, 0.75]]]
REPORTED = {"CL3": {"mean": 61.0, "spread": 0.8, "spread_kind": "sem", "n": 20, "known": "recalled"}}
SAMPLES = numpy.random.default_rng(0).integers(0, 255, (4, 10, 1, 8, 8), dtype=numpy.uint8)


def rich_subject(subject_of: SubjectOf, **changes: Any) -> Subject:
    """Two rows in two scenarios with seeds, reported numbers, inferred tasks and samples."""
    arguments: dict[str, Any] = {
        "rows": {"a": {"CL1": SCORES, "CL3": SCORES[:1]}, "b": {"CL3": SCORES[:2]}},
        "reported": REPORTED,
        "inferred": [[1.0, 0.0], [0.5, 0.75]],
        "arrays": {"replay_samples": SAMPLES},
    }
    arguments.update(changes)
    return subject_of(arguments.pop("rows"), **arguments)


def test_a_table_has_the_figures_that_its_records_can_fill(subject_of: SubjectOf) -> None:
    assert list(render_all(rich_subject(subject_of))) == [
        "made_up.svg",
        "made_up.forest.svg",
        "made_up.learning-curves.svg",
        "made_up.during-and-final.svg",
        "made_up.matrices.svg",
        "made_up.task-inference.svg",
        "made_up.replay-samples.svg",
    ]


def test_every_format_is_what_it_says(subject_of: SubjectOf) -> None:
    files = render_all(subject_of({"a": {"CL1": SCORES[:1]}}), FORMATS)
    for name, content in files.items():
        if name.endswith("svg"):
            assert ElementTree.fromstring(content).tag.endswith("svg")
        else:
            assert content.startswith(b"%PDF" if name.endswith("pdf") else b"\x89PNG")


def test_without_records_the_figures_that_are_due_say_what_to_run(subject_of: SubjectOf) -> None:
    subject = subject_of({"a": {"CL1": []}}, on_table={"figures": ("regression",)})
    found = dict(drawn(subject))
    assert list(found) == ["comparison", "regression"]
    for figure in found.values():
        assert "hnet-bench run made_up" in figure.axes[0].texts[0].get_text()


def test_a_figure_that_does_not_exist_is_refused(subject_of: SubjectOf) -> None:
    with pytest.raises(UserError, match="asks for figure 'pie': known are comparison, forest"):
        render_all(subject_of({"a": {"CL1": []}}, on_table={"figures": ("pie",)}))


def test_a_reduced_budget_is_said_on_every_figure(subject_of: SubjectOf) -> None:
    subject = rich_subject(subject_of, on_table={"reduced": "50 instead of 2,000 iterations"})
    for kind, figure in drawn(subject):
        said = " ".join(" ".join(text.get_text() for text in figure.texts).split())
        assert "Reduced: 50 instead of 2,000 iterations" in said, kind


@pytest.mark.parametrize(
    "label", ["Row", "A strategy with a name that is far longer than any in the papers (ours, $5$)"]
)
def test_nothing_is_cut_off_at_the_edges(subject_of: SubjectOf, label: str) -> None:
    subject = rich_subject(subject_of)
    for state in subject.states:
        object.__setattr__(state.cell, "label", label)
    for kind, figure in drawn(subject):
        with style():
            figure.canvas.draw()
            box = figure.get_tightbbox()
        width, height = figure.get_size_inches()
        assert min(box.x0, box.y0) >= 0, kind
        assert box.x1 <= width, kind
        assert box.y1 <= height, kind


def test_a_users_own_style_changes_nothing(subject_of: SubjectOf) -> None:
    import matplotlib

    subject = rich_subject(subject_of)
    plain = render_all(subject)
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "svg.fonttype": "none", "lines.linewidth": 9}):
        assert render_all(subject) == plain


SCRIPT = """
import hashlib, json, sys
sys.modules["torch"] = sys.modules["avalanche"] = None  # figures do without
from pathlib import Path
from hnet_bench.papers.table import load_table
from hnet_bench.reporting.figures.render import render_all
from hnet_bench.reporting.figures.subject import Subject
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.store import Store
table, store = load_table("mine.toml"), Store(Path(sys.argv[1]))
subject = Subject(table=table, states=table_state(table, store), store=store, command="mine.toml")
files = render_all(subject, ("svg", "pdf", "png"))
print(json.dumps({name: hashlib.sha256(content).hexdigest() for name, content in files.items()}))
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


def test_separate_processes_write_the_same_bytes_on_different_days(own_table: Path) -> None:
    found = []
    for hash_seed, day in (("1", "0"), ("2", "1700000000")):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        # Matplotlib would take the date from here; there should be none.
        environment["SOURCE_DATE_EPOCH"] = day
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(own_table)], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    assert found[0] == found[1]
    assert {name.rpartition(".")[2] for name in found[0]} == set(FORMATS)


def test_no_file_holds_a_date(subject_of: SubjectOf) -> None:
    for name, content in render_all(rich_subject(subject_of), FORMATS).items():
        assert not re.search(rb"CreationDate|ModDate|dc:date|tIME", content), name


def test_committed_records_make_small_files() -> None:
    from hnet_bench.papers.table import load_table
    from hnet_bench.runs.plan import table_state
    from hnet_bench.runs.store import Store

    table, store = load_table("von_oswald_2020_table_1"), Store(ROOT / "results")
    states = table_state(table, store)
    files = render_all(Subject(table=table, states=states, store=store, command=table.name))
    assert len(files) >= 6
    sizes = {name: len(content) for name, content in files.items()}
    assert max(sizes.values()) < 300_000, sizes


def test_the_command_writes_what_it_lists(
    own_table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hnet_bench.cli import main

    arguments = ["figures", "mine.toml", "--results", str(own_table), "--reports", "out"]
    assert main([*arguments, "--formats", "svg", "pdf"]) == 0
    *listed, last = capsys.readouterr().out.splitlines()
    assert sorted(listed) == sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "out").glob("[!.]*"))
    assert "out/mine.svg" in listed
    assert last == f"{len(listed)} files from 9 records."
    assert main([*arguments, "--formats", "gif"]) == 2
    assert capsys.readouterr().err == "Error: Unknown format 'gif': expected svg, pdf, png.\n"
    (tmp_path / "file").write_text("")
    assert main([*arguments[:-1], "file"]) == 2
    assert "The figure file/mine.svg cannot be written" in capsys.readouterr().err


def test_a_figure_without_arrays_says_what_would_make_them(subject_of: Callable[..., Subject]) -> None:
    matrix = [[0.9, 0.1], [0.5, 0.7]]
    on_table = {"figures": ("regression",)}
    some = subject_of({"a": {"CL1": [matrix]}}, on_table=on_table)
    assert missing.sentence(some).startswith("No record for this figure yet. Run: hnet-bench run ")
    every = subject_of({"a": {"CL1": [matrix, matrix]}}, on_table=on_table)
    assert missing.sentence(every).startswith("Every run is done, but none keeps what this figure shows.")
    assert "delete these records, and do the runs again: hnet-bench run " in missing.sentence(every)
    assert draw(every, "regression") is not None
    (state,) = every.states
    lost = replace(every, states=[replace(state, lacking=(Damaged(Path("a.npz"), "It is not there."),))])
    assert missing.sentence(lost).startswith(
        "The arrays that this figure shows are lost. To make them anew, run: hnet-"
    )
