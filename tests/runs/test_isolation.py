"""What a strategy leaves behind reaches no other run, whatever runs before it and whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hnet_bench import api
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.cli import main
from hnet_bench.papers.table import load_table
from hnet_bench.runs.engine import Outcome
from hnet_bench.runs.record import Record
from hnet_bench.runs.run import run
from hnet_bench.runs.spec import RunSpec, resolve_cell
from hnet_bench.runs.store import Store, read_record

# One puts its own scorer in the place of ours, for every run after it. One counts its runs in a module, and the second
# differs from the first, whatever its seed.
STRATEGIES = """
from dataclasses import dataclass, replace
from typing import ClassVar
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Flatters:
    name: ClassVar[str] = "flatters"
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)
    def build(self, setup):
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
        from hnet_bench.avalanche_adapter.evaluation import Evaluation, Evaluator

        def all_right(self, template, on=None):
            return Evaluation([1.0] * len(self._targets), None, [])

        Evaluator.evaluate = all_right
        return ClassifierTemplate(setup=setup)

RUNS = []

@dataclass(frozen=True, kw_only=True)
class Remembers:
    name: ClassVar[str] = "remembers"
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)
    def build(self, setup):
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
        RUNS.append(setup.seed)
        fewer = replace(setup.protocol, hidden_units=(len(RUNS),))
        return ClassifierTemplate(setup=replace(setup, protocol=fewer))
"""
ROW = """
[[rows]]
name = "{name}"
settings = "tiny"
CL3 = {{ strategy = "{strategy}" }}
"""
ROWS = {"flatters": "left.py:Flatters", "remembers": "left.py:Remembers", "finetune": "finetune"}
TABLE = """
title = "A table of my own"
seeds = "1-2"
[settings.tiny]
benchmark = { name = "synthetic" }
protocol = { iterations = 20 }
""" + "".join(ROW.format(name=name, strategy=strategy) for name, strategy in ROWS.items())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, sweep_of: Callable[..., Outcome]) -> Path:
    """A folder whose table has been run by one worker, the row that flatters first."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "left.py").write_text(STRATEGIES)
    (folder / "mine.toml").write_text(TABLE)
    specs = [spec for name in ROWS for spec in seeds_of(folder, name)]
    assert sweep_of(specs, Store(folder / "results")) == Outcome(6, ())
    return folder


@pytest.fixture(autouse=True)
def inside(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    # A cheater in this process would reach the tests that follow.
    monkeypatch.setattr(Evaluator, "evaluate", Evaluator.evaluate)


def seeds_of(folder: Path, row: str) -> list[RunSpec]:
    (cell,) = (cell for cell in load_table(str(folder / "mine.toml")).cells if cell.row == row)
    return [resolve_cell(cell, seed) for seed in (1, 2)]


def records(folder: Path, row: str) -> list[Record]:
    store = Store(folder / "results")
    return [read_record(store.path(spec)) for spec in seeds_of(folder, row)]


def test_a_scorer_that_a_strategy_replaced_scores_no_other_run(project: Path) -> None:
    assert [record.score for record in records(project, "flatters")] == [[[1.0] * 3] * 3] * 2
    alone = [run(spec).score for spec in seeds_of(project, "finetune")]
    assert [record.score for record in records(project, "finetune")] == alone


def test_what_a_strategy_keeps_in_a_module_does_not_reach_its_next_seed(project: Path) -> None:
    # One hidden unit in either: each was the first run of its process.
    assert len({record.parameters["trained"] for record in records(project, "remembers")}) == 1


def test_records_that_are_repeated_one_after_the_other_are_repeated_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rerun", "--draw", "6"]) == 0
    assert "6 records drawn with seed 0: 6 identical." in capsys.readouterr().out


def test_a_check_leaves_nothing_in_the_session_that_asks_for_it(project: Path) -> None:
    before = Evaluator.evaluate
    assert len(api.check(f"{project}/left.py:Flatters")) > 10
    assert Evaluator.evaluate is before
