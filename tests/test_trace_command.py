"""`hnet-bench trace` shows the records behind a number; `rerun` repeats one and says whether it holds."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from hnet_bench.api import draw_records
from hnet_bench.papers.table import load_table
from hnet_bench.runs.canonical import spec_digest
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store, to_bytes


@pytest.fixture
def measured(user_table, stored):
    """mine.toml with two seeds of its first cell: averages of 60 and 50 %, from two commands and one machine."""
    specs = []
    for seed, last in ((1, 0.7), (2, 0.5)):
        made = {
            "commit": None,
            "dirty": None,
            "command": f"hnet-bench run mine.toml --seeds {seed}",
            "device": "cpu",
            "cpu": "Fast 9000",
            "threads": 1,
            "versions": {"python": "3.11", "torch": "2.9"},
        }
        if seed == 2:
            made |= {"cpu_capability": "AVX2", "switches": {"MKL_CBWR": "AVX2"}}
        score = [[0.9, 0.1], [0.5, last]]
        specs.append(stored(seed=seed, score=score, provenance=made, data={"mnist": "ab" * 32}))
    return specs


def test_what_failed_is_told_with_its_file(user_table, said):
    spec = resolve_cell(load_table("mine.toml").cells[0], seed=2)
    path = Store(Path("results")).write_failure(spec, {"problem": "the loss is nan"})
    out = said("trace mine.toml finetune CL1").out
    assert f"Seed 2 failed: the loss is nan ({path}).\nNo record yet: hnet-bench run" in out
    assert said("trace mine.toml finetune CL1 --seeds 7,9").out.endswith("--scenarios CL1 --seeds 7,9\n")


def test_a_number_is_traced_to_its_records(measured, said):
    out = said("trace mine.toml finetune CL1").out
    for words in (
        "Fine-tuning, CL1: 55.00 ± 5.00 (2), reported 87.19 ± 0.94†",
        f"results/synthetic/task/finetune/{measured[1].run_id}.json",
        # By hand: deviations of +5 and -5, squares 25 + 25 over one; the root of 50 is 7.07, over that of 2 it is 5.
        "Mean: 55.00. Standard deviation over the 2 seeds: 7.07; divided by the root of 2, the SEM: 5.00.",
        "Command: hnet-bench run mine.toml --seeds 1 (seed 1)",
        "Command: hnet-bench run mine.toml --seeds 2 (seed 2)",
        "Commit: not recorded, with or without changes\n",
        "Revisions: strategy 1, benchmark 1, protocol 1\n",
        "Versions: python 3.11, torch 2.9\n",
        "Hardware: Fast 9000, threads: 1 (seed 1)\n",
        "Hardware: Fast 9000, threads: 1, vector instructions of torch: AVX2, MKL_CBWR=AVX2 (seed 2)\n",
        f"Data: mnist {'ab' * 32}\n",
        f"hnet-bench rerun {measured[0].run_id}\n",
    ):
        assert words in out, words
    assert [line.split()[:3] for line in out.splitlines() if ".json" in line] == [
        ["1", "60.00", "current"],
        ["2", "50.00", "current"],
    ]
    assert "Mean: 50.00; one seed has no standard error." in said("trace mine.toml finetune CL1 --seeds 2").out
    assert "hnet-bench run mine.toml --rows joint --scenarios CL3" in said("trace mine.toml joint CL3").out


def test_the_mean_and_the_sem_are_those_of_status(measured, said):
    cell = json.loads(said("status mine.toml --json").out)[0]
    found = json.loads(said("trace mine.toml finetune CL1 --json").out)
    averages = [one["average"] for one in found]
    assert sum(averages) / 2 == pytest.approx(cell["mean"])
    assert abs(averages[0] - averages[1]) / 2 == pytest.approx(cell["sem"])
    assert [one["run_id"] for one in found] == [spec.run_id for spec in measured]
    assert found[0]["provenance"]["cpu"] == "Fast 9000"


def test_a_record_that_is_not_one_or_no_longer_can_be_is_not_repeated(measured, record_of, refused):
    assert "2 records are of a run 'seed...': give more digits or one of results/synthetic/task" in refused(
        "rerun seed"
    )
    Store(Path("results")).path(measured[0]).write_text("{")
    assert "could not be read" in refused(f"rerun {measured[0].run_id}")
    content = measured[1].to_json()
    del content["protocol"]["active_classes"]  # as if it had been written before there was this setting
    record = replace(record_of(measured[1]), spec=content, run_id=f"seed2-{spec_digest(content)}")
    path = Path("results") / measured[1].folder / f"{record.run_id}.json"
    path.write_bytes(to_bytes(record))
    assert "has other settings than the record (protocol.active_classes)" in refused(f"rerun {path}")


@pytest.fixture
def sound(user_table):
    """The record of a real run of the second cell."""
    from hnet_bench.runs.run import run

    spec = resolve_cell(load_table("mine.toml").cells[1], seed=3)
    record = run(spec)
    Store(Path("results")).write(spec, record)
    return record


def test_a_real_run_is_repeated_to_the_last_bit(sound, said):
    (path,) = Path("results").rglob("*.json")
    before = path.read_bytes()
    assert "Identical: every score is the same" in said(f"rerun {sound.run_id[:10]}").out
    assert path.read_bytes() == before
    # By hand, every score of the record is put half a point off: within tolerance; then three points: different.
    for points, code, words in ((0.005, 0, "Within tolerance: "), (0.03, 1, "Different: ")):
        changed = replace(sound, score=[[value - points for value in row] for row in sound.score])
        path.write_bytes(to_bytes(changed))
        out = said(f"rerun {path}", code).out
        assert words in out
        assert f"is {100 * points:.2f} percentage points (2 are tolerated)" in out
        assert "Nothing that the record names has changed" in out
    said(f"rerun {path} --tolerance 4")
    versions = {**sound.provenance["versions"], "torch": "1.0"}
    made = {**sound.provenance, "versions": versions, "cpu_capability": "OTHER", "switches": {"MKL_CBWR": "AVX2"}}
    path.write_bytes(to_bytes(replace(changed, provenance=made)))
    out = said(f"rerun {path}", code=1).out
    assert "  torch: 1.0, now 2." in out
    assert "  vector instructions of torch: OTHER, now " in out
    assert "  MKL_CBWR: AVX2, now not set\n" in out
    assert len(list(Path("results").rglob("*.*"))) == 1


STRATEGY = """
from dataclasses import dataclass
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Mine:
    name = "mine"
    scenarios = tuple(Scenario)
    def build(self, setup):
        import warnings
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
        warnings.simplefilter("always")  # as a library does that announces its own deprecation
        warnings.warn("this is old", DeprecationWarning)
        return ClassifierTemplate(setup=setup)
