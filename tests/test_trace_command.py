"""`hnet-bench trace` shows the records behind a number; `rerun` repeats one and says whether it holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hnet_bench.cli import main
from hnet_bench.papers.table import load_table
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec, resolve_cell
from hnet_bench.runs.store import Store, to_bytes

RecordOf = Callable[..., Record]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def measured(user_table: Path, record_of: RecordOf) -> list[RunSpec]:
    """mine.toml with two seeds of its first cell: averages of 60 and 50 %, from two commands and one machine."""
    store, cell = Store(Path("results")), load_table("mine.toml").cells[0]
    specs = [resolve_cell(cell, seed) for seed in (1, 2)]
    for spec, last in zip(specs, (0.7, 0.5), strict=True):
        made = {
            "commit": None,
            "dirty": None,
            "command": f"hnet-bench run mine.toml --seeds {spec.seed}",
            "device": "cpu",
            "cpu": "Fast 9000",
            "threads": 1,
            "versions": {"python": "3.11", "torch": "2.9"},
        }
        if spec.seed == 2:
            made |= {"cpu_capability": "AVX2", "switches": {"MKL_CBWR": "AVX2"}}
        store.write(spec, record_of(spec, score=[[0.9, 0.1], [0.5, last]], provenance=made, data={"mnist": "ab" * 32}))
    return specs


def test_a_number_is_traced_to_its_records(measured: list[RunSpec], capsys: Capture) -> None:
    assert main(["trace", "mine.toml", "finetune", "CL1"]) == 0
    out = capsys.readouterr().out
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


def test_the_mean_and_the_sem_are_those_of_status(measured: list[RunSpec], capsys: Capture) -> None:
    assert main(["status", "mine.toml", "--json"]) == 0
    cell = json.loads(capsys.readouterr().out)[0]
    assert main(["trace", "mine.toml", "finetune", "CL1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    averages = [one["average"] for one in found]
    assert sum(averages) / 2 == pytest.approx(cell["mean"])
    assert abs(averages[0] - averages[1]) / 2 == pytest.approx(cell["sem"])
    assert [one["run_id"] for one in found] == [spec.run_id for spec in measured]
    assert found[0]["provenance"]["cpu"] == "Fast 9000"


def test_with_seeds_only_these_are_shown(measured: list[RunSpec], capsys: Capture) -> None:
    assert main(["trace", "mine.toml", "finetune", "CL1", "--seeds", "2"]) == 0
    assert "Mean: 50.00; one seed has no standard error." in capsys.readouterr().out


def test_a_cell_without_records_says_how_to_get_them(measured: list[RunSpec], capsys: Capture) -> None:
    assert main(["trace", "mine.toml", "joint", "CL3"]) == 0
    assert "hnet-bench run mine.toml --rows joint --scenarios CL3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["trace", "mine.toml", "none", "CL1"], "has no row 'none'"),
        (["trace", "mine.toml", "joint", "CL1"], "has no cell in CL1"),
        (["trace", "mine.toml", "joint", "CL9"], "Unknown scenario 'CL9'"),
        (["rerun", "seed7-"], "There is no record of a run 'seed7-'"),
        (["rerun", "seed"], "2 records are of a run 'seed...': give more digits or one of results/synthetic/task"),
        (["rerun", "absent.json"], "There is no record absent.json"),
        (["rerun", "mine.toml"], "There is no record of a run 'mine.toml'"),
        (["rerun"], "either one, by its run id or file, or how many to draw, --draw N"),
        (["rerun", "seed1-", "--draw", "2"], "either one, by its run id or file, or how many to draw, --draw N"),
        (["rerun", "seed1-", "--draw-seed", "2"], "either one, by its run id or file, or how many to draw, --draw N"),
        (["rerun", "--draw", "3"], "Below results 3 cannot be drawn: found 2 records."),
    ],
)
def test_what_is_not_there_is_refused(
    measured: list[RunSpec], arguments: list[str], words: str, capsys: Capture
) -> None:
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_damaged_record_is_not_repeated(measured: list[RunSpec], capsys: Capture) -> None:
    path = Store(Path("results")).path(measured[0])
    path.write_text("{")
    assert main(["rerun", measured[0].run_id]) == 2
    assert "could not be read" in capsys.readouterr().err


def test_a_record_of_other_settings_is_not_repeated(user_table: Path, record_of: RecordOf, capsys: Capture) -> None:
    from hnet_bench.runs.canonical import spec_digest

    spec = resolve_cell(load_table("mine.toml").cells[0], seed=1)
    content = spec.to_json()
    del content["protocol"]["active_classes"]  # as if it had been written before there was this setting
    record = replace(record_of(spec), spec=content, run_id=f"seed1-{spec_digest(content)}")
    path = Path("results") / spec.folder / f"{record.run_id}.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(to_bytes(record))
    assert main(["rerun", str(path)]) == 2
    assert "has other settings than the record (protocol.active_classes)" in capsys.readouterr().err


def test_a_real_run_is_repeated_to_the_last_bit(user_table: Path, capsys: Capture) -> None:
    from hnet_bench.runs.run import run

    spec = resolve_cell(load_table("mine.toml").cells[1], seed=3)
    record = run(spec)
    path = Store(Path("results")).write(spec, record)
    before = path.read_bytes()
    assert main(["rerun", spec.run_id[:10]]) == 0
    assert "Identical: every score is the same" in capsys.readouterr().out
    assert path.read_bytes() == before
    # By hand, every score of the record is put half a point off: within tolerance; then three points: different.
    for points, code, words in ((0.005, 0, "Within tolerance: "), (0.03, 1, "Different: ")):
        score = [[value - points for value in row] for row in record.score]
        path.write_bytes(to_bytes(replace(record, score=score)))
        assert main(["rerun", str(path)]) == code
        out = capsys.readouterr().out
        assert words in out
        assert f"is {100 * points:.2f} percentage points (2 are tolerated)" in out
        assert "Nothing that the record names has changed" in out
    assert main(["rerun", str(path), "--tolerance", "4"]) == 0
    versions = {**record.provenance["versions"], "torch": "1.0"}
    made = {**record.provenance, "versions": versions, "cpu_capability": "OTHER", "switches": {"MKL_CBWR": "AVX2"}}
    path.write_bytes(to_bytes(replace(record, score=score, provenance=made)))
    capsys.readouterr()
    assert main(["rerun", str(path)]) == 1
    out = capsys.readouterr().out
    assert "  torch: 1.0, now 2." in out
    assert "  vector instructions of torch: OTHER, now " in out
    assert "  MKL_CBWR: AVX2, now not set\n" in out
    assert len(list(Path("results").rglob("*.*"))) == 1


def test_records_are_drawn_at_random_and_repeated(user_table: Path, record_of: RecordOf, capsys: Capture) -> None:
    from hnet_bench.runs.run import run

    store, cells = Store(Path("results")), load_table("mine.toml").cells
    sound = resolve_cell(cells[1], seed=3)
    store.write(sound, run(sound))
    assert main(["rerun", "--draw", "1"]) == 0
    out = capsys.readouterr().out
    assert re.match(rf"{store.path(sound)}, which took \d+ s:\nRepeating ", out)
    assert out.endswith("1 record drawn with seed 0: 1 identical.\n")
    broken = store.path(resolve_cell(cells[0], 2))
    broken.parent.mkdir(parents=True, exist_ok=True)
    broken.write_text("{")
    assert main(["rerun", "--draw", "2", "--draw-seed", "5"]) == 1
    said = capsys.readouterr()
    assert f"{broken}, which cannot be read:" in said.out
    assert "Not repeated: The record" in said.err
    assert last_line(said.out) == "2 records drawn with seed 5: 1 identical, 1 not repeatable."
    broken.unlink()
    made_up = resolve_cell(cells[0], 1)
    store.write(made_up, record_of(made_up))
    assert main(["rerun", "--draw", "2"]) == 1
    assert last_line(capsys.readouterr().out) == "2 records drawn with seed 0: 1 identical, 1 different."


def last_line(text: str) -> str:
    """The last line, with the verdicts that it counts in the order of the alphabet but "identical" first."""
    start, _, verdicts = text.splitlines()[-1].partition(": ")
    ordered = sorted(verdicts.rstrip(".").split(", "), key=lambda one: ("identical" not in one, one))
    return f"{start}: {', '.join(ordered)}."


def test_a_run_that_breaks_costs_only_itself(user_table: Path, record_of: RecordOf, capsys: Capture) -> None:
    from hnet_bench.runs.run import run

    Path("broken.py").write_text(BROKEN)
    user_table.write_text(user_table.read_text().replace('strategy = "joint"', 'strategy = "broken.py:Broken"'))
    store, cells = Store(Path("results")), load_table("mine.toml").cells
    sound, broken = resolve_cell(cells[1], 3), resolve_cell(cells[2], 1)
    store.write(sound, run(sound))
    store.write(broken, record_of(broken))
    assert main(["rerun", "--draw", "2"]) == 1
    said = capsys.readouterr()
    assert "Not repeated: RuntimeError: it has a screw loose" in said.err
    assert last_line(said.out) == "2 records drawn with seed 0: 1 identical, 1 not repeatable."


BROKEN = """
from dataclasses import dataclass
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Broken:
    name = "broken"
    scenarios = tuple(Scenario)
    def build(self, setup):
        raise RuntimeError("it has a screw loose")
