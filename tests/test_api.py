"""Every verb of the command line has its twin, which returns what the verb prints."""

import inspect
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
reported = { mean = 33.3, spread = 0.1, spread_kind = "sem", n = 5, known = "verified", margin = 50.0 }
[rows.CL1]
strategy = "finetune"
"""
# A script without `if __name__ == "__main__"`, which multiprocessing would run again in each worker.
SCRIPT = """
from hnet_bench import api
print("begun")
print(len(api.run("mine.toml", seeds="1-2", jobs=1, device="cpu", results="from_script").records))
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


def test_every_verb_has_a_twin():
    verbs = set(typer.main.get_command(app).commands)
    # What lists names and begins files is another thing in a program.
    assert verbs - {"list"} <= set(api.__all__)
    assert all(inspect.isfunction(getattr(api, name)) for name in api.__all__)
    assert "quick" in api.tables()
    assert {"hnet", "ewc"} <= set(api.strategies())
    assert "split_mnist" in api.benchmarks()


def test_records_are_a_frame_with_one_line_each():
    found = api.records("mine.toml", results="from_script")
    assert sorted(zip(found.scenario, found.seed, strict=True)) == [("CL1", 1), ("CL1", 2), ("CL3", 1), ("CL3", 2)]
    line = found.iloc[0]
    assert line.average_accuracy == pytest.approx(sum(line.score[-1]) / 3)
    assert Path(line.file).exists()
    assert len(api.records("mine.toml", scenarios="CL3", seeds=2, results="from_script")) == 1
    empty = api.records("mine.toml", seeds=99, results="from_script")
    assert list(empty.columns) == list(found.columns)
    assert empty.empty


def test_scores_are_a_long_frame():
    found = api.scores("mine.toml", results="from_script")
    assert list(found.columns)[:10] == [
        "table", "row", "label", "scenario", "benchmark", "seed", "after", "experience", "score", "inferred",
    ]  # fmt: skip
    assert {"method", "title", "reported"} <= {*found.columns}
    assert len(found) == 2 * 2 * 3 * 3
    record = api.records("mine.toml", scenarios="CL1", seeds=2, results="from_script").iloc[0]
    mine = found[(found.scenario == "CL1") & (found.seed == 2)]
    assert mine.pivot(index="after", columns="experience", values="score").to_numpy().tolist() == record.score
    assert mine.after.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    empty = api.scores("mine.toml", seeds=99, results="from_script")
    assert empty.empty
    assert list(empty.columns) == list(found.columns)


def test_the_figure_of_the_readme_is_drawn_from_scores(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    import seaborn

    lines = api.scores("mine.toml", scenarios="CL3", results="from_script")
    figure = seaborn.relplot(lines, x="after", y="score", hue="row", col="experience", kind="line", errorbar=("se", 1))
    assert figure.axes.shape == (1, 3)
    drawn = figure.axes[0, 0].lines[0].get_ydata()
    assert drawn == pytest.approx(lines[lines.experience == 1].groupby("after").score.mean())


def test_a_table_may_be_a_path_and_a_logger_a_single_name(tmp_path):
    table, here = Path("mine.toml"), Path("from_script")
    assert api.status(table, results=here).equals(api.status("mine.toml", results="from_script"))
    assert len(api.plan(table, seeds=range(1, 3), results=here).cells) == 2
    assert len(api.verify(table, scenarios=("CL3",), seeds=numpy.int64(1), results=here)) == 1
    logs = str(tmp_path / "logs")
    done = api.run(table, seeds=[3], scenarios="CL1", device="cpu", logger="csv", logs=logs, results=tmp_path / "other")
    assert done.records.seed.tolist() == [3]
    assert list(Path(logs).rglob("eval_results.csv"))
    assert {"mine.md"} <= {path.name for path in api.report(table, results=here, reports=tmp_path / "pages").files}


def test_frames_without_lines_have_their_columns():
    found, nothing = (
        api.trace("mine.toml", "finetune", "CL1", seeds=seeds, results="from_script") for seeds in (1, 99)
    )
    assert nothing.empty
    assert set(nothing.columns) <= set(found.columns)


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
        ({"rows": [1]}, "'rows' must be a name or a list of names, found [1]."),
        ({"scenarios": 3}, "'scenarios' must be a name or a list of names, found 3."),
        ({"table": 3}, "A table is a name or a path, found 3."),
        ({"table": Path("nowhere.toml")}, "There is no table file nowhere.toml."),
    ],
)
def test_arguments_that_no_command_line_could_hold_are_sentences(arguments, words):
    for verb in (api.run, api.status, api.records, api.plan, api.verify):
        with pytest.raises(UserError) as raised:
            verb(**{"table": "mine.toml", **arguments})
        assert words in str(raised.value)
    assert not Path("results").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"jobs": 0}, "'jobs' must be a number of runs, at least 1, found 0."),
        ({"jobs": "2"}, "'jobs' must be a number of runs, at least 1, found '2'."),
        ({"gpu_slots": -1}, "'gpu_slots' must be a number of runs, at least 1, found -1."),
        ({"device": "gpu"}, "Unknown device 'gpu': expected auto, cpu, cuda."),
        ({"logger": "xml"}, "Unknown logger 'xml': expected csv, tensorboard, wandb."),
        ({"logger": 3}, "'logger' must be a name or a list of names, found 3."),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_before_it_begins(arguments, words):
    with pytest.raises(UserError, match=re.escape(words)):
        api.run("mine.toml", results="nowhere", **arguments)
    assert not Path("nowhere").exists()


