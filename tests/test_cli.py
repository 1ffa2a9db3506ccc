"""The command line: what it accepts, prints and returns."""

from __future__ import annotations

import hashlib
import html
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hnet_bench import catalog
from hnet_bench.cli import expand, main
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs.engine import Outcome
from hnet_bench.runs.events import Event, Observer
from hnet_bench.runs.record import Record
from hnet_bench.runs.revisions import revisions_of
from hnet_bench.runs.spec import RunSpec, resolve_cell
from hnet_bench.runs.store import Store

RecordOf = Callable[..., Record]
Capture = pytest.CaptureFixture[str]


def told(spec: RunSpec, kind: Any, message: str = "") -> Event:
    return Event(kind=kind, key=spec.key, message=message)


class Engine:
    """Stands in for `run_all`: every run succeeds at once, but for the strategies in `broken`."""

    def __init__(self, record_of: RecordOf) -> None:
        self.record_of = record_of
        self.broken: set[str] = set()
        self.interrupt_after: int | None = None
        self.leave_after: int | None = None
        self.begin_only = False
        self.keep_steps: int | None = None  # of a checkpoint of the first run
        self.outcome = Outcome(0, ())  # most of which the command line asks the store for
        self.calls: list[dict[str, Any]] = []

    def __call__(self, specs: list[RunSpec], *, store: Store, observer: Observer, **how: Any) -> Outcome:
        self.calls.append({"specs": specs, **how})
        if self.begin_only:
            observer(told(specs[0], "started"))
        if self.keep_steps is not None:
            path = store.checkpoint_path(specs[0])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"progress": {"steps": self.keep_steps}}) + "\n")
        for index, spec in enumerate(specs):
            if index == self.interrupt_after:
                raise KeyboardInterrupt
            if index == self.leave_after:
                return self.outcome
            observer(told(spec, "started"))
            if spec.strategy in self.broken:
                store.write_failure(spec, {"problem": "ValueError: broken", "traceback": ""})
                observer(told(spec, "failed", "ValueError: broken"))
            else:
                store.write(spec, self.record_of(spec, revisions=revisions_of(spec)))
                observer(told(spec, "finished"))
        return self.outcome


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, record_of: RecordOf) -> Engine:
    fake = Engine(record_of)
    monkeypatch.setattr("hnet_bench.runs.engine.run_all", fake)
    return fake