"""


@pytest.fixture
def mine(user_table):
    """The third cell of mine.toml is a strategy of the user's, whose `build` may be replaced."""
    user_table.write_text(user_table.read_text().replace('strategy = "joint"', 'strategy = "mine.py:Mine"'))

    def write(last_line="        return ClassifierTemplate(setup=setup)"):
        Path("mine.py").write_text(STRATEGY.rpartition("        return")[0] + last_line + "\n")

    write()
    return write


def test_records_are_drawn_at_random_and_repeated_whatever_becomes_of_others(mine, sound, stored, said):
    (path,) = Path("results").rglob("*.json")
    out = said("rerun --draw 1").out
    assert re.match(rf"{path}, which took \d+ s:\nRepeating ", out)
    assert out.endswith("1 record drawn with seed 0: 1 identical.\n")
    mine('        raise RuntimeError("it has a screw loose")')
    sentence = "mine.py:Mine CL3 seed 1 cannot be repeated: RuntimeError: it has a screw loose (line "
    broken = Store(Path("results")).path(stored(2))
    assert f"Error: {sentence}" in said(f"rerun {broken}", code=2).err
    damaged = Store(Path("results")).path(stored(0, seed=2))
    damaged.write_text("{")
    stored(0, seed=1)  # made up
    told = said("rerun --draw 4 --draw-seed 5", code=1)
    assert f"{damaged}, which cannot be read:" in told.out
    assert "Not repeated: The record" in told.err
    assert f"Not repeated: {sentence}" in told.err
    start, _, verdicts = told.out.splitlines()[-1].rstrip(".").partition(": ")
    assert start == "4 records drawn with seed 5"
    assert sorted(verdicts.split(", ")) == ["1 different", "1 identical", "2 not repeatable"]


def test_a_draw_is_the_same_for_the_same_seed_and_fair(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    names = [f"synthetic/task/{strategy}/seed{seed}-0123456789ab.json" for strategy in ("a", "b") for seed in (1, 2)]
    for root, made in ((one, names), (other, reversed(names))):
        for name in made:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
    for seed in range(20):
        found = [[path.relative_to(root) for path in draw_records(3, seed=seed, results=root)] for root in (one, other)]
        assert found[0] == found[1]
        assert len(set(found[0])) == 3
    firsts = [draw_records(1, seed=seed, results=one)[0] for seed in range(400)]
    # Of 400 draws each of the four is expected 100 times, with a standard deviation of 8.7.
    assert len(set(firsts)) == 4
    assert all(60 < firsts.count(path) < 140 for path in set(firsts))


def test_what_libraries_say_of_themselves_is_not_shown(mine, recwarn, stored, said):
    assert said(f"rerun {stored(2).run_id}", code=1).err == ""  # the record is made up
    assert not [one for one in recwarn if "old" in str(one.message)]


REGRESSION = """
title = "Errors"
seeds = "1-2"
unit = "mse"
better = "lower"
[settings.toy]
benchmark = { name = "regression_1d" }
protocol = { iterations = 3, activation = "sigmoid", initialisation = "xavier" }
[[rows]]
name = "hnet"
label = "HNET"
settings = "toy"
CL1 = { strategy = "hnet_full", reported = { mean = 0.00422, known = "verified", note = "read in Table 2" } }
"""


def test_errors_are_not_taken_for_accuracies(refused):
    Path("errors.toml").write_text(REGRESSION.replace('unit = "mse"\n', ""))
    words = 'are mean squared errors, and the table takes them for accuracies: write unit = "mse" and better = "lower"'
    for command in ("plan", "status", "latex"):
        assert words in refused(f"{command} errors.toml")


def test_errors_are_traced_and_repeated_as_errors(user_table, stored, said):
    Path("errors.toml").write_text(REGRESSION)
    spec, _ = (
        stored(seed=seed, table="errors.toml", score=[[error] * 3] * 3) for seed, error in ((1, 0.25), (2, 0.35))
    )
    out = said("trace errors.toml hnet CL1").out
    assert "HNET, CL1: 0.300 ± 0.0500 (2), reported 0.00422\nReported: verified (read in Table 2).\n" in out
    assert "Mean squared error" in out
    assert "Mean: 0.300. Standard deviation over the 2 seeds: 0.0707;" in out
    # Three steps of training leave errors of another size than what was made up.
    out = said(f"rerun {spec.run_id}", code=1).out
    assert "Different: average 0.250, now " in out
    assert "% (2 are tolerated)" in out
    assert "percentage points" not in out
    assert "the averages of the 2 seeds of this cell have a standard deviation of 0.0707; this one moved by" in out
