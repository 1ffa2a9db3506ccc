"""The command line: what it accepts, prints and returns. What verbs do is tested beside `api.py`."""

from __future__ import annotations

import html
import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from hnet_bench import __version__, api, catalog
from hnet_bench.cli import expand, main
from hnet_bench.data.datasets import DATASETS
from hnet_bench.papers.table import load_table
from hnet_bench.runs.engine import Outcome
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell


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
def test_an_option_may_be_followed_by_several_values(given, expected):
    assert expand(given.split()) == expected.split()


@pytest.mark.parametrize(
    "chosen",
    [
        "--rows finetune joint --scenarios CL1 CL3",
        "--rows finetune,joint --scenarios CL1,class",
        "--rows finetune --rows joint --scenarios task --scenarios cl3",
    ],
)
def test_the_three_ways_to_give_several_values_agree(chosen, user_table, said):
    cells = json.loads(said(f"status mine.toml --json {chosen}").out)
    assert [(cell["row"], cell["scenario"]) for cell in cells] == [
        ("finetune", "CL1"),
        ("finetune", "CL3"),
        ("joint", "CL3"),
    ]


def test_without_arguments_there_is_help_and_a_version_when_asked(said):
    out = said("").out
    assert all(word in out for word in ("Usage", "run", "status", "report", "verify", "list", "data"))
    assert said("--version").out == f"hnet-bench {__version__}\n"


WHICH = "either one, by its run id or file, or how many to draw, --draw N"
MODULE_NAME = "A strategy's name has lower-case letters"


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("run quik", "Unknown table 'quik': known are quick"),
        ("run split_mnist", "'split_mnist_tuned' or 'van_de_ven_2019_split_mnist' or 'van_de_ven_2022_split_mnist'?"),
        ("run quick --rows jiont", "its rows are finetune, joint, hnet_ent. Did you mean 'joint'?"),
        ("check Hnet_ENTT", "Did you mean 'hnet_ent'"),
        ("report quik", "Unknown table 'quik'"),
        ("figures quik", "Unknown table 'quik'"),
        ("status absent.toml", "no table file absent.toml"),
        ("run quick --rows nope", "Table 'quick' has no row 'nope': its rows are finetune, joint, hnet_ent."),
        ("status quick --scenarios CL4", "Unknown scenario 'CL4'"),
        ("verify quick --seeds 5-1", "range of seeds 5-1 is empty"),
        ('run quick --rows ""', "--rows has an empty value, as of a variable that is not set"),
        ("status quick --results=", "--results has an empty value"),
        ('run quick --rows finetune ""', "--rows has an empty value"),
        ('report quick --reports ""', "--reports has an empty value"),
        ("run quick --rows ,", "'rows' names nothing, found [',']."),
        ("verify hypernetworks_since_2020 --results .", "as its report explains: choose other rows."),
        ("verify van_de_ven_2022_split_mnist --seeds 1", "Seed 1 is one of those by which hyperparameters"),
        ("status quick --scenarios ,", "'scenarios' names nothing"),
        ("run quick --seeds many", "'many' is not a range of seeds"),
        ("run quick --frequency 3", "--frequency"),
        ("status --rows finetune quick", "Put TABLE first"),
        ("verify", "Missing argument 'TABLE'."),
        ("run mine.toml --logger csv tensorbored", "Unknown logger 'tensorbored': expected csv, tensorboard, wandb."),
        ("run mine.toml --scheduler tcp://here:1 --slurm p.toml", "Give --scheduler or --slurm, not both"),
        ("run mine.toml --stop-after soon", "'soon' is not a time"),
        ("run mine.toml --budget soon", "'soon' is not a time"),
        ("run mine.toml --results mine.toml/results", "cannot be written to"),  # below a file
        ("report mine.toml --reports mine.toml/reports", "cannot be written"),
        ("figures mine.toml --kinds pie", "pie"),
        ("verify mine.toml", "No margin is declared for row 'finetune' (CL1) of table 'mine'"),
        ("verify mine.toml --rows joint", "no number is reported for the chosen cells"),
        *(
            (f"{verb} --results typo", "There is no results folder typo.")
            for verb in (
                *("status mine.toml", "verify mine.toml", "report mine.toml", "figures mine.toml"),
                *("trace mine.toml finetune CL1", "rerun seed1", "rerun --draw 1"),
            )
        ),
        ("trace mine.toml none CL1", "has no row 'none'"),
        ("trace mine.toml joint CL1", "has no cell in CL1"),
        ("trace mine.toml finetune,joint CL1,CL3", "'finetune,joint' and 'CL1,CL3' name 3 cells of table 'mine.toml'."),
        ('trace mine.toml "" CL3', "'row' names nothing, found ''."),
        ("trace mine.toml joint CL9", "Unknown scenario 'CL9'"),
        (f"status mine.toml --results {'a' * 300}", "There is no results folder aaa"),
        (f"rerun {'a' * 300}.json", "There is no record aaa"),
        ("new none", "A strategy's name must be no word of Python's, which 'None' is."),  # its class
        ("new -- class", "no word of Python's, which 'class' is"),
        ("rerun seed7-", "There is no record of a run 'seed7-'"),
        ("rerun absent.json", "There is no record absent.json"),
        ("rerun mine.toml", "There is no record of a run 'mine.toml'"),
        ("rerun", WHICH),
        ("rerun seed1- --draw 2", WHICH),
        ("rerun seed1- --draw-seed 2", WHICH),
        ("rerun --draw 3", "Below results 3 cannot be drawn: found 0 records."),
        ("data --fetch mnits", "no data set 'mnits'"),
        *((f"new -- {name}", MODULE_NAME) for name in ("MyMethod", "my-method", "1st", "../up", "''")),
        ("new mine", "There is a file mine.toml here already"),
        ("new finetune", "There is a strategy 'finetune' already"),
    ],
)
def test_a_mistake_is_a_sentence_and_leaves_nothing(command, sentence, user_table, engine, refused):
    before = user_table.read_bytes()
    assert sentence in refused(command)
    assert not engine.calls
    assert list(user_table.parent.iterdir()) == [user_table]
    assert user_table.read_bytes() == before