def refusal(arguments: list[str], capsys: Capture) -> str:
    """The one line that a command which must refuse prints, without "Error: "."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("Error: ")
    assert line.endswith(".")
    return line.removeprefix("Error: ")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("run t --rows a b", "run t --rows a --rows b"),
        ("run t --scenarios CL1 CL3 -j 2", "run t --scenarios CL1 --scenarios CL3 -j 2"),
        ("run --scenarios CL1 CL3 -j 2 t", "run --scenarios CL1 --scenarios CL3 -j 2 t"),
        ("run t --rows a --rows b c", "run t --rows a --rows b --rows c"),
        ("run t --rows a,b --seeds 1-5", "run t --rows a,b --seeds 1-5"),
        ("run t --rows -j 2", "run t --rows -j 2"),
        ("run t --results a b", "run t --results a b"),
        ("data --fetch mnist cifar10", "data --fetch mnist --fetch cifar10"),
        ("", ""),
    ],
)
def test_an_option_may_be_followed_by_several_values(given: str, expected: str) -> None:
    assert expand(given.split()) == expected.split()


@pytest.mark.parametrize(
    "chosen",
    [
        ["--rows", "finetune", "joint", "--scenarios", "CL1", "CL3"],
        ["--rows", "finetune,joint", "--scenarios", "CL1,class"],
        ["--rows", "finetune", "--rows", "joint", "--scenarios", "task", "--scenarios", "cl3"],
    ],
)
def test_the_three_ways_to_give_several_values_agree(chosen: list[str], user_table: Path, capsys: Capture) -> None:
    assert main(["status", "mine.toml", "--json", *chosen]) == 0
    cells = [(cell["row"], cell["scenario"]) for cell in json.loads(capsys.readouterr().out)]
    assert cells == [("finetune", "CL1"), ("finetune", "CL3"), ("joint", "CL3")]


def test_without_arguments_there_is_help(capsys: Capture) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "Usage" in out
    for command in ("run", "status", "report", "verify", "list", "data"):
        assert command in out


def test_the_version_is_that_of_the_package(capsys: Capture) -> None:
    from hnet_bench import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"hnet-bench {__version__}\n"


@pytest.mark.parametrize("command", ["run", "status", "report", "verify"])
def test_an_unknown_table_is_refused(command: str, capsys: Capture) -> None:
    assert "Unknown table 'quik': known are quick" in refusal([command, "quik"], capsys)


@pytest.mark.parametrize("command", ["run", "status", "verify"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["quick", "--rows", "nope"], "Table 'quick' has no row 'nope': its rows are finetune, joint, hnet_ent."),
        (["quick", "--scenarios", "CL4"], "Unknown scenario 'CL4'"),
        (["quick", "--seeds", "5-1"], "range of seeds 5-1 is empty"),
        (["quick", "--seeds", "many"], "'many' is not a range of seeds"),
        (["absent.toml"], "no table file absent.toml"),
        (["quick", "--frequency", "3"], "--frequency"),
        (["--rows", "finetune", "quick"], "Put TABLE first"),
        ([], "Missing argument 'TABLE'."),
    ],
)
def test_wrong_arguments_are_refused_in_a_sentence(
    command: str, arguments: list[str], words: str, capsys: Capture
) -> None:
    assert words in refusal([command, *arguments], capsys)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("title =", "title", "mine.toml is not valid TOML"),
        ('"finetune"\nreported', '"finetuned"\nreported', "Unknown strategy 'finetuned' in row 'finetune' (CL1)"),
        ('"synthetic"', '"syntactic"', "Unknown benchmark 'syntactic'"),
        ('strategy = "joint"', 'strategy = "joint"\nhyperparameters = { c = 1 }', "Unknown key 'c' in row 'joint'"),
        ('strategy = "joint"', 'strategy = "hnet"', "Strategy 'hnet' does not learn CL3"),
        ('strategy = "joint"', 'strategy = "absent.py:Mine"', "There is no file absent.py"),
        ("iterations = 5", "iteration = 5", "Unknown key 'iteration' in the protocol of row 'finetune'"),
        ("iterations = 5", 'iterations = "5"', "must be a whole number"),
        ('seeds = "1-2"', 'seeds = "2-1"', "range of seeds 2-1 is empty"),
    ],
)
@pytest.mark.parametrize("command", ["run", "status", "report"])
def test_a_broken_table_is_refused_in_a_sentence(
    command: str, old: str, new: str, words: str, user_table: Path, capsys: Capture
) -> None:
    text = user_table.read_text()
    assert old in text
    user_table.write_text(text.replace(old, new, 1))
    assert words in refusal([command, "mine.toml"], capsys)


def test_a_results_folder_that_cannot_be_written_to_is_refused(
    user_table: Path, engine: Engine, capsys: Capture
) -> None:
    place = str(user_table / "results")  # below a file
    assert "cannot be written to" in refusal(["run", "mine.toml", "--results", place], capsys)
    assert engine.calls == []


def test_a_reports_folder_that_cannot_be_written_to_is_refused(user_table: Path, capsys: Capture) -> None:
    assert "cannot be written" in refusal(["report", "mine.toml", "--reports", str(user_table / "r")], capsys)


def test_a_corrupt_data_file_is_refused_before_any_run(tmp_path: Path, engine: Engine, capsys: Capture) -> None:
    (tmp_path / "mnist.npz").write_bytes(b"not an archive")
    arguments = ["run", "quick", "--data", str(tmp_path), "--results", str(tmp_path / "results")]
    assert "mnist.npz is damaged" in refusal(arguments, capsys)
    assert engine.calls == []


def test_a_damaged_record_is_named_not_counted_and_done_again(
    user_table: Path, engine: Engine, capsys: Capture
) -> None:
    assert main(["run", "mine.toml"]) == 0
    record = min(Path("results").rglob("*.json"))
    record.write_text("{")
    capsys.readouterr()
    for command in ("status", "report"):
        assert main([command, "mine.toml"]) == 0
        captured = capsys.readouterr()
        (line,) = captured.err.splitlines()
        assert line.startswith(f"Damaged, not counted: The record {record} could not be read")
        assert "60.00 (1)" in captured.out  # one of two seeds is left
        assert record.read_text() == "{"
    assert main(["run", "mine.toml"]) == 0
    assert str(record) in capsys.readouterr().err
    assert len(engine.calls[1]["specs"]) == 1
    (kept,) = record.parent.glob(f"{record.name}.damaged-*")
    assert kept.read_text() == "{"
    assert main(["status", "mine.toml"]) == 0
    assert capsys.readouterr().err == ""


def test_a_run_does_every_seed_of_every_cell(user_table: Path, engine: Engine, capsys: Capture) -> None:
    assert main(["run", "mine.toml", "-j", "3", "--device", "cpu"]) == 0
    (call,) = engine.calls
    assert (len(call["specs"]), call["cluster"].jobs, call["options"].device, call["options"].folder) == (
        6,
        3,
        "cpu",
        None,
    )
    out = capsys.readouterr().out
    assert "[6/6] finished joint CL3 seed 2" in out
    assert "60.00 ± 0.00 (2)" in out
    assert "hnet-bench report mine.toml" in out


def test_a_finished_table_has_nothing_to_do(user_table: Path, engine: Engine, capsys: Capture) -> None:
    assert main(["run", "mine.toml"]) == 0
    capsys.readouterr()
    assert main(["run", "mine.toml"]) == 0
    assert capsys.readouterr().out == "Nothing to do: all 6 runs of mine are done.\n"
    assert len(engine.calls) == 1


def test_stale_records_are_marked_and_renewed_when_asked(
    user_table: Path, engine: Engine, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", "mine.toml", "--seeds", "1"]) == 0
    monkeypatch.setattr(catalog.strategy_class("joint"), "revision", 2)
    capsys.readouterr()
    for command in ("status", "report"):
        assert main([command, "mine.toml"]) == 0
        out = capsys.readouterr().out
        assert out.count("60.00 (1)§") == 1
        assert "§ stale: the code computes something else" in out
    assert "60.00 (1)§" in Path("reports/mine.md").read_text()
    assert main(["status", "mine.toml", "--json"]) == 0
    cells = {(cell["row"], cell["scenario"]): cell for cell in json.loads(capsys.readouterr().out)}
    assert {cell: found["stale"] for cell, found in cells.items()} == {
        ("finetune", "CL1"): 0,
        ("finetune", "CL3"): 0,
        ("joint", "CL3"): 1,
    }
    assert main(["run", "mine.toml", "--seeds", "1"]) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert main(["run", "mine.toml", "--seeds", "1", "--rerun-stale"]) == 0
    assert [spec.strategy for spec in engine.calls[1]["specs"]] == ["joint"]
    assert "§" not in capsys.readouterr().out
    assert len(list(Path("results").rglob("*.superseded-*.json"))) == 1
    assert main(["run", "mine.toml", "--seeds", "1", "--rerun-stale"]) == 0
    assert len(engine.calls) == 2


def test_more_seeds_later_do_only_the_new_ones(user_table: Path, engine: Engine) -> None:
    assert main(["run", "mine.toml", "--seeds", "1"]) == 0
    assert main(["run", "mine.toml", "--seeds", "1-3", "--rows", "joint"]) == 0
    assert [spec.seed for spec in engine.calls[1]["specs"]] == [2, 3]


def test_failures_are_listed_with_the_place_of_their_traceback(
    user_table: Path, engine: Engine, capsys: Capture
) -> None:
    engine.broken = {"joint"}
    assert main(["run", "mine.toml", "--seeds", "1"]) == 1
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("Failed: joint CL3 seed 1: ValueError: broken (traceback in results/synthetic/class/joint/")
    assert Path(line.rpartition(" ")[2].rstrip(")")).is_file()
    engine.broken = set()
    assert main(["run", "mine.toml", "--seeds", "1"]) == 0
    assert [spec.strategy for spec in engine.calls[1]["specs"]] == ["joint"]


def test_an_interruption_keeps_what_is_finished_and_the_same_command_resumes(
    user_table: Path, engine: Engine, capsys: Capture
) -> None:
    engine.interrupt_after = 2
    assert main(["run", "mine.toml"]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Interrupted: 2 of 6 runs finished, and their records are kept in results")
    engine.interrupt_after = None
    assert main(["run", "mine.toml"]) == 0
    assert len(engine.calls[1]["specs"]) == 4


def test_what_is_left_at_the_end_of_a_piece_has_an_exit_code_of_its_own(
    user_table: Path, engine: Engine, capsys: Capture
) -> None:
    engine.leave_after = 2
    engine.broken = {"joint"}
    assert main(["run", "mine.toml", "--stop-after", "9m"]) == 75
    (last, *_) = reversed(capsys.readouterr().out.splitlines())
    assert last == (
        "Stopped, since --stop-after 9m was given: of 6 runs 2 ended, 0 left a checkpoint, 4 did not begin; the same "
        "command goes on."
    )
    engine.leave_after, engine.broken = None, set()
    assert main(["run", "mine.toml", "--stop-after", "9m"]) == 0
    deadline = engine.calls[1]["options"].deadline
    assert deadline.sweep_ends - deadline.runs_end == pytest.approx(30)
    assert engine.calls[0]["options"].deadline.sweep_ends <= deadline.sweep_ends
    assert "Stopped" not in capsys.readouterr().out


def test_a_piece_in_which_nothing_advances_is_no_success_and_says_why(
    user_table: Path, engine: Engine, capsys: Capture
) -> None:
    engine.leave_after = 0
    said = refusal(["run", "mine.toml", "--stop-after", "3s"], capsys)
    assert said == (
        "Nothing advanced in the 3s of --stop-after: they were over before a run began. The same command would do the "
        "same again: give it more time."
    )
    engine.begin_only = True
    said = refusal(["run", "mine.toml", "--stop-after", "3s"], capsys)
    assert "no run that was begun came as far as its next checkpoint" in said
    # Another sweep may have advanced, or be about to.
    engine.outcome = Outcome(0, (), others=True)
    assert main(["run", "mine.toml", "--stop-after", "3s"]) == 75


def test_a_piece_advances_if_a_checkpoint_does(user_table: Path, engine: Engine, capsys: Capture) -> None:
    engine.leave_after = 0
    engine.keep_steps = 100
    assert main(["run", "mine.toml", "--stop-after", "3s"]) == 75
    assert "of 6 runs 0 ended, 1 left a checkpoint, 5 did not begin" in capsys.readouterr().out
    assert "Nothing advanced" in refusal(["run", "mine.toml", "--stop-after", "3s"], capsys)
    engine.keep_steps = 40  # of another code, which began anew
    assert main(["run", "mine.toml", "--stop-after", "3s"]) == 75


def test_a_time_to_stop_after_must_be_one(user_table: Path, engine: Engine, capsys: Capture) -> None:
    assert "'soon' is not a time" in refusal(["run", "mine.toml", "--stop-after", "soon"], capsys)
    assert not engine.calls


def test_rows_without_a_strategy_are_skipped_in_a_shipped_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hnet_bench.catalog.is_known", lambda kind, name: name != "joint")
    monkeypatch.setattr("hnet_bench.data.load.load", lambda name, **how: None)
    assert main(["run", "quick", "--scenarios", "CL1"]) == 0
    assert "Skipping 1 cell: not implemented yet are joint.\n" in capsys.readouterr().out
    assert [spec.strategy for spec in engine.calls[0]["specs"]] == ["finetune", "hnet"]
    assert "Nothing to run" in refusal(["run", "quick", "--rows", "joint"], capsys)


def test_each_data_set_is_loaded_once_from_the_chosen_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    loaded: list[tuple[str, Path]] = []
    monkeypatch.setattr("hnet_bench.data.load.load", lambda name, *, folder, progress: loaded.append((name, folder)))
    assert main(["run", "quick", "--data", str(tmp_path), "--results", str(tmp_path / "results")]) == 0
    assert loaded == [("mnist", tmp_path)]
    assert engine.calls[0]["options"].folder == tmp_path


def test_the_json_of_status_has_exactly_the_promised_keys(
    user_table: Path, record_of: RecordOf, capsys: Capture
) -> None:
    spec = resolve_cell(load_table("mine.toml").cells[0], seed=1)
    Store(Path("elsewhere")).write(spec, record_of(spec))
    assert main(["status", "mine.toml", "--json", "--results", "elsewhere"]) == 0
    cells = json.loads(capsys.readouterr().out)
    for cell in cells:
        assert list(cell) == [
            *("table", "row", "scenario", "done", "failed", "planned", "stale", "mean", "sem", "reported", "verdict")
        ]
    assert [(cell["done"], cell["planned"]) for cell in cells] == [(1, 2), (0, 2), (0, 2)]
    assert cells[0]["mean"] == pytest.approx(0.6)
    assert set(cells[0]["reported"]) == {"mean", "spread", "spread_kind", "n", "known"}


def test_status_shows_a_line_for_each_cell(user_table: Path, capsys: Capture) -> None:
    assert main(["status", "mine.toml"]) == 0
    out = capsys.readouterr().out
    assert out.count("not run") == 3
    assert "87.19 ± 0.94†" in out


FILES = (
    *(f"mine.{kind}" for kind in ("md", "tex", "csv", "json", "svg")),
    *(f"mine.{kind}.svg" for kind in ("during-and-final", "forest", "learning-curves", "matrices")),
)


def test_a_report_is_written_and_printed_and_stays_the_same(user_table: Path, engine: Engine, capsys: Capture) -> None:
    assert main(["run", "mine.toml"]) == 0
    assert main(["report", "mine.toml"]) == 0
    assert capsys.readouterr().out.endswith("Written: reports/mine.md, .tex, .csv, .json, .svg (9 files)\n")
    assert main(["report", "mine.toml", "--reports", "again"]) == 0
    assert sorted(path.name for path in Path("reports").iterdir()) == sorted([*FILES, ".drawn.json", ".tables.json"])
    for name in Path("reports").glob("[!.]*"):
        assert Path("again", name.name).read_bytes() == name.read_bytes()
    assert main(["report", "mine.toml", "--html"]) == 0
    assert "A table of my own</h1>" in Path("reports/mine.html").read_text()
    # A page that somebody asked for is in nobody's way.
    assert main(["report", "mine.toml", "--check"]) == 0
    Path("reports/mine.html").write_text("old")
    assert main(["report", "mine.toml", "--check"]) == 0
    assert main(["report", "mine.toml", "--check", "--html"]) == 1


def test_a_check_names_what_is_stale_and_writes_nothing(user_table: Path, engine: Engine, capsys: Capture) -> None:
    assert main(["run", "mine.toml", "--seeds", "1"]) == 0
    assert main(["report", "mine.toml"]) == 0
    assert main(["report", "mine.toml", "--check"]) == 0
    assert "9 files in reports checked" in capsys.readouterr().out
    before = {path: path.read_bytes() for path in Path("reports").iterdir()}
    assert main(["run", "mine.toml"]) == 0
    capsys.readouterr()
    assert main(["report", "mine.toml", "--check"]) == 1
    captured = capsys.readouterr()
    assert "reports/mine.md differs from line" in captured.err
    assert "hnet-bench report writes them anew" in captured.err
    assert captured.out == ""
    assert before == {path: path.read_bytes() for path in Path("reports").iterdir()}


def test_a_check_compares_figures_by_their_data_whatever_drew_them(
    user_table: Path, engine: Engine, capsys: Capture
) -> None:
    assert main(["run", "mine.toml", "--seeds", "1"]) == 0
    assert main(["report", "mine.toml"]) == 0
    svg = Path("reports/mine.svg")
    text = svg.read_text()
    svg.write_text(text.replace("Matplotlib v", "Matplotlib v9.").replace("stroke-width: 0.8", "stroke-width: 0.9"))
    assert main(["report", "mine.toml", "--check"]) == 0
    svg.write_text(text.replace("hnet_bench data sha256:", "hnet_bench data sha256:0"))
    capsys.readouterr()
    assert main(["report", "mine.toml", "--check"]) == 1
    assert capsys.readouterr().err.startswith("reports/mine.svg shows other data than the records give\n")


def test_figures_that_have_no_records_any_more_are_taken_away_and_nothing_else(
    user_table: Path, engine: Engine
) -> None:
    assert main(["run", "mine.toml", "--seeds", "1"]) == 0
    assert main(["report", "mine.toml"]) == 0
    for name in ("mine.task-inference.svg", "mine.notes.md", "mine.own.svg"):
        Path("reports", name).write_text("old")
    assert main(["report", "mine.toml"]) == 0
    found = {path.name for path in Path("reports").glob("[!.]*")}
    assert found == {*FILES, "mine.notes.md", "mine.own.svg"}


@pytest.mark.parametrize("command", [["status"], ["verify"], ["report"], ["figures"]])
def test_a_results_folder_that_is_not_there_is_a_slip(command: list[str], user_table: Path, capsys: Capture) -> None:
    assert main([*command, "mine.toml", "--results", "typo"]) == 2
    assert "There is no results folder typo." in capsys.readouterr().err
    assert not Path("reports").exists()


def test_a_report_without_names_is_about_all_tables_with_records_but_for_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_of: RecordOf, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["report"]) == 0
    assert capsys.readouterr().out == "Nothing to report: no shipped table has a record in results.\n"
    for name in ("quick", "split_hnet_tir_ablation"):
        spec = resolve_cell(load_table(name).cells[1], seed=1)  # which no other table has
        Store(Path("results")).write(spec, record_of(spec))
    assert main(["report"]) == 0
    names = {path.name.partition(".")[0] for path in Path("reports").glob("[!.]*")}
    assert names == {"split_hnet_tir_ablation", "index", "appendix"}
    Path("reports/quick.md").write_text("of a trial")
    assert main(["report", "--check"]) == 0
    Path("reports/gone.md").write_text("of a table that is gone")
    capsys.readouterr()
    assert main(["report", "--check"]) == 1
    assert capsys.readouterr().err.startswith("reports/gone.md is superfluous\n1 file in reports")


def test_results_in_a_readme_are_written_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_of: RecordOf, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = resolve_cell(load_table("split_hnet_tir_ablation").cells[1], seed=1)
    Store(Path("results")).write(spec, record_of(spec))
    marks = "<!-- results: split_hnet_tir_ablation -->\nold\n<!-- end of results -->\n"
    other = "<!-- results: quick -->\nmine\n<!-- end of results -->\n"
    Path("README.md").write_text(f"Before.\n{marks}{other}After.\n")
    assert main(["report"]) == 0
    text = Path("README.md").read_text()
    assert text.startswith("Before.\n<!-- results: split_hnet_tir_ablation -->\n\n|  | CL3 | reported |")
    assert "| 60.00 (1) |  |\n" in text
    assert text.endswith(f"<!-- end of results -->\n{other}After.\n")
    assert main(["report", "--check"]) == 0
    Path("README.md").write_text(text.replace("60.00", "61.00"))
    capsys.readouterr()
    assert main(["report", "--check"]) == 1
    assert capsys.readouterr().err.startswith("README.md differs from line 6 on\n1 file")


@pytest.mark.parametrize(
    ("scores", "code", "outcome"),
    [
        ((0.70, 0.701, 0.702, 0.70, 0.701), 0, "1 reproduced"),
        ((0.70, 0.701, 0.702), 2, "1 inconclusive"),
        ((0.80, 0.801, 0.802), 1, "1 above"),
        ((0.50, 0.501, 0.502), 1, "1 below"),
        ((0.50, 0.701, 0.902), 2, "1 inconclusive"),
        ((), 2, "1 not run"),
    ],
)
def test_the_exit_code_of_verify_is_its_verdict(
    scores: tuple[float, ...], code: int, outcome: str, user_table: Path, record_of: RecordOf, capsys: Capture
) -> None:
    reported = 'mean = 70.0, spread = 0.1, spread_kind = "sem", n = 20, margin = 1.0, known = "recalled"'
    user_table.write_text(user_table.read_text().replace("mean = 87.19", f"{reported} }}\n# {{ mean = 87.19"))
    for seed, score in enumerate(scores, start=1):
        spec = resolve_cell(load_table("mine.toml").cells[0], seed=seed)
        Store(Path("results")).write(spec, record_of(spec, score=[[score]]))
    assert main(["verify", "mine.toml"]) == code
    captured = capsys.readouterr()
    assert captured.out.endswith(f"{outcome}\n")
    assert captured.err == ""
    assert main(["verify", "mine.toml", "--json"]) == code
    (cell,) = json.loads(capsys.readouterr().out)
    assert f"1 {cell['verdict']['outcome']}" == outcome


def test_verify_calls_nothing_reproduced_whose_own_error_is_not_known(
    user_table: Path, record_of: RecordOf, capsys: Capture
) -> None:
    user_table.write_text(user_table.read_text().replace('spread = 0.94, spread_kind = "sem", n = 20', "margin = 1.0"))
    for seed in range(1, 6):
        spec = resolve_cell(load_table("mine.toml").cells[0], seed=seed)
        Store(Path("results")).write(spec, record_of(spec, score=[[0.87]]))
    assert main(["verify", "mine.toml"]) == 2
    out = capsys.readouterr().out
    assert out.endswith("1 close\n")
    assert "its number is taken as exact" in " ".join(out.split())
    assert main(["report", "mine.toml"]) == 0
    assert "(✓)" in Path("reports/mine.md").read_text()
    assert "($\\checkmark$)" in Path("reports/mine.tex").read_text()


def test_verify_looks_at_the_chosen_part_alone(user_table: Path, record_of: RecordOf, capsys: Capture) -> None:
    user_table.write_text(user_table.read_text().replace("n = 20", "n = 20, margin = 5.0"))
    for seed in range(1, 7):
        spec = resolve_cell(load_table("mine.toml").cells[0], seed=seed)
        Store(Path("results")).write(spec, record_of(spec, score=[[0.1 if seed == 6 else 0.87 + 0.001 * seed]]))
    assert main(["verify", "mine.toml", "--seeds", "1-5"]) == 0
    assert main(["verify", "mine.toml"]) == 2
    capsys.readouterr()
    assert "no number is reported for the chosen cells" in refusal(["verify", "mine.toml", "--rows", "joint"], capsys)


def test_verify_asks_for_a_margin(user_table: Path, capsys: Capture) -> None:
    message = refusal(["verify", "mine.toml"], capsys)
    assert message.startswith("No margin is declared for row 'finetune' (CL1) of table 'mine'")
    assert "no number is reported" in refusal(["verify", "quick"], capsys)


def test_list_names_tables_strategies_and_benchmarks(tmp_path: Path, capsys: Capture) -> None:
    assert main(["list", "--results", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    for name in ("quick", "von_oswald_2020_table_1", "finetune", "hnet_ent", "split_mnist"):
        assert name in out


def test_data_shows_what_is_there(tmp_path: Path, capsys: Capture) -> None:
    assert main(["data", "--data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert str(tmp_path) in out
    assert out.count("missing") == 3


def test_data_names_a_corrupt_file(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "mnist.npz").write_bytes(b"not an archive")
    assert main(["data", "--data", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert "corrupt" in captured.out
    assert "mnist.npz is damaged" in captured.err
    assert "no data set 'mnits'" in refusal(["data", "--data", str(tmp_path), "--fetch", "mnits"], capsys)


def test_the_true_mnist_is_verified(mnist_folder: Path, capsys: Capture) -> None:
    assert main(["data", "--data", str(mnist_folder), "--fetch", "mnist"]) == 0
    assert "verified" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--logger", "csv", "tensorbored"], "Unknown logger 'tensorbored': expected csv, tensorboard, wandb."),
        (["--scheduler", "tcp://here:1", "--slurm", "p.toml"], "Give --scheduler or --slurm, not both"),
    ],
)
def test_a_sweep_that_cannot_be_begun_says_why(
    options: list[str], sentence: str, user_table: Path, engine: Engine, capsys: Capture
) -> None:
    assert sentence in refusal(["run", "mine.toml", *options], capsys)
    assert not engine.calls


def test_a_slurm_profile_needs_memory() -> None:
    from hnet_bench.runs.slurm_profile import slurm_settings

    with pytest.raises(UserError, match="must say how much memory"):
        slurm_settings({"walltime": "1:00:00"}, "p.toml")
    settings = slurm_settings({"memory": "4GB", "processes": 2, "job_script_prologue": ["module load x"]}, "p.toml")
    assert (settings["cores"], settings["processes"]) == (2, 2)
    assert settings["job_script_prologue"][-1] == "module load x"
    assert "export OMP_NUM_THREADS=1" in settings["job_script_prologue"]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("command", ["status", "report", "verify", "run", "plan", "figures"])
def test_every_output_can_take_what_is_printed(
    command: str, encoding: str, user_table: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (
        user_table.read_text().replace("A table of my own", "\u03b1 \u2713").replace("n = 20", "n = 20, margin = 1.0")
    )
    user_table.write_text(text, encoding="utf-8")
    assert main(["run", "mine.toml", "--seeds", "1"]) == 0
    output = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(output, encoding=encoding))
    code = main([command, "mine.toml"])
    sys.stdout.flush()
    assert code == (2 if command == "verify" else 0)  # one seed decides nothing
    shown = output.getvalue().decode(encoding)
    if command in ("status", "report", "verify", "run"):
        assert "mine: \\u03b1 \\u2713" in shown
    if command in ("status", "report", "run"):
        assert f"87.19 {chr(0xB1) if encoding != 'ascii' else chr(92) + 'xb1'} 0.94" in shown


@pytest.mark.parametrize(
    "crash",
    [RuntimeError("broken"), MemoryError(), RecursionError(), SystemExit(1), UnicodeEncodeError("x", "", 0, 1, "")],
)
@pytest.mark.parametrize("command", ["run", "verify", "report", "status"])
def test_no_crash_has_the_exit_code_of_a_verdict(
    command: str, crash: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise crash

    monkeypatch.setattr("hnet_bench.api.load_table", fail)
    assert main([command, "quick"]) == 70
    assert type(crash).__name__ in capsys.readouterr().err.splitlines()[-1]


def test_nor_has_an_installation_that_lacks_a_library() -> None:
    code = "import sys; sys.modules['typer'] = None; from hnet_bench.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "typer" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["list"], ["status", "quick", "--json"]])
def test_a_reader_that_goes_away_is_no_verdict(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "hnet_bench", *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_users_file_that_ends_python_is_refused(user_table: Path, capsys: Capture) -> None:
    Path("mine.py").write_text("raise SystemExit(1)")
    user_table.write_text(user_table.read_text().replace('"joint"', '"mine.py:Mine"'))
    assert "mine.py could not be imported: SystemExit: 1." in refusal(["status", "mine.toml"], capsys)


def test_commands_that_are_suggested_can_be_pasted(
    user_table: Path, engine: Engine, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("my tables").mkdir()
    text = user_table.read_text().replace('name = "joint"', 'name = "joint (all)"')
    Path("my tables/a & b.toml").write_text(text)
    place = ["--results", "some results"]
    assert main(["run", "my tables/a & b.toml", "--seeds", "1", "--rows", "finetune", *place]) == 0
    suggested = [capsys.readouterr().out.splitlines()[-1].partition(": ")[2]]
    for row in ("joint (all)", "finetune"):
        assert main(["trace", "my tables/a & b.toml", row, "CL3", *place]) == 0
        suggested.append(capsys.readouterr().out.splitlines()[-1].partition(": ")[2])
    record = min(Path("some results").rglob("*class*/*/*.json")).stem
    assert [shlex.split(line)[1:] for line in suggested] == [
        ["report", "my tables/a & b.toml", *place],
        ["run", "my tables/a & b.toml", "--rows", "joint (all)", "--scenarios", "CL3", *place],
        ["rerun", record, *place],
    ]
    assert main(["report", "my tables/a & b.toml", "--html", *place]) == 0
    for suffix in ("md", "tex", "html"):
        page = html.unescape(Path(f"reports/a & b.{suffix}").read_text())
        assert "hnet-bench run 'my tables/a & b.toml'" in page, suffix
    assert "hnet-bench trace 'my tables/a & b.toml' finetune CL3" in page


def test_arrays_that_are_lost_are_named_and_made_again(
    user_table: Path, engine: Engine, record_of: RecordOf, capsys: Capture
) -> None:
    spec = resolve_cell(load_table("mine.toml").cells[0], seed=1)
    record = record_of(spec, arrays=hashlib.sha256(b"arrays").hexdigest())
    archive = Store(Path("results")).write(spec, record, b"arrays").with_suffix(".npz")
    chosen = ["mine.toml", "--rows", "finetune", "--scenarios", "CL1", "--seeds", "1"]
    assert main(["run", *chosen]) == 0
    assert capsys.readouterr().out == "Nothing to do: all 1 runs of mine are done.\n"
    archive.unlink()
    for command in (["status", *chosen], ["report", "mine.toml"], ["figures", "mine.toml"], ["run", *chosen]):
        assert main(command) == 0
        captured = capsys.readouterr()
        assert captured.err.startswith(f"Arrays lost: The arrays {archive}, which belong to the record beside them")
        if command[0] in ("status", "report"):
            assert "60.00 (1)" in captured.out
    (call,) = engine.calls
    assert call["specs"] == [spec]
    (kept,) = archive.parent.glob("*.superseded-*.json")
    assert Record.from_json(json.loads(kept.read_text()), where="the old record") == record


def test_tables_of_one_file_name_never_overwrite_each_others_reports(
    user_table: Path, engine: Engine, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["run", "mine.toml"]) == 0
    Path("deeper").mkdir()
    Path("deeper/mine.toml").write_text(user_table.read_text().replace("of my own", "of yours"))
    assert main(["report", "mine.toml"]) == 0
    page = Path("reports/mine.md").read_bytes()
    capsys.readouterr()
    for command in (["report"], ["figures"], ["report", "--check"]):
        line = refusal([*command, "deeper/mine.toml"], capsys)
        assert line == (
            "Reports are named after their table, and 'mine' in reports is of mine.toml, not of deeper/mine.toml: "
            "rename one of them, or choose another folder with --reports."
        )
    both = refusal(["report", "mine.toml", "deeper/mine.toml", "--reports", "both"], capsys)
    assert "'mine' in both is of mine.toml, not of deeper/mine.toml" in both
    assert not Path("both").exists()
    # The same table from another folder, and one that was moved, are no others.
    monkeypatch.chdir("deeper")
    place = ["--results", "../results", "--reports", "../reports"]
    assert main(["report", "../mine.toml", *place]) == 0
    assert "is of ../mine.toml, not of mine.toml" in refusal(["report", "mine.toml", *place], capsys)
    user_table.unlink()
    assert main(["report", "mine.toml", *place]) == 0
    assert b"of yours" in (user_table.parent / "reports/mine.md").read_bytes() != page


def test_reports_of_a_shipped_table_and_of_all_are_not_overwritten(user_table: Path, capsys: Capture) -> None:
    for name in ("quick", "index", "appendix"):
        Path(f"{name}.toml").write_text(user_table.read_text())
    Path("reports").mkdir()
    Path("reports/quick.md").write_text("# Of the shipped table")  # as in a clone, where nothing is noted
    assert "'quick' in reports is of the table that ships with hnet_bench" in refusal(["report", "quick.toml"], capsys)
    for name in ("index", "appendix"):
        assert f"reports named '{name}', which other files are" in refusal(["report", f"{name}.toml"], capsys)
    assert [path.name for path in Path("reports").iterdir()] == ["quick.md"]


def test_a_table_whose_name_has_dots_has_files_of_its_own(
    user_table: Path, engine: Engine, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hnet_bench import api

    assert main(["run", "mine.toml"]) == 0
    names = ["mine", "mine.matrices", "my.sweep.v2"]
    for name in names[1:]:
        Path(f"{name}.toml").write_text(user_table.read_text().replace("of my own", f"called {name}"))
    capsys.readouterr()
    written = {}
    for name in names:
        files = api.report(f"{name}.toml").files
        written[name] = {path.name: path.read_bytes() for path in files}
        assert {f"{name}.md", f"{name}.csv", f"{name}.matrices.svg"} <= written[name].keys()
        assert main(["report", f"{name}.toml"]) == 0
        out = capsys.readouterr().out
        assert f"Written: reports/{name}.md, .tex, .csv, .json, .svg ({len(files)} files)" in out
    every = [name for files in written.values() for name in files]
    assert len(every) == len(set(every)) == len(list(Path("reports").glob("[!.]*")))
    for name, files in written.items():
        assert {path.name: path.read_bytes() for path in api.report(f"{name}.toml", check=True).files} == files
    page = (Path("reports") / "my.sweep.v2.md").read_text()
    assert "![Measured and reported averages](my.sweep.v2.comparison.svg)" in page
    assert all((Path("reports") / target).is_file() for target in re.findall(r"\]\(([^)]+)\)", page))


@pytest.mark.parametrize(
    ("benchmark", "seeds", "words"),
    [
        ('{ name = "split_mnist", class_order = "per_seed" }', "4294967295-4294967296", "found 4294967296"),
        ('{ name = "permuted_mnist", permutations = "per_seed" }', "1,4294967296", "found 4294967296"),
        (
            '{ name = "regression_1d", data_seed = 4294967296 }',
            "1",
            "'data_seed' of regression_1d must be at least 0 and",
        ),
        ('{ name = "regression_1d" }', "1", "regression_1d has no classes to tell apart"),
        ('{ name = "split_cifar" }', "1", "split_cifar is for CL1"),
    ],
)
def test_what_no_run_could_begin_with_is_said_before_the_first(
    benchmark: str, seeds: str, words: str, user_table: Path, engine: Engine, capsys: Capture
) -> None:
    user_table.write_text(user_table.read_text().replace('{ name = "synthetic" }', benchmark))
    for command in ("run", "plan"):
        line = refusal([command, "mine.toml", "--scenarios", "CL3", "--seeds", seeds], capsys)
        assert words in line
        assert "(row 'finetune' (CL3) of table 'mine')" in line or "data_seed" in line
    assert not engine.calls


def test_a_figure_that_nobody_knows_is_said_before_the_first_run(
    user_table: Path, engine: Engine, capsys: Capture
) -> None:
    user_table.write_text('figures = ["pie"]' + user_table.read_text())
    for command in ("run", "plan", "status"):
        assert "Table 'mine' asks for figure 'pie': known are comparison" in refusal([command, "mine.toml"], capsys)
    assert not engine.calls


def test_seeds_beyond_32_bits_are_fine_where_nothing_is_drawn_with_the_papers_generator(
    user_table: Path, engine: Engine
) -> None:
    assert main(["run", "mine.toml", "--seeds", "4294967296"]) == 0
    assert len(engine.calls[0]["specs"]) == 3


def test_names_of_files_that_are_no_utf8_are_shown_or_refused(
    user_table: Path, engine: Engine, record_of: RecordOf, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    strange = os.fsdecode(b"caf\xe9")
    Path(strange).mkdir()
    Path(strange, "mine.toml").write_text(user_table.read_text())
    for command in ("status", "report"):
        line = refusal([command, f"{strange}/mine.toml"], capsys)
        assert line.startswith("The name of the table file caf\\udce9/mine.toml cannot be shown")
    spec = resolve_cell(load_table("mine.toml").cells[0], seed=1)
    record = record_of(spec, provenance={"command": f"hnet-bench run --results {strange}"})
    Store(Path(strange)).write(spec, record)
    # As it is outside of pytest, whose stream takes less than that of a program.
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert main(["run", "mine.toml", "--results", strange]) == 0
    assert main(["report", "mine.toml", "--html", "--results", strange]) == 0
    assert "hnet-bench run --results caf\\udce9" in Path("reports/mine.html").read_text(encoding="utf-8")


def test_what_a_wrong_command_quotes_is_cut(capsys: Capture) -> None:
    line = refusal(["run", "quick", "--device", 5000 * "x" + "\n"], capsys)
    assert "--device" in line
    assert len(line) < 1300
