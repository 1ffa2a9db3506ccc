"""`hnet-bench plan` and `run --budget`: what they say, and that they neither train nor store."""

import json
from pathlib import Path

import pytest

from hnet_bench.arguments import seconds_of
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("2h", 7200), ("1d", 86400), ("3600s", 3600), ("1h30m", 5400), ("1.5 H", 5400), ("1d 1s", 86401)],
)
def test_times_are_written_as_people_write_them(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", 2, "h", "2 weeks", "-1h", "0m", "1h30", "2h!", "9" * 400 + "d"])
def test_anything_else_is_no_time(text):
    with pytest.raises(UserError, match=r"is not a time: expected for example 90m, 2h, 1d, 3600s or 1h30m\."):
        seconds_of(text)


@pytest.fixture
def measured(user_table, stored):
    """mine.toml with one seed done of its first two cells: 60 s and 120 s for 15 steps. None of joint."""
    for cell, seconds in enumerate((60.0, 120.0)):
        times = {"train": [], "evaluate": [], "total": seconds}
        stored(cell, score=[[0.5] * 3] * 3, seconds=times, provenance={"commit": None, "device": "cpu"})
    joint = resolve_cell(load_table("mine.toml").cells[2], seed=1)
    Store(Path("results")).write_failure(joint, {"problem": "p"})


def test_a_plan_says_what_would_run_and_what_it_costs(measured, said):
    before = sorted(Path("results").rglob("*"))
    out = said("plan mine.toml --device cpu -j 2").out
    lines = [line.split() for line in out.splitlines() if "CL" in line]
    assert lines[0][:6] == ["finetune", "CL1", "1", "1", "1", "min"]
    assert lines[2][:5] == ["joint", "CL3", "0", "1", "2"]  # one failed, and two to do
    assert "other strategies" in out
    # 60 s + 120 s + two of joint at the median of the only other strategy: 90 s each.
    assert "4 runs to do: 0.1 CPU hours expected" in out
    found = json.loads(said("plan mine.toml --device cpu -j 2 --json").out)
    counts = [(cell["done"], cell["failed"], cell["to_do"]) for cell in found["cells"]]
    assert counts == [(1, 0, 1), (1, 0, 1), (0, 1, 2)]
    assert found["total"]["seconds"] == pytest.approx(60 + 120 + 2 * 90)
    assert found["total"]["low"] < found["total"]["seconds"] < found["total"]["high"]
    assert found["cells"][0]["seconds"] == pytest.approx(60)
    assert "Nothing to do." in said("plan mine.toml --rows finetune --seeds 1").out
    assert sorted(Path("results").rglob("*")) == before


def test_without_records_nothing_is_known_until_it_is_probed(user_table, said, monkeypatch):
    unknown = "6 runs to do.\nNothing is known of the cost of 6 runs: add --probe to find out.\n"
    assert said("plan mine.toml").out.endswith(unknown)
    probed = []

    def probe(spec, **how):
        probed.append(spec)
        return Estimate(seconds=600.0, low=400.0, high=1200.0, basis="a probe")

    monkeypatch.setattr("hnet_bench.runs.probe.probe", probe)
    # In this process, where its place has been taken.
    monkeypatch.setattr("hnet_bench.runs.estimates.in_own_process", lambda function, *arguments: function(*arguments))
    out = said("plan mine.toml --probe --device cpu -j 2").out
    assert "6 runs to do: 1.0 CPU hours expected (0.7 to 2.0), about 30 min 00 s at 2 at a time." in out
    assert len(probed) == 3


def test_a_budget_chooses_the_runs(measured, engine, said, refused):
    engine.leave_after = 0  # so that the next budget finds the same
    out = said("run mine.toml --device cpu -j 1 --budget 150s").out
    # A cell without a seed first (90 s), then the cheaper one of those with one (60 s).
    assert [(spec.strategy, spec.scenario.label, spec.seed) for spec in engine.calls[0]["specs"]] == [
        ("joint", "CL3", 1),
        ("finetune", "CL1", 2),
    ]
    assert "2 of 4 runs fit into 150s, about 2 min 30 s at 1 at a time; 2 runs left out." in out
    line = refused("run mine.toml --device cpu -j 1 --budget 10s")
    assert line == "None of the 4 runs to do is expected to end within 10s."
    assert len(engine.calls) == 1


def test_a_plan_and_a_budget_count_with_the_cluster_that_the_sweep_would_run_on(measured, engine, said, monkeypatch):
    engine.leave_after = 0
    monkeypatch.setattr("hnet_bench.runs.cluster.physical_cores", lambda: 1)
    # One at a time, a single run of joint (90 s) fits into 100 s; four at a time, all but the one of 120 s.
    Path("profile.toml").write_text('memory = "1GB"\njobs = 2\nprocesses = 2\n')
    for cluster, at_a_time in (("", 1), ("--slurm profile.toml", 4)):
        total = json.loads(said(f"plan mine.toml --device cpu --json {cluster}").out)["total"]
        assert total["jobs"] == at_a_time
        assert f" at {at_a_time} at a time" in said(f"run mine.toml --device cpu --budget 100s {cluster}").out
    assert [len(call["specs"]) for call in engine.calls] == [1, 3]


# Records of the engine that stands in have 60 % in the end; of five equal ones the number is reproduced, at the look
# after three nothing can be.
LOOKS = """
title = "Until decided"
seeds = "1-8"
[settings.tiny]
benchmark = { name = "synthetic" }
protocol = { iterations = 5 }
[reported]
mean = 60.0
spread = 0.1
spread_kind = "sem"
n = 20
margin = 1.0
known = "recalled"
looks = [3, 5, 8]
[[rows]]
name = "finetune"
settings = "tiny"
[rows.CL3]
strategy = "finetune"
reported = {}
[[rows]]
name = "joint"
settings = "tiny"
[rows.CL3]
strategy = "joint"
reported = { mean = 90.0 }
"""


@pytest.fixture
def looks(user_table):
    user_table.write_text(LOOKS)


def seeds_done(engine):
    return [[(spec.strategy, spec.seed) for spec in call["specs"]] for call in engine.calls]


def test_seeds_are_added_until_a_number_is_decided(looks, engine, said):
    planned = said("plan mine.toml --until-decided --device cpu").out
    assert [line.split()[-3:] for line in planned.splitlines() if "CL3" in line] == [["3", "unknown", "unknown"]] * 2
    out = said("run mine.toml --until-decided --device cpu -j 1").out
    assert "2 cells open: 6 runs until the next look of each." in out
    # joint is below after three seeds; finetune is reproduced after five, and goes on to no more.
    assert [len(seeds) for seeds in seeds_done(engine)] == [6, 2]
    assert seeds_done(engine)[1] == [("finetune", 4), ("finetune", 5)]
    assert "1 below, 1 reproduced" in said("verify mine.toml", code=1).out
    nothing = "Nothing to do: each cell with looks is decided, or has had the last one for which there are seeds."
    assert nothing in said("run mine.toml --until-decided --device cpu").out
    assert len(engine.calls) == 2
    assert "3 runs to do" in said("plan mine.toml --rows finetune --device cpu").out  # without it, all seeds


def test_an_open_cell_waits_for_the_first_look_that_could_reproduce_it(looks, engine, said):
    said("run mine.toml --seeds 1-4 --rows finetune --device cpu")
    waiting = [cell["open"] for cell in json.loads(said("verify mine.toml --json", code=2).out)]
    assert [(one["seeds"], one["runs"]) for one in waiting] == [(5, 1), (5, 5)]
    # A look is about the first seeds of the table, and a choice of seeds is no plan.
    said("run mine.toml --seeds 6 --rows finetune --device cpu")
    assert json.loads(said("verify mine.toml --json", code=2).out)[0]["open"]["runs"] == 1
    assert json.loads(said("verify mine.toml --json --seeds 2-6", code=2).out)[0]["open"]["runs"] is None


def test_a_run_that_fails_is_tried_once_and_its_cell_stays_open(looks, engine, said):
    engine.broken = {"joint"}
    said("run mine.toml --until-decided --device cpu -j 1", code=1)
    assert [len(seeds) for seeds in seeds_done(engine)] == [6, 2]


def test_a_sweep_until_decided_ends_in_time_and_goes_on(looks, engine, said):
    engine.leave_after, engine.begin_only, engine.keep_steps = 1, True, 3
    said("run mine.toml --until-decided --device cpu -j 1 --stop-after 9m", code=75)
    assert len(engine.calls) == 1
    engine.leave_after = None
    said("run mine.toml --until-decided --device cpu -j 1 --stop-after 9m")
    assert [len(seeds) for seeds in seeds_done(engine)[1:]] == [5, 2]


def test_a_budget_is_spent_on_the_looks_that_stand_first(looks, engine, said, stored):
    stored(1, seed=1, seconds={"train": [], "evaluate": [], "total": 60.0}, provenance={"device": "cpu"})
    out = said("run mine.toml --until-decided --device cpu -j 1 --budget 3m").out
    assert "2 of 5 runs fit into 3m, about 3 min 00 s at 1 at a time; 3 runs left out." in out
    # Those of joint come first, of which two are left to the look; what is over is for the next command.
    assert seeds_done(engine) == [[("joint", 2), ("joint", 3)]]


def test_a_budget_that_is_spent_before_the_next_look_is_said_to_be(looks, engine, said, stored):
    stored(1, seed=1, seconds={"train": [], "evaluate": [], "total": 60.0}, provenance={"device": "cpu"})
    out = said("run mine.toml --until-decided --device cpu -j 1 --budget 450s").out
    assert [len(seeds) for seeds in seeds_done(engine)] == [5]
    assert "None of the 2 runs to do is expected to end within" in out


@pytest.mark.parametrize("command", ["plan", "run"])
def test_what_is_run_until_decided_has_the_seeds_of_the_table(looks, engine, refused, command):
    line = refused(f"{command} mine.toml --until-decided --seeds 3-8 --device cpu")
    assert line.startswith("What is run until decided has the first seeds of table 'mine', as many as it takes")
    assert engine.calls == []


DRAWS = """
title = "Draws"
seeds = "1-10"
[settings.split]
benchmark = { name = "split_mnist", class_order = "per_seed" }
protocol = { iterations = 5 }
[[rows]]
name = "none"
settings = "split"
[rows.CL2]
strategy = "finetune"
reported = { mean = 60.0, margin = 5.0, n = 10, known = "recalled", seeds = "1-10", repeats = 10 }
"""


def test_the_repeats_of_a_cell_are_one_line_of_a_plan(user_table, said, stored):
    user_table.write_text(DRAWS)
    stored(seconds={"train": [], "evaluate": [], "total": 60.0}, provenance={"device": "cpu"})
    found = json.loads(said("plan mine.toml --device cpu -j 1 --json").out)
    cells = [(cell["row"], cell["done"], cell["to_do"]) for cell in found["cells"]]
    assert cells == [("none", 1, 9), ("none, repeats of draws", 0, 10)]
    each = {cell["seconds"] for cell in found["cells"]}
    assert (found["total"]["runs"], [found["total"]["seconds"]]) == (19, [19 * seconds for seconds in each])


def test_without_looks_nothing_is_run_until_decided(user_table, engine, refused):
    assert "has looks, after which it may be decided" in refused("run mine.toml --until-decided --device cpu")
    assert engine.calls == []


FOLDS = """
from dataclasses import dataclass
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import UserError


@dataclass(frozen=True, kw_only=True)
class Folds(Synthetic):
    name = "folds"

    def check(self, *, scenario, seed):
        if not 3 <= seed <= 5:
            raise UserError(f"There are folds 3 to 5, found {seed}.")
"""


def test_a_benchmark_is_asked_about_the_seeds_of_the_table_alone(user_table, said):
    Path("folds.py").write_text(FOLDS)
    text = user_table.read_text().replace('"synthetic"', '"folds.py:Folds"')
    user_table.write_text(text.replace('seeds = "1-2"', 'seeds = "3-5"'))
    assert "finetune" in said("status mine.toml").out
    assert "finetune" in said("plan mine.toml").out
    user_table.write_text(text)
    assert "There are folds 3 to 5, found 1 (row 'finetune' (CL1) of table 'mine')." in said("plan mine.toml", 2).err


BROKEN = """
from dataclasses import dataclass
from hnet_bench.interfaces import Scenario


@dataclass(frozen=True, kw_only=True)
class Broken:
    name = "broken"
    scenarios = tuple(Scenario)

    def build(self, setup):
        raise KeyError("no key")
"""


def test_a_strategy_that_raises_cannot_be_probed_which_is_a_sentence(user_table, said):
    Path("broken.py").write_text(BROKEN)
    user_table.write_text(user_table.read_text().replace('strategy = "finetune"', 'strategy = "broken.py:Broken"', 1))
    err = said("plan mine.toml --rows finetune --scenarios CL1 --probe --device cpu", 2).err
    line = 1 + BROKEN.splitlines().index('        raise KeyError("no key")')
    sentence = f"broken.py:Broken on synthetic in CL1 cannot be probed: KeyError: 'no key' (line {line} of "
    assert sentence in " ".join(err.split())
    assert "(row 'finetune' (CL1) of table 'mine')" in " ".join(err.split())
