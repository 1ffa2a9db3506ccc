"""What is said of two sets of fingerprints."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hnet_bench import catalog

RUNS = [
    ("finetune CL1", "strategy", "finetune", "synthetic"),
    ("finetune CL3", "strategy", "finetune", "synthetic"),
    ("ewc CL1", "strategy", "ewc", "synthetic"),
    ("split_mnist CL1", "benchmark", "finetune", "split_mnist"),
]


def script(name: str) -> Any:
    """A file beside this one, which is no package."""
    found = importlib.util.spec_from_file_location(f"golden_{name}", Path(__file__).with_name(f"{name}.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def measured(changed: tuple[str, ...] = (), **raised: Any) -> dict[str, Any]:
    """What fingerprints.py prints of a tree in which these runs give something else."""
    revisions: dict[str, Any] = {
        "strategy": {"finetune": 1, "ewc": 1, **raised.get("strategy", {})},
        "benchmark": {"synthetic": 1, "split_mnist": 1, **raised.get("benchmark", {})},
        "protocol": raised.get("protocol", 1),
    }
    runs = [
        {
            "name": name,
            "of": of,
            "strategy": strategy,
            "benchmark": benchmark,
            "scenario": name[-3:],
            "fingerprint": str(name in changed),
        }
        for name, of, strategy, benchmark in RUNS
    ]
    return {"revisions": revisions, "runs": runs}


STRATEGIES = ("finetune CL1", "finetune CL3", "ewc CL1")
EVERYTHING = (*STRATEGIES, "split_mnist CL1")


@pytest.mark.parametrize(
    ("after", "sentences"),
    [
        (measured(), []),
        (
            measured(("ewc CL1",)),
            ["The behaviour of the strategy ewc has changed (CL1; 1 of 1 runs), but its revision was not raised."],
        ),
        (measured(("ewc CL1",), strategy={"ewc": 2}), []),
        (
            measured(("ewc CL1",), strategy={"finetune": 2}),
            [
                "The behaviour of the strategy ewc has changed (CL1; 1 of 1 runs), but its revision was not raised.",
                "The revision of the strategy finetune was raised, but no fingerprint of it has changed.",
            ],
        ),
        (
            measured(("split_mnist CL1",)),
            [
                "The behaviour of the benchmark split_mnist has changed (CL1; 1 of 1 runs), but its revision was not "
                "raised."
            ],
        ),
        (
            measured(("finetune CL3",)),
            [
                "The behaviour of the strategy finetune has changed (CL3; 1 of 2 runs: finetune CL3, ...), but its "
                "revision was not raised."
            ],
        ),
        (measured(("split_mnist CL1",), benchmark={"split_mnist": 2}), []),
        (measured(STRATEGIES, benchmark={"synthetic": 2}), []),
        (measured(EVERYTHING, protocol=2), []),
        (measured(protocol=2), ["The revision of the protocol was raised, but no fingerprint of it has changed."]),
        (measured(strategy={"new": 3}), []),  # there was none before
    ],
)
def test_each_change_without_a_revision_and_each_revision_without_a_change_is_a_sentence(
    after: dict[str, Any], sentences: list[str]
) -> None:
    assert list(script("compare").problems(measured(), after).values()) == sentences


def test_batches_of_training_count_where_both_trees_have_measured_them() -> None:
    def with_batches(size: str) -> dict[str, Any]:
        found = measured()
        return {**found, "runs": [{**run, "training_batches": {size: 60}} for run in found["runs"]]}

    problems = script("compare").problems
    assert problems(measured(), with_batches("16")) == problems(with_batches("16"), with_batches("16")) == {}
    assert len(problems(with_batches("16"), with_batches("32"))) == len(problems(measured(), measured(EVERYTHING)))


def test_a_run_with_other_values_is_another_run() -> None:
    def with_strength(strength: float, changed: tuple[str, ...] = ()) -> dict[str, Any]:
        found = measured(changed)
        return {**found, "runs": [{**run, "hyperparameters": {"strength": strength}} for run in found["runs"]]}

    problems = script("compare").problems
    assert problems(with_strength(5.0), with_strength(50.0, EVERYTHING)) == {}
    same = problems(with_strength(5.0), with_strength(5.0, EVERYTHING))
    assert same == problems(measured(), measured(EVERYTHING))
    assert problems(measured(), with_strength(5.0, EVERYTHING)) == {}  # a script that did not say which values it set


def test_a_change_of_all_strategies_points_at_what_they_share() -> None:
    found = script("compare").problems(measured(), measured(EVERYTHING))
    assert list(found) == ["strategy finetune", "strategy ewc", "benchmark split_mnist", "all strategies"]
    assert "raise TrainingProtocol.revision" in found["all strategies"]


@pytest.mark.parametrize(
    ("of_older", "code"),
    [(measured(("ewc CL1",)), 0), (measured(), 1), ({**measured(), "runs": []}, 0), ({}, 1)],
    ids=["the newer commit was between a change and its way back", "as the newer", "no such strategy yet", "unknown"],
)
def test_on_main_a_sentence_must_be_true_of_an_older_commit_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], of_older: dict[str, Any], code: int
) -> None:
    compare = script("compare")
    trees = iter([[measured(), {**measured(("ewc CL1",)), "skipped": []}], [of_older]])
    monkeypatch.setattr(compare, "measured", lambda *roots: next(trees))
    monkeypatch.setattr(compare, "commit_tree", lambda commit: contextlib.nullcontext(commit))
    monkeypatch.setattr(compare, "default_commits", lambda: ["newer", "older"])
    monkeypatch.setattr(compare, "_git", lambda *arguments: "a changed file")
    monkeypatch.setattr(sys, "argv", ["compare.py"])
    assert compare.main() == code
    output = capsys.readouterr().out
    assert "The behaviour of the strategy ewc has changed" in output
    assert ("Not true of commit older, and so not counted" in output) == (code == 0)


@pytest.mark.parametrize(("first", "expected"), [(1, ["2", "1"]), (2, ["2", "2"])])
def test_where_there_were_no_fingerprints_a_day_earlier_the_first_are_asked(
    first: int, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three commits, a day and a half apart; the first fingerprints are in one of the older two."""
    compare = script("compare")
    monkeypatch.setattr(compare, "ROOT", tmp_path)

    def git(*words: str, day: float = 0.0) -> str:
        date = f"{int(1e9 + 86400 * day)} +0000"
        who = {f"GIT_{one}_{what}": "t" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        dates = {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
        done = subprocess.run(
            ["git", "-C", tmp_path, *words],
            env={**os.environ, **who, **dates},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    git("init", "-q", "-b", "main")
    hashes = {}
    for number in (1, 2, 3):
        if number == first:
            (tmp_path / compare.SCRIPT).parent.mkdir(parents=True)
            (tmp_path / compare.SCRIPT).touch()
        git("add", ".")
        git("commit", "-q", "--allow-empty", "-m", str(number), day=1.5 * number)
        hashes[git("rev-parse", "HEAD")] = str(number)
    assert [hashes[one] for one in compare.default_commits()] == expected


def test_every_strategy_in_every_scenario_and_every_benchmark_has_a_fingerprint() -> None:
    fingerprints = script("fingerprints")
    runs = {(one["strategy"], one["scenario"]) for _, one in fingerprints.strategy_cases()}
    for name in catalog.names("strategies"):
        for scenario in catalog.strategy_class(name).scenarios:
            assert (name, scenario) in runs
    assert {one["benchmark"]["name"] for _, one in fingerprints.benchmark_cases()} == set(catalog.names("benchmarks"))


def test_a_fingerprint_is_the_same_twice_and_another_for_another_step() -> None:
    fingerprints = script("fingerprints")
    arguments = dict(fingerprints.strategy_cases())["finetune CL3"]
    longer = {**arguments, "protocol": {**arguments["protocol"], "iterations": 21}}
    first, second, other = (fingerprints.fingerprint(one, with_samples=False) for one in (arguments, arguments, longer))
    assert first == second
    assert first["fingerprint"] != other["fingerprint"]
    assert (first["training_batches"], other["training_batches"]) == ({"16": 60}, {"16": 63})  # of three experiences
