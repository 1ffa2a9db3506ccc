"""Every verb of the command line is a function, which returns what the verb prints."""

import inspect
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
import typer

from hnet_bench import api
from hnet_bench.cli import app
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table

TABLE = """
title = "A table of my own"
seeds = "1-3"
[settings.small]
benchmark = { name = "synthetic" }
protocol = { iterations = 20, batch_size = 16, hidden_units = [20] }
[[rows]]
name = "finetune"
settings = "small"
[rows.CL3]
strategy = "finetune"
reported = { mean = 33.3, spread = 0.1, spread_kind = "sem", n = 5, known = "verified", note = "read", margin = 50.0 }
[rows.CL1]
strategy = "finetune"
"""
# A script without `if __name__ == "__main__"`, which multiprocessing would run again in each worker.
SCRIPT = """
from hnet_bench import api
print("begun")
print(len(api.run("mine.toml", seeds="1-2", jobs=1, device="cpu").records))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a table and the records of a real sweep over seeds 1 and 2, made by a script."""
    here = tmp_path_factory.mktemp("api")
    (here / "mine.toml").write_text(TABLE)
    (here / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begun") == 1
    assert done.stdout.rstrip().endswith("4")
    return here


@pytest.fixture(autouse=True)
def inside(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_every_verb_is_a_function():
    verbs = set(typer.main.get_command(app).commands)
    functions = {name for name in api.__all__ if inspect.isfunction(getattr(api, name))}
    assert verbs - {"list"} <= functions  # which is what `progress` and three others return
    assert "quick" in api.tables()
    assert {"hnet", "ewc"} <= set(api.strategies())
    assert "split_mnist" in api.benchmarks()
    (quick,) = (one for one in api.progress() if one.name == "quick")
    assert (quick.done, quick.planned > 0) == (0, True)
    assert {one.state for one in api.data(data="nothing")} == {"missing"}


def test_records_are_a_frame_with_one_line_each():
    found = api.records("mine.toml")
    assert sorted(zip(found.scenario, found.seed, strict=True)) == [("CL1", 1), ("CL1", 2), ("CL3", 1), ("CL3", 2)]
    line = found.iloc[0]
    assert line.average_accuracy == pytest.approx(sum(line.score[-1]) / 3)
    assert Path(line.file).exists()
    assert len(api.records("mine.toml", scenarios="CL3", seeds=2)) == 1


def test_an_overview_has_what_tables_print():
    found = api.overview("mine.toml")
    assert list(found.columns) == [("CL1", "measured"), ("CL3", "measured"), ("CL3", "reported")]
    assert found.loc["finetune", ("CL3", "reported")] == "33.30 ± 0.10"
    assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d \(2\)", found.loc["finetune", ("CL1", "measured")])
    assert list(api.overview("mine.toml", scenarios="CL1").columns) == [("CL1", "measured")]


def test_what_a_notebook_shows_is_a_table(capsys):
    done = api.run("mine.toml", seeds="1-2", quiet=True)
    assert capsys.readouterr() == ("", "")
    assert repr(done).startswith("0 runs done, 0 failed, 0 left\n\nscenario ")
    assert done._repr_html_() == api.overview("mine.toml", seeds="1-2").to_html()
    planned = api.plan("mine.toml")
    assert repr(planned).startswith("2 runs to do: ")
    assert planned._repr_html_() == planned.frame.to_html()
    assert repr(api.plan("mine.toml", seeds=1)).startswith("Nothing to do.\n\n")


@pytest.mark.parametrize("verb", [api.records, api.scores])
def test_frames_without_lines_have_their_columns(verb):
    empty = verb("mine.toml", seeds=99)
    assert empty.empty
    assert list(empty.columns) == list(verb("mine.toml").columns)


def test_scores_are_a_long_frame():
    found = api.scores("mine.toml")
    assert list(found.columns)[:10] == [
        "table", "row", "label", "scenario", "benchmark", "seed", "after", "experience", "score", "inferred",
    ]  # fmt: skip
    assert {"method", "title", "reported"} <= {*found.columns}
    assert len(found) == 2 * 2 * 3 * 3
    record = api.records("mine.toml", scenarios="CL1", seeds=2).iloc[0]
    mine = found[(found.scenario == "CL1") & (found.seed == 2)]
    assert mine.pivot(index="after", columns="experience", values="score").to_numpy().tolist() == record.score
    assert mine.after.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_cells_have_the_mean_of_their_records():
    cells, records = api.cells("mine.toml").set_index("scenario"), api.records("mine.toml")
    assert cells["mean"].to_dict() == pytest.approx(records.groupby("scenario").average_accuracy.mean().to_dict())
    assert (cells.loc["CL3", "reported"], cells.loc["CL3", "n"]) == (0.333, 2)


def test_the_figure_of_the_readme_is_drawn_from_scores(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    import seaborn

    lines = api.scores("mine.toml", scenarios="CL3")
    figure = seaborn.relplot(lines, x="after", y="score", hue="row", col="experience", kind="line", errorbar=("se", 1))
    assert figure.axes.shape == (1, 3)
    drawn = figure.axes[0, 0].lines[0].get_ydata()
    assert drawn == pytest.approx(lines[lines.experience == 1].groupby("after").score.mean())


def test_a_table_may_be_a_path_and_a_logger_a_single_name(tmp_path):
    table, here = Path("mine.toml"), Path("results").resolve()
    assert api.status(table, results=here).equals(api.status("mine.toml"))
    assert len(api.plan(table, seeds=range(1, 3), results=here).cells) == 2
    assert len(api.verify(table, scenarios=("CL3",), seeds=numpy.int64(1), results=here)) == 1
    logs = str(tmp_path / "logs")
    done = api.run(table, seeds=[3], scenarios="CL1", device="cpu", logger="csv", logs=logs, results=tmp_path / "other")
    assert done.records.seed.tolist() == [3]
    assert (len(done.todo), done.failed, done.left) == (1, [], [])
    assert list(Path(logs).rglob("eval_results.csv"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"seeds": 1.5}, "'seeds' must be a seed, a range such as \"1-5\" or a list of seeds, found 1.5."),
        ({"seeds": []}, "'seeds' is empty: give a seed, a range"),
        ({"seeds": "x"}, "'x' is not a range of seeds"),
        ({"seeds": [1, 2.5]}, "'1,2.5' is not a range of seeds"),
        ({"seeds": True}, "found True"),
        ({"seeds": -1}, "'-1' is not a range of seeds"),
        ({"rows": []}, "'rows' is empty"),
        ({"rows": " , "}, "'rows' names nothing, found ' , '."),
        ({"rows": [1]}, "'rows' must be a name or a list of names, found [1]."),
        ({"rows": "nobody"}, "has no row 'nobody'"),
        ({"scenarios": 3}, "'scenarios' must be a name or a list of names, found 3."),
        ({"table": 3}, "A table is a name or a path, found 3."),
        ({"table": "nobody"}, "Unknown table"),
        ({"table": Path("nowhere.toml")}, "There is no table file nowhere.toml."),
    ],
)
def test_arguments_that_no_command_line_could_hold_are_sentences(arguments, words):
    for verb in (api.run, api.status, api.records, api.scores, api.cells, api.plan, api.verify):
        with pytest.raises(UserError) as raised:
            verb(**{"table": "mine.toml", **arguments})
        assert words in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"jobs": 0}, "'jobs' must be a number of runs, at least 1, found 0."),
        ({"jobs": "2"}, "'jobs' must be a number of runs, at least 1, found '2'."),
        ({"gpu_slots": -1}, "'gpu_slots' must be a number of runs, at least 1, found -1."),
        ({"device": "gpu"}, "Unknown device 'gpu': expected auto, cpu, cuda."),
        ({"logger": "xml"}, "Unknown logger 'xml': expected csv, tensorboard, wandb."),
        ({"logger": 3}, "'logger' must be a name or a list of names, found 3."),
        ({"stop_after": 60}, "'60' is not a time"),
        ({"checkpoint_every": -1}, "'checkpoint_every' must be a number of at least 0, found -1."),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_it_begins(arguments, words):
    with pytest.raises(UserError, match=re.escape(words)):
        api.run("mine.toml", results="nowhere", **arguments)
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    ("verb", "arguments", "words"),
    [
        (api.figures, {"table": "mine.toml", "width": -1}, "'width' must be a number from 2 to 50, found -1."),
        (api.figures, {"table": "mine.toml", "font_size": True}, "'font_size' must be a number from 4 to 40, found"),
        (api.figures, {"table": "mine.toml", "width": math.inf}, "'width' must be a number from 2 to 50, found inf."),
        (api.draw_records, {"number": 0}, "'number' must be a whole number of at least 1, found 0."),
        (api.draw_records, {"number": 2.5}, "'number' must be a whole number of at least 1, found 2.5."),
        (api.rerun, {"run": "seed1", "tolerance": float("nan")}, "'tolerance' must be a number of at least 0, found"),
        (api.tune, {"table": "mine.toml", "checkpoint_every": "1"}, "'checkpoint_every' must be a number of at least"),
    ],
)
def test_numbers_that_the_command_line_would_not_take_are_refused(verb, arguments, words):
    with pytest.raises(UserError, match=re.escape(words)):
        verb(**arguments)