def test_status_and_plan_agree_with_the_records():
    status = api.status("mine.toml", results="from_script").set_index("scenario")
    assert status.loc["CL3", ["done", "planned", "failed", "stale"]].tolist() == [2, 3, 0, 0]
    assert status.loc["CL3", "reported_mean"] == 0.333
    plan = api.plan("mine.toml", results="from_script").frame.set_index("scenario")
    assert plan.to_do.tolist() == [1, 1]
    cost = plan.loc["CL1"]
    assert 0 < cost.seconds_low <= cost.seconds <= cost.seconds_high


def test_runs_that_are_done_are_not_done_again():
    before = api.records("mine.toml", seeds=[1, 2], results="from_script")
    again = api.run("mine.toml", seeds=[1, 2], results="from_script", device="cpu")
    assert not again.todo
    assert again.records.equals(before)


def test_verdicts_are_a_frame():
    found = api.verify("mine.toml", results="from_script")
    assert found[["scenario", "outcome"]].to_numpy().tolist() == [["CL3", "inconclusive"]]


def test_a_number_is_traced_to_its_records():
    found = api.trace("mine.toml", "finetune", "CL3", results="from_script")
    assert found.seed.tolist() == [1, 2]
    assert {"file", "average", "provenance.command", "provenance.commit"} <= set(found.columns)


def test_a_run_gives_its_scores_again():
    run_id = api.records("mine.toml", scenarios="CL1", seeds=1, results="from_script").run_id[0]
    assert api.rerun(run_id, results="from_script").verdict == "identical"


def test_stores_are_merged():
    merged = api.merge("from_script", results="merged")
    assert (merged.added, list(merged.conflicts)) == (4, [])
    assert len(api.records("mine.toml", results="merged")) == 4


def test_reports_are_written_and_checked():
    place = {"results": "from_script", "reports": "pages"}
    files = api.report("mine.toml", **place).files
    assert {"mine.md", "mine.csv", "mine.tex"} <= {path.name for path in files}
    checked = api.report("mine.toml", **place, check=True)
    assert (checked.files, checked.problems) == (files, [])
    files[0].write_text("edited")
    assert api.report("mine.toml", **place, check=True).problems == [f"{files[0]} differs from line 1 on"]


def test_a_strategy_is_checked():
    found = api.check("finetune")
    assert found.passed.all()
    assert len(found) > 10


def test_mistakes_are_sentences():
    with pytest.raises(UserError, match="has no row 'nobody'"):
        api.status("mine.toml", rows="nobody")
    with pytest.raises(UserError, match="Unknown table"):
        api.run("no_such_table")
    for verb in (api.status, api.records, api.scores, api.cells, api.verify, api.report, api.figures):
        with pytest.raises(UserError, match=r"There is no results folder typo\."):
            verb("mine.toml", results="typo")