def test_what_a_wrong_command_quotes_is_cut(refused):
    line = refused(["run", "quick", "--device", 5000 * "x" + "\n"])
    assert "--device" in line
    assert len(line) < 1300


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
        ("title =", 'figures = ["pie"]\ntitle =', "Table 'mine' asks for figure 'pie': known are comparison"),
    ],
)
@pytest.mark.parametrize("command", ["run", "plan", "status", "report"])
def test_a_broken_table_is_refused_in_a_sentence(command, old, new, words, user_table, engine, refused):
    text = user_table.read_text()
    assert old in text
    user_table.write_text(text.replace(old, new, 1))
    assert words in refused(f"{command} mine.toml")
    assert not engine.calls


@pytest.mark.parametrize(
    ("settings", "seeds", "words"),
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
def test_what_no_run_could_begin_with_is_said_before_the_first(settings, seeds, words, user_table, engine, refused):
    user_table.write_text(user_table.read_text().replace('{ name = "synthetic" }', settings))
    for command in ("run", "plan"):
        line = refused(f"{command} mine.toml --scenarios CL3 --seeds {seeds}")
        assert words in line
        assert "(row 'finetune' (CL3) of table 'mine')" in line or "data_seed" in line
    assert not engine.calls


def test_a_corrupt_data_file_is_refused_before_any_run(user_table, engine, said, refused):
    Path("mnist.npz").write_bytes(b"not an archive")
    assert "mnist.npz is damaged" in refused("run quick --data .")
    assert engine.calls == []
    told = said("data --data .", code=1)
    assert "corrupt" in told.out
    assert "mnist.npz is damaged" in told.err


def test_a_row_without_a_chosen_scenario_is_said_to_be_left_out(user_table, engine, said, refused):
    left = "Left out: row 'joint' has no cell in CL1, CL2.\n"
    for command in ("run", "plan", "status", "figures"):
        assert said(f"{command} mine.toml --rows finetune joint --scenarios CL1 CL2").err == left
        assert said(f"{command} mine.toml --rows finetune joint --scenarios CL1 CL3").err == ""
    assert "has no cell in CL1 for the chosen rows" in refused("run mine.toml --rows joint --scenarios CL1")


def test_a_record_of_a_newer_version_is_neither_counted_nor_made_anew(user_table, engine, said):
    said("run mine.toml --rows joint --seeds 1")
    (path,) = Path("results").rglob("seed*.json")
    newer = path.read_text().replace('"schema": 5', '"schema": 99')
    path.write_text(newer)
    for command in ("run", "plan"):
        told = said(f"{command} mine.toml --seeds 1", code=2).err
        assert f"its record {path} is of a newer hnet_bench: update" in told
    assert len(engine.calls) == 1
    assert said("status mine.toml").err.startswith("Newer, not counted: ")
    said("run mine.toml --rows finetune --seeds 1")
    assert path.read_text() == newer


def test_nothing_is_checked_where_there_are_no_reports(user_table, refused):
    assert "There is no folder of reports reports" in refused("report --check")


def test_a_damaged_record_is_named_not_counted_and_done_again(user_table, engine, said):
    said("run mine.toml")
    record = min(Path("results").rglob("*.json"))
    record.write_text("{")
    for command in ("status", "report"):
        told = said(f"{command} mine.toml")
        (line,) = told.err.splitlines()
        assert line.startswith(f"Damaged, not counted: The record {record} could not be read")
        assert "60.00 (1)" in told.out  # one of two seeds is left
        assert record.read_text() == "{"
    assert str(record) in said("run mine.toml").err
    assert len(engine.calls[1]["specs"]) == 1
    (kept,) = record.parent.glob(f"{record.name}.damaged-*")
    assert kept.read_text() == "{"
    assert said("status mine.toml").err == ""


def test_arrays_that_are_lost_are_named_and_made_again(user_table, engine, stored, said, record_of):
    from hashlib import sha256

    from hnet_bench.runs.store import Store

    spec = resolve_cell(load_table("mine.toml").cells[0], seed=1)
    record = record_of(spec, arrays=sha256(b"arrays").hexdigest())
    archive = Store(Path("results")).write(spec, record, b"arrays").with_suffix(".npz")
    chosen = "mine.toml --rows finetune --scenarios CL1 --seeds 1"
    assert said(f"run {chosen}").out == "Nothing to do: the one run of mine is done.\n"
    archive.unlink()
    for command in (f"status {chosen}", "report mine.toml", "figures mine.toml", f"run {chosen}"):
        told = said(command)
        assert told.err.startswith(f"Arrays lost: The arrays {archive}, which belong to the record beside them")
        if command.startswith(("status", "report")):
            assert "60.00 (1)" in told.out
    (call,) = engine.calls
    assert call["specs"] == [spec]
    (kept,) = archive.parent.glob("*.superseded-*.json")
    assert Record.from_json(json.loads(kept.read_text()), where="the old record") == record


def test_a_sweep_does_every_seed_of_every_cell_once(user_table, engine, said):
    out = said("run mine.toml -j 3 --device cpu").out
    (call,) = engine.calls
    assert len(call["specs"]) == 6
    assert (call["cluster"].jobs, call["options"].device, call["options"].folder) == (3, "cpu", None)
    for words in ("[6/6] finished joint CL3 seed 2", "60.00 ± 0.00 (2)", "hnet-bench report mine.toml"):
        assert words in out
    assert said("run mine.toml").out == "Nothing to do: all 6 runs of mine are done.\n"
    assert len(engine.calls) == 1
    said("run mine.toml --seeds 1-3 --rows joint")  # more seeds later
    assert [spec.seed for spec in engine.calls[1]["specs"]] == [3]
    # Nothing of these is drawn with the papers' generator, which takes 32 bits.
    said("run mine.toml --seeds 4294967296")
    assert len(engine.calls[2]["specs"]) == 3


def test_stale_records_are_marked_and_renewed_when_asked(user_table, engine, said, monkeypatch):
    said("run mine.toml --seeds 1")
    monkeypatch.setattr(catalog.strategy_class("joint"), "revision", 2)
    for command in ("status", "report"):
        out = said(f"{command} mine.toml").out
        assert out.count("60.00 (1)§") == 1
        assert "§ stale: the code computes something else" in out
    assert "60.00 (1)§" in Path("reports/mine.md").read_text()
    assert [cell["stale"] for cell in json.loads(said("status mine.toml --json").out)] == [0, 0, 1]
    renews = "The code computes something else than when it was made; --rerun-stale renews it.\n"
    nothing = "Nothing to do: all 3 runs of mine are done.\n"
    assert said("run mine.toml --seeds 1").out == f"{nothing}Stale: 1 record. {renews}"
    planned = said("plan mine.toml --seeds 1").out
    assert f"Stale: 1 record. {renews}Nothing to do." in planned
    planned = said("plan mine.toml --seeds 1 --rerun-stale").out
    assert "1 run to do" in planned
    assert "Stale" not in planned
    assert json.loads(said("plan mine.toml --seeds 1 --json").out)["total"]["stale"] == 1
    assert "§" not in said("run mine.toml --seeds 1 --rerun-stale").out
    assert [spec.strategy for spec in engine.calls[1]["specs"]] == ["joint"]
    assert len(list(Path("results").rglob("*.superseded-*.json"))) == 1
    said("run mine.toml --seeds 1 --rerun-stale")
    assert len(engine.calls) == 2


def test_failures_are_listed_with_the_place_of_their_traceback(user_table, engine, said):
    engine.broken = {"joint"}
    (line,) = said("run mine.toml --seeds 1", code=1).err.splitlines()
    assert line.startswith("Failed: joint CL3 seed 1: ValueError: broken (more in results/synthetic/class/joint/")
    assert Path(line.rpartition(" ")[2].rstrip(")")).is_file()
    engine.broken = set()
    said("run mine.toml --seeds 1")
    assert [spec.strategy for spec in engine.calls[1]["specs"]] == ["joint"]


def test_an_interruption_keeps_what_is_finished_and_the_same_command_resumes(user_table, engine, said):
    engine.interrupt_after = 2
    (line,) = said("run mine.toml", code=130).err.splitlines()
    assert line.startswith("Interrupted: 2 of 6 runs finished, and their records are kept in results")
    engine.interrupt_after = None
    said("run mine.toml")
    assert len(engine.calls[1]["specs"]) == 4


def test_what_is_left_at_the_end_of_a_piece_has_an_exit_code_of_its_own(user_table, engine, said):
    engine.leave_after, engine.broken = 2, {"joint"}
    assert said("run mine.toml --stop-after 9m", code=75).out.splitlines()[-1] == (
        "Stopped, since --stop-after 9m was given: of 6 runs 2 ended, 0 left a checkpoint, 4 did not begin; the same "
        "command goes on."
    )
    engine.leave_after, engine.broken = None, set()
    assert "Stopped" not in said("run mine.toml --stop-after 9m").out
    deadline = engine.calls[1]["options"].deadline
    assert deadline.sweep_ends - deadline.runs_end == pytest.approx(30)
    assert engine.calls[0]["options"].deadline.sweep_ends <= deadline.sweep_ends


def test_a_piece_in_which_nothing_advances_is_no_success_and_says_why(user_table, engine, said, refused):
    engine.leave_after, command = 0, "run mine.toml --stop-after 3s"
    assert refused(command) == (
        "Nothing advanced in the 3s of --stop-after: they were over before a run began. The same command would do the "
        "same again: give it more time."
    )
    engine.begin_only = True
    assert "no run that was begun came as far as its next checkpoint" in refused(command)
    # Another sweep may have advanced, or be about to.
    engine.outcome = Outcome(0, (), others=True)
    said(command, code=75)
    engine.outcome, engine.keep_steps = Outcome(0, ()), 100
    assert "of 6 runs 0 ended, 1 left a checkpoint, 5 did not begin" in said(command, code=75).out
    assert "Nothing advanced" in refused(command)
    engine.keep_steps = 40  # of another code, which began anew
    said(command, code=75)


@pytest.fixture
def without_joint(monkeypatch):
    """A strategy of the quick table is not there, as where its package is not installed."""
    names = catalog.names
    there = {
        kind: {name: place for name, place in names(kind).items() if name != "joint"}
        for kind in ("strategies", "benchmarks")
    }
    monkeypatch.setattr(catalog, "names", there.__getitem__)


def test_a_strategy_that_is_not_installed_is_named(tmp_path, monkeypatch, without_joint, refused):
    monkeypatch.chdir(tmp_path)
    for command in ("run", "status"):
        assert "Unknown strategy 'joint' in row 'joint' (CL1) of table 'quick'" in refused(
            f"{command} quick --scenarios CL1"
        )


def test_each_data_set_is_loaded_once_from_the_chosen_folder(user_table, monkeypatch, engine, said):
    loaded = []
    monkeypatch.setattr("hnet_bench.data.load.load", lambda name, *, folder, progress: loaded.append((name, folder)))
    said("run quick --data here")
    assert loaded == [("mnist", Path("here"))]
    assert engine.calls[0]["options"].folder == Path("here")


def test_status_shows_a_line_for_each_cell_and_json_has_exactly_the_promised_keys(user_table, stored, said):
    out = said("status mine.toml").out
    assert out.count("not run") == 3
    assert "87.19 ± 0.94†" in out
    stored(results="elsewhere")
    cells = json.loads(said("status mine.toml --json --results elsewhere").out)
    for cell in cells:
        assert list(cell) == [
            *("table", "row", "scenario", "done", "failed", "planned", "stale", "mean", "sem", "reported", "verdict")
        ]
    assert [(cell["done"], cell["planned"]) for cell in cells] == [(1, 2), (0, 2), (0, 2)]
    assert cells[0]["mean"] == pytest.approx(0.6)
    assert set(cells[0]["reported"]) == {"mean", "spread", "spread_kind", "n", "known", "note"}


FILES = {
    *(f"mine.{kind}" for kind in ("md", "tex", "csv", "json", "svg")),
    *(f"mine.{kind}.svg" for kind in ("during-and-final", "forest", "learning-curves", "matrices")),
}


def contents(folder="reports"):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def test_a_table_that_extends_another_has_its_records(user_table, stored, said):
    stored(seed=1)
    (user_table.parent / "more.toml").write_text('extends = "mine.toml"\nseeds = [1, 2, 3]\n')
    cells = json.loads(said("status more.toml --json").out)
    assert [(cell["row"], cell["done"], cell["planned"]) for cell in cells] == [
        ("finetune", 1, 3),
        ("finetune", 0, 3),
        ("joint", 0, 3),
    ]


def test_a_report_is_written_and_printed_and_stays_the_same(user_table, engine, said):
    said("run mine.toml")
    assert said("report mine.toml").out.endswith("Written: reports/mine.md, .tex, .csv, .json, .svg (9 files)\n")
    said("report mine.toml --reports again")
    assert contents().keys() == {*FILES, ".drawn.json", ".tables.json"}
    for name in FILES:
        assert contents("again")[name] == contents()[name]
    said("report mine.toml --html")
    assert "A table of my own</h1>" in Path("reports/mine.html").read_text()
    # A page that somebody asked for is in nobody's way.
    said("report mine.toml --check")
    Path("reports/mine.html").write_text("old")
    said("report mine.toml --check")
    said("report mine.toml --check --html", code=1)


def test_a_check_names_what_is_stale_and_writes_nothing(user_table, engine, said):
    said("run mine.toml --seeds 1")
    said("report mine.toml")
    assert "9 files in reports checked" in said("report mine.toml --check").out
    svg = Path("reports/mine.svg")
    text = svg.read_text()
    # Figures are compared by their data, whatever drew them.
    svg.write_text(text.replace("Matplotlib v", "Matplotlib v9.").replace("stroke-width: 0.8", "stroke-width: 0.9"))
    said("report mine.toml --check")
    svg.write_text(text.replace("hnet_bench data sha256:", "hnet_bench data sha256:0"))
    told = said("report mine.toml --check", code=1)
    assert told.err.startswith("reports/mine.svg shows other data than the records give\n")
    before = contents()
    said("run mine.toml")
    told = said("report mine.toml --check", code=1)
    assert "reports/mine.md differs from line" in told.err
    assert "hnet-bench report writes them anew" in told.err
    assert told.out == ""
    assert before == contents()


def test_figures_that_have_no_records_any_more_are_taken_away_and_nothing_else(user_table, engine, said):
    said("run mine.toml --seeds 1")
    said("report mine.toml")
    for name in ("mine.task-inference.svg", "mine.notes.md", "mine.own.svg"):
        Path("reports", name).write_text("old")
    said("report mine.toml")
    assert {path.name for path in Path("reports").glob("[!.]*")} == {*FILES, "mine.notes.md", "mine.own.svg"}


def test_a_report_without_names_is_about_all_tables_with_records_but_for_trials(user_table, stored, said):
    assert said("report").out == "Nothing to report: no shipped table has a record in results.\n"
    for name in ("quick", "split_hnet_tir_ablation"):
        stored(1, table=name)  # a cell which no other table has
    said("report")
    names = {path.name.partition(".")[0] for path in Path("reports").glob("[!.]*")}
    assert names == {"split_hnet_tir_ablation", "index", "appendix"}
    Path("reports/quick.md").write_text("of a trial")
    said("report --check")
    Path("reports/gone.md").write_text("of a table that is gone")
    told = said("report --check", code=1)
    assert told.err.startswith("reports/gone.md is superfluous\n1 file in reports")


def test_results_in_a_readme_are_written_and_checked(user_table, stored, said):
    stored(1, table="split_hnet_tir_ablation")
    marks = "<!-- results: split_hnet_tir_ablation -->\nold\n<!-- end of results -->\n"
    other = "<!-- results: quick -->\nmine\n<!-- end of results -->\n"
    Path("README.md").write_text(f"Before.\n{marks}{other}After.\n")
    assert said("report").out.endswith("Written: README.md\n")
    text = Path("README.md").read_text()
    assert text.startswith("Before.\n<!-- results: split_hnet_tir_ablation -->\n\n|  | CL3 | reported |")
    assert "| 60.00 (1) |  |\n" in text
    assert text.endswith(f"<!-- end of results -->\n{other}After.\n")
    said("report --check")
    Path("README.md").write_text(text.replace("60.00", "61.00"))
    assert said("report --check", code=1).err.startswith("README.md differs from line 6 on\n1 file")


@pytest.fixture
def judged(user_table):
    """mine.toml with 70.0 ± 0.1 reported for its first cell, and a margin of 1."""
    reported = 'mean = 70.0, spread = 0.1, spread_kind = "sem", n = 20, margin = 1.0, known = "recalled"'
    user_table.write_text(user_table.read_text().replace("mean = 87.19", f"{reported} }}\n# {{ mean = 87.19"))


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
def test_the_exit_code_of_verify_is_its_verdict(scores, code, outcome, judged, stored, said):
    for seed, score in enumerate(scores, start=1):
        stored(seed=seed, score=[[score]])
    told = said("verify mine.toml", code)
    assert told.out.endswith(f"{outcome}\n")
    assert told.err == ""
    (cell,) = json.loads(said("verify mine.toml --json", code).out)
    assert f"1 {cell['verdict']['outcome']}" == outcome


@pytest.mark.parametrize(
    ("scores", "reason", "seeds", "at_least", "runs"),
    [
        ((), "no record", 5, True, 5),
        ((0.70,), "fewer than 3 seeds decide nothing", 5, True, 4),
        ((0.70, 0.701, 0.702), "within the margin so far, but fewer than 5 seeds reproduce no number", 5, False, 2),
        ((0.50, 0.701, 0.902), "the seeds so far spread too much to decide", "more than 1000", False, None),
        ((0.40, 0.601, 0.802), "the difference so far is 9.9 times the margin", "more than 1000", False, None),
        ((0.70, 0.701, 0.702, 0.70, 0.701), None, None, None, None),  # reproduced
    ],
)
def test_verify_says_what_open_cells_wait_for(scores, reason, seeds, at_least, runs, judged, stored, said):
    for seed, score in enumerate(scores, start=1):
        stored(seed=seed, score=[[score] * 3] * 3, seconds={"train": [], "evaluate": [], "total": 60.0})
    code = 2 if reason else 0
    (cell,) = json.loads(said("verify mine.toml --json", code).out)
    if reason is None:
        assert cell["open"] is None
        assert "Cost" not in said("verify mine.toml", code).out
        return
    # Each run takes as long as those that are there, if there are any.
    seconds = 60 * runs if runs and scores else None
    basis = "this cell" if seconds else None
    expected = {"reason": reason, "seeds": seeds, "at_least": at_least, "runs": runs, "expected_seconds": seconds}
    expected |= {"learned_from": basis}
    assert cell["open"] == pytest.approx(expected)
    line = next(line for line in said("verify mine.toml", code).out.splitlines() if reason in line)
    cost = " - - -" if runs is None else f" {runs} {f'{runs} min 00 s this cell' if scores else 'unknown'}"
    assert " ".join(line.split()).endswith(f"{reason} {seeds}{' or more' if at_least else ''}{cost}")


def test_verify_calls_nothing_reproduced_whose_own_error_is_not_known(user_table, stored, said):
    user_table.write_text(user_table.read_text().replace('spread = 0.94, spread_kind = "sem", n = 20', "margin = 1.0"))
    for seed in range(1, 6):
        stored(seed=seed, score=[[0.87]])
    out = said("verify mine.toml", code=2).out
    assert out.endswith("1 close\n")
    assert "its number is taken as exact" in " ".join(out.split())
    said("report mine.toml")
    assert "(✓)" in Path("reports/mine.md").read_text()
    assert "($\\checkmark$)" in Path("reports/mine.tex").read_text()


def test_verify_looks_at_the_chosen_part_alone(user_table, stored, said):
    user_table.write_text(user_table.read_text().replace("n = 20", "n = 20, margin = 5.0"))
    for seed in range(1, 7):
        stored(seed=seed, score=[[0.1 if seed == 6 else 0.87 + 0.001 * seed]])
    said("verify mine.toml --seeds 1-5")
    said("verify mine.toml", code=2)


def test_a_quiet_run_says_nothing_but_what_fails(user_table, engine, said):
    engine.broken = {"joint"}
    told = said("run mine.toml --quiet", code=1)
    assert told.out == ""
    assert told.err.count("Failed: joint CL3 seed") == 2
    assert said("run mine.toml -q --rows finetune") == ("", "")


def test_list_and_data_show_what_is_there(user_table, said):
    out = said("list").out
    assert all(name in out for name in ("quick", "von_oswald_2020_table_1", "finetune", "hnet_ent", "split_mnist"))
    assert "Fine-tuning" in out
    listed = json.loads(said("list --json").out)
    assert {kind: list(entries[0]) for kind, entries in listed.items()} == {
        "tables": ["name", "title", "done", "planned"],
        "strategies": ["name", "class", "description"],
        "benchmarks": ["name", "class", "description"],
    }
    assert all(one["description"] for one in (*listed["strategies"], *listed["benchmarks"]))
    out = said("data --data here").out
    assert "Data folder: here\n" in out
    assert out.count("missing") == len(DATASETS)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("run van_de_ven_2022", ["van_de_ven_2022_split_mnist"]),
        ("report mi", ["mine.toml"]),
        ("status mine.toml --rows fi", ["finetune"]),
        ("status mine.toml --rows finetune,jo", ["finetune,joint"]),
        ("run mine.toml -j 2 --seeds 1-2 --rows j", ["joint"]),
        ("run mine.toml --seeds 1", ["1-2", "1"]),
        ("run mine.toml --seeds 2,1", ["2,1-2", "2,1"]),
        ("trace mine.toml j", ["joint"]),
        ("verify quick --scenarios CL", ["CL1", "CL2", "CL3"]),
        ("check hnet_e", ["hnet_embedding_space", "hnet_ent"]),
        ("show split_m", ["split_mnist_tuned", "split_mnist"]),
        ("status absent.toml --rows f", []),
    ],
)
def test_a_shell_is_offered_what_a_word_may_become(words, offered, user_table, said, monkeypatch):
    monkeypatch.setenv("_HNET_BENCH_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"hnet-bench {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    assert said("").out.split() == offered


def test_show_prints_the_toml_of_a_table_which_can_be_written_to_a_file(user_table, said, refused):
    shipped = Path(api.__file__).parent / "papers" / "quick.toml"
    assert said("show quick").out == shipped.read_text()
    assert said("show mine.toml").out == user_table.read_text()
    user_table.write_text("rows = 3\n")
    assert "missing in table 'mine'" in refused("show mine.toml")


def test_show_says_what_a_class_is_where_it_stands_and_what_can_be_set(user_table, said, refused):
    out = said("show online_ewc").out
    assert re.search(r"Strategy online_ewc, in .*ewc\.py\nLearns CL1, CL2, CL3\n", out)
    assert "Schwarz et al. 2018" in out
    assert re.search(r"strength +float +100000000\.0 +lambda, of the half sum", out)
    assert re.search(
        r"class_order +Literal\['fixed', 'per_seed'\] +\"fixed\" +fixed: \(0, 1\)", said("show split_mnist").out
    )
    said("new other")
    assert re.search(r"memory +int +500 +samples that are stored in all", said("show other.py:Other").out)
    assert refused("show other.py:Othr").endswith("other.py has Other. Did you mean 'Other'?")
    assert "There is no table, strategy or benchmark 'onlin_ewc'" in (line := refused("show onlin_ewc"))
    assert line.endswith("Did you mean 'online_ewc'?")


def test_the_true_mnist_is_verified(mnist_folder, said):
    assert "verified" in said(f"data --data {mnist_folder} --fetch mnist").out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("command", ["status", "report", "verify", "run", "plan", "figures"])
def test_every_output_can_take_what_is_printed(command, encoding, user_table, engine, monkeypatch):
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
def test_no_crash_has_the_exit_code_of_a_verdict(command, crash, monkeypatch, said):
    def fail(*_, **__):
        raise crash

    monkeypatch.setattr("hnet_bench.api.load_table", fail)
    assert type(crash).__name__ in said(f"{command} quick", code=70).err.splitlines()[-1]


def test_nor_has_an_installation_that_lacks_a_library():
    code = "import sys; sys.modules['typer'] = None; from hnet_bench.__main__ import main; sys.exit(main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "typer" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("arguments", [["list"], ["status", "quick", "--json"]])
def test_a_reader_that_goes_away_is_no_verdict(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "hnet_bench", *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_users_file_that_ends_python_is_refused(user_table, refused):
    Path("mine.py").write_text("raise SystemExit(1)")
    user_table.write_text(user_table.read_text().replace('"joint"', '"mine.py:Mine"'))
    assert "mine.py could not be imported: SystemExit: 1." in refused("status mine.toml")


def test_commands_that_are_suggested_can_be_pasted(user_table, engine, said):
    Path("my tables").mkdir()
    Path("my tables/a & b.toml").write_text(user_table.read_text().replace('name = "joint"', 'name = "joint (all)"'))
    table, place = "my tables/a & b.toml", ["--results", "some results"]
    suggested = [
        said([*command, *place]).out.splitlines()[-1].partition(": ")[2]
        for command in (
            ["run", table, "--seeds", "1", "--rows", "finetune"],
            ["trace", table, "joint (all)", "CL3"],
            ["trace", table, "finetune", "CL3"],
        )
    ]
    record = min(Path("some results").rglob("*class*/*/*.json")).stem
    assert [shlex.split(line)[1:] for line in suggested] == [
        ["report", table, *place],
        ["run", table, "--rows", "joint (all)", "--scenarios", "CL3", *place],
        ["rerun", record, *place],
    ]
    said(["report", table, "--html", *place])
    for suffix in ("md", "tex", "html"):
        page = html.unescape(Path(f"reports/a & b.{suffix}").read_text())
        assert "hnet-bench run 'my tables/a & b.toml'" in page, suffix
    assert "hnet-bench trace 'my tables/a & b.toml' finetune CL3" in page


def test_tables_of_one_file_name_never_overwrite_each_others_reports(user_table, engine, said, refused, monkeypatch):
    said("run mine.toml")
    Path("deeper").mkdir()
    Path("deeper/mine.toml").write_text(user_table.read_text().replace("of my own", "of yours"))
    said("report mine.toml")
    page = Path("reports/mine.md").read_bytes()
    for command in ("report", "figures", "report --check"):
        assert refused(f"{command} deeper/mine.toml") == (
            "Reports are named after their table, and 'mine' in reports is of mine.toml, not of deeper/mine.toml: "
            "rename one of them, or choose another folder with --reports."
        )
    both = refused("report mine.toml deeper/mine.toml --reports both")
    assert "'mine' in both is of mine.toml, not of deeper/mine.toml" in both
    assert not Path("both").exists()
    # The same table from another folder, and one that was moved, are no others.
    monkeypatch.chdir("deeper")
    place = "--results ../results --reports ../reports"
    said(f"report ../mine.toml {place}")
    assert "is of ../mine.toml, not of mine.toml" in refused(f"report mine.toml {place}")
    user_table.unlink()
    said(f"report mine.toml {place}")
    assert b"of yours" in (user_table.parent / "reports/mine.md").read_bytes() != page


def test_reports_of_a_shipped_table_and_of_all_are_not_overwritten(user_table, refused):
    for name in ("quick", "index", "appendix"):
        Path(f"{name}.toml").write_text(user_table.read_text())
    Path("reports").mkdir()
    Path("reports/quick.md").write_text("# Of the shipped table")  # as in a clone, where nothing is noted
    assert "'quick' in reports is of the table that ships with hnet_bench" in refused("report quick.toml")
    for name in ("index", "appendix"):
        assert f"reports named '{name}', which other files are" in refused(f"report {name}.toml")
    assert contents().keys() == {"quick.md"}


def test_a_table_whose_name_has_dots_has_files_of_its_own(user_table, engine, said):
    said("run mine.toml")
    names = ["mine", "mine.matrices", "my.sweep.v2"]
    for name in names[1:]:
        Path(f"{name}.toml").write_text(user_table.read_text().replace("of my own", f"called {name}"))
    written = {}
    for name in names:
        files = api.report(f"{name}.toml").files
        written[name] = {path.name: path.read_bytes() for path in files}
        assert {f"{name}.md", f"{name}.csv", f"{name}.matrices.svg"} <= written[name].keys()
        line = f"Written: reports/{name}.md, .tex, .csv, .json, .svg ({len(files)} files)"
        assert line in said(f"report {name}.toml").out
    every = [name for files in written.values() for name in files]
    assert len(every) == len(set(every)) == len(list(Path("reports").glob("[!.]*")))
    for name, files in written.items():
        assert {path.name: path.read_bytes() for path in api.report(f"{name}.toml", check=True).files} == files
    page = Path("reports/my.sweep.v2.md").read_text()
    assert "![Measured and reported averages](my.sweep.v2.comparison.svg)" in page
    assert all((Path("reports") / target).is_file() for target in re.findall(r"\]\(([^)]+)\)", page))


def test_names_of_files_that_are_no_utf8_are_shown_or_refused(user_table, engine, stored, refused, monkeypatch):
    strange = os.fsdecode(b"caf\xe9")
    Path(strange).mkdir()
    Path(strange, "mine.toml").write_text(user_table.read_text())
    for command in ("status", "report"):
        line = refused([command, f"{strange}/mine.toml"])
        assert line.startswith("The name of the table file caf\\udce9/mine.toml cannot be shown")
    stored(results=strange, provenance={"command": f"hnet-bench run --results {strange}"})
    # As it is outside of pytest, whose stream takes less than that of a program.
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="utf-8"))
    assert main(["run", "mine.toml", "--results", strange]) == 0
    assert main(["report", "mine.toml", "--html", "--results", strange]) == 0
    assert "hnet-bench run --results caf\\udce9" in Path("reports/mine.html").read_text(encoding="utf-8")