def test_a_results_folder_that_is_not_there_is_no_empty_one():
    for verb in (api.status, api.records, api.scores, api.cells, api.verify, api.report, api.figures):
        with pytest.raises(UserError, match=r"There is no results folder typo\."):
            verb("mine.toml", results="typo")


def test_status_and_plan_agree_with_the_records():
    status = api.status("mine.toml").set_index("scenario")
    assert status.loc["CL3", ["done", "planned", "failed", "stale"]].tolist() == [2, 3, 0, 0]
    assert status.loc["CL3", "reported_mean"] == 0.333
    plan = api.plan("mine.toml", jobs=1)
    cost = plan.frame.set_index("scenario").loc["CL1"]
    assert plan.frame.to_do.tolist() == [1, 1]
    assert 0 < cost.seconds_low <= cost.seconds <= cost.seconds_high
    assert plan.elapsed == pytest.approx(plan.frame.seconds.sum())


def test_runs_that_are_done_are_not_done_again():
    before = api.records("mine.toml", seeds=[1, 2])
    again = api.run("mine.toml", seeds=[1, 2], device="cpu")
    assert not again.todo
    assert again.records.equals(before)


def test_verdicts_are_a_frame():
    found = api.verify("mine.toml")
    assert found[["scenario", "outcome"]].to_numpy().tolist() == [["CL3", "inconclusive"]]
    assert found["open.expected_seconds"].notna().tolist() == [True]