"""


def test_a_draw_is_the_same_for_the_same_seed_and_fair(tmp_path: Path) -> None:
    from hnet_bench.api import draw

    one, other = tmp_path / "one", tmp_path / "other"
    names = [f"synthetic/task/{strategy}/seed{seed}-0123456789ab.json" for strategy in ("a", "b") for seed in (1, 2)]
    for root, made in ((one, names), (other, reversed(names))):
        for name in made:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
    for seed in range(20):
        found = [[path.relative_to(root) for path in draw(3, seed=seed, results=root)] for root in (one, other)]
        assert found[0] == found[1]
        assert len(set(found[0])) == 3
    firsts = [draw(1, seed=seed, results=one)[0] for seed in range(400)]
    # Of 400 draws each of the four is expected 100 times, with a standard deviation of 8.7.
    assert len(set(firsts)) == 4
    assert all(60 < firsts.count(path) < 140 for path in set(firsts))


LOUD = """
from dataclasses import dataclass
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Loud:
    name = "loud"
    scenarios = tuple(Scenario)
    def build(self, setup):
        import warnings
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
        warnings.simplefilter("always")  # as a library does that announces its own deprecation
        warnings.warn("this is old", DeprecationWarning)
        return ClassifierTemplate(setup=setup)
"""


def test_what_libraries_say_of_themselves_is_not_shown(
    user_table: Path, recwarn: pytest.WarningsRecorder, record_of: RecordOf, capsys: Capture
) -> None:
    Path("loud.py").write_text(LOUD)
    user_table.write_text(user_table.read_text().replace('strategy = "joint"', 'strategy = "loud.py:Loud"'))
    spec = resolve_cell(load_table("mine.toml").cells[2], seed=1)
    Store(Path("results")).write(spec, record_of(spec))
    assert main(["rerun", spec.run_id]) == 1  # the record is made up
    assert not [one for one in recwarn if "old" in str(one.message)]
    assert capsys.readouterr().err == ""


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
CL1 = { strategy = "hnet_full", reported = { mean = 0.00422, known = "verified" } }
"""


def test_errors_are_traced_and_repeated_as_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_of: RecordOf, capsys: Capture
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("errors.toml").write_text(REGRESSION)
    store, (cell,) = Store(Path("results")), load_table("errors.toml").cells
    for seed, error in ((1, 0.25), (2, 0.35)):
        spec = resolve_cell(cell, seed)
        store.write(spec, record_of(spec, score=[[error] * 3] * 3))
    assert main(["trace", "errors.toml", "hnet", "CL1"]) == 0
    out = capsys.readouterr().out
    assert "HNET, CL1: 0.300 ± 0.0500 (2), reported 0.00422\n" in out
    assert "Mean squared error" in out
    assert "Mean: 0.300. Standard deviation over the 2 seeds: 0.0707;" in out
    # Three steps of training leave errors of another size than what was made up.
    assert main(["rerun", resolve_cell(cell, 1).run_id]) == 1
    out = capsys.readouterr().out
    assert "Different: average 0.250, now " in out
    assert "% (2 are tolerated)" in out
    assert "percentage points" not in out
    assert "the averages of the 2 seeds of this cell have a standard deviation of 0.0707; this one moved by" in out
