"""`hnet-bench plan` and `run --budget`: what they say, and that they neither train nor store."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.arguments import seconds_of
from hnet_bench.cli import main
from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import load_table
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.engine import Outcome
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec, resolve_cell
from hnet_bench.runs.store import Store

RecordOf = Callable[..., Record]
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90m", 5400), ("2h", 7200), ("1d", 86400), ("3600s", 3600), ("1h30m", 5400), ("1.5 H", 5400), ("1d 1s", 86401)],
)
def test_times_are_written_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "2", "h", "2 weeks", "-1h", "0m", "1h30", "2h!", "9" * 400 + "d"])
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(UserError, match=r"is not a time: expected for example 90m, 2h, 1d, 3600s or 1h30m\."):
        seconds_of(text)


@pytest.fixture
def measured(user_table: Path, record_of: RecordOf) -> Path:
    """mine.toml with one seed done of its first two cells: 60 s and 120 s for 15 steps. None of joint."""
    store = Store(Path("results"))
    for cell, seconds in zip(load_table("mine.toml").cells[:2], (60.0, 120.0), strict=True):
        spec = resolve_cell(cell, seed=1)
        times = {"train": [], "evaluate": [], "total": seconds}
        store.write(
            spec, record_of(spec, score=[[0.5] * 3] * 3, seconds=times, provenance={"commit": None, "device": "cpu"})
        )
    store.write_failure(resolve_cell(load_table("mine.toml").cells[2], seed=1), {"problem": "p"})
    return user_table


def test_a_plan_says_what_would_run_and_what_it_costs(measured: Path, capsys: Capture) -> None:
    before = sorted(Path("results").rglob("*"))
    assert main(["plan", "mine.toml", "--device", "cpu", "-j", "2"]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines() if "CL" in line]
    assert lines[0][:6] == ["finetune", "CL1", "1", "1", "1", "min"]
    assert lines[2][:4] == ["joint", "CL3", "0", "1"]  # one failed ...
    assert lines[2][4] == "2"  # ... and two to do
    assert "other strategies" in out
    # 60 s + 120 s + two of joint at the median of the only other strategy: 90 s each.
    assert "4 runs to do: 0.1 CPU hours expected" in out
    assert sorted(Path("results").rglob("*")) == before


def test_a_plan_as_json_has_numbers(measured: Path, capsys: Capture) -> None:
    assert main(["plan", "mine.toml", "--device", "cpu", "-j", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(cell["done"], cell["failed"], cell["to_do"]) for cell in found["cells"]] == [
        (1, 0, 1),
        (1, 0, 1),
        (0, 1, 2),
    ]
    each = (60 + 120) / 2
    assert found["total"]["seconds"] == pytest.approx(60 + 120 + 2 * each)
    assert found["total"]["low"] < found["total"]["seconds"] < found["total"]["high"]
    assert found["cells"][0]["each"]["seconds"] == pytest.approx(60)


def test_without_records_nothing_is_known_until_it_is_probed(
    user_table: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["plan", "mine.toml"]) == 0
    assert "Nothing is known of the cost of 6 runs: add --probe to find out." in capsys.readouterr().out
    probed: list[RunSpec] = []

    def probe(spec: RunSpec, **how: Any) -> Estimate:
        probed.append(spec)
        return Estimate(seconds=600.0, low=400.0, high=1200.0, basis="a probe")

    monkeypatch.setattr("hnet_bench.runs.probe.probe", probe)
    # In this process, where its place has been taken.
    monkeypatch.setattr("hnet_bench.api.in_own_process", lambda function, *arguments: function(*arguments))
    assert main(["plan", "mine.toml", "--probe", "--device", "cpu", "-j", "2"]) == 0
    assert (
        "6 runs to do: 1.0 CPU hours expected (0.7 to 2.0), about 30 min 00 s at 2 at a time."
        in capsys.readouterr().out
    )
    assert len(probed) == 3


def test_a_finished_plan_has_nothing_to_do(measured: Path, capsys: Capture) -> None:
    assert main(["plan", "mine.toml", "--rows", "finetune", "--seeds", "1"]) == 0
    assert "Nothing to do." in capsys.readouterr().out


def test_a_budget_chooses_the_runs(measured: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[RunSpec]] = []

    def run_all(specs: list[RunSpec], **how: Any) -> Outcome:
        given.append(specs)
        return Outcome(0, ())

    monkeypatch.setattr("hnet_bench.runs.engine.run_all", run_all)
    arguments = ["run", "mine.toml", "--device", "cpu", "-j", "1", "--budget"]
    assert main([*arguments, "150s"]) == 0
    # A cell without a seed first (90 s), then the cheaper one of those with one (60 s).
    assert [(spec.strategy, spec.scenario.label, spec.seed) for spec in given[0]] == [
        ("joint", "CL3", 1),
        ("finetune", "CL1", 2),
    ]
    assert "2 of 4 runs fit into 150s, about 2 min 30 s at 1 at a time; 2 runs left out." in capsys.readouterr().out
    assert main([*arguments, "10s"]) == 2
    assert "None of the 4 runs to do is expected to end within 10s." in capsys.readouterr().err
    assert main([*arguments, "soon"]) == 2
    assert "'soon' is not a time" in capsys.readouterr().err
    assert len(given) == 1


def test_a_plan_and_a_budget_count_with_the_cluster_that_the_sweep_would_run_on(
    measured: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[RunSpec]] = []

    def run_all(specs: list[RunSpec], **how: Any) -> Outcome:
        given.append(specs)
        return Outcome(0, ())

    monkeypatch.setattr("hnet_bench.runs.engine.run_all", run_all)
    monkeypatch.setattr("hnet_bench.runs.cluster.physical_cores", lambda: 1)
    # One at a time, a single run of joint (90 s) fits into 100 s; four at a time, all but the one of 120 s.
    Path("profile.toml").write_text('memory = "1GB"\njobs = 2\nprocesses = 2\n')
    expected = {(): 1, ("--slurm", "profile.toml"): 4}
    for cluster, at_a_time in expected.items():
        assert main(["plan", "mine.toml", "--device", "cpu", "--json", *cluster]) == 0
        assert json.loads(capsys.readouterr().out)["total"]["jobs"] == at_a_time
        assert main(["run", "mine.toml", "--device", "cpu", "--budget", "100s", *cluster]) == 0
        assert f" at {at_a_time} at a time" in capsys.readouterr().out
    assert [len(specs) for specs in given] == [1, 3]


def test_a_probe_of_a_real_run_is_of_the_right_size(user_table: Path) -> None:
    from dataclasses import replace

    from hnet_bench.runs.probe import probe
    from hnet_bench.runs.run import run

    spec = resolve_cell(load_table("mine.toml").cells[0], seed=1)
    spec = replace(spec, protocol=replace(spec.protocol, iterations=4000))
    found = probe(spec, device="cpu", folder=None)
    assert found.low < found.seconds < found.high
    # Not a timing test: what is planned is a hundred times as many iterations as are tried, and that must show.
    few = run(replace(spec, protocol=replace(spec.protocol, iterations=10))).seconds["total"]
    assert found.seconds > few
    assert not Path("results").exists()