def test_a_number_is_traced_to_its_records():
    found = api.trace("mine.toml", "finetune", "CL3")
    assert found.seed.tolist() == [1, 2]
    assert {"provenance.command", "provenance.commit"} <= set(found.columns)
    nothing = api.trace("mine.toml", "finetune", "CL3", seeds=99)
    assert nothing.empty
    assert {"seed", "file", "average"} <= set(nothing.columns) <= set(found.columns)


def test_a_run_gives_its_scores_again():
    (path,) = api.draw_records(1, seed=3)
    again = api.rerun(path)
    assert (again.verdict, again.found.largest) == ("identical", 0)
    assert again.again.score == again.record.score


def test_stores_are_merged():
    merged = api.merge("results", results="merged")
    assert (merged.added, list(merged.conflicts)) == (4, [])
    assert len(api.records("mine.toml", results="merged")) == 4


def test_reports_and_figures_are_written_and_checked():
    files = api.report("mine.toml", reports="pages").files
    assert {"mine.md", "mine.csv", "mine.tex"} <= {path.name for path in files}
    checked = api.report("mine.toml", reports="pages", check=True)
    assert (checked.files, checked.problems) == (files, [])
    files[0].write_text("edited")
    assert api.report("mine.toml", reports="pages", check=True).problems == [f"{files[0]} differs from line 1 on"]
    drawn = api.figures("mine.toml", reports="pages", kinds="forest", formats=("svg", "pdf"), width=3.25)
    assert drawn.files == [Path("pages/mine.forest.svg"), Path("pages/mine.forest.pdf")]
    assert drawn.records == 4


def test_a_strategy_is_begun_and_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert api.new("mine") == [Path("mine.py"), Path("mine.toml")]
    assert {cell.row for cell in load_table("mine.toml").cells if cell.reference} == {"finetune", "joint"}
    shown = api.show("mine.py:Mine")
    assert (shown.kind, shown.file, shown.scenarios) == ("strategy", tmp_path / "mine.py", ("CL1", "CL2", "CL3"))
    assert [one.name for one in shown.settings] == ["memory"]
    told = []
    found = api.check("mine.py:Mine", {"memory": 6}, on_finding=lambda *line: told.append(line))
    assert found.passed.all()
    assert len(found) == len(told) > 10
    assert found.scenario.dropna().unique().tolist() == ["CL1", "CL2", "CL3"]
