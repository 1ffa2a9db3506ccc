"""Whatever stands in a table, a command answers it with a sentence or takes it: nothing ends in a traceback.

$HNET_BENCH_MUTATIONS is the number of tables that are tried (100).
"""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from hnet_bench.cli import main
from hnet_bench.config import tomllib
from hnet_bench.papers.table import load_table
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store

TRIED = int(os.environ.get("HNET_BENCH_MUTATIONS", "100"))
LONGEST = 1300  # characters of a message, "Error: " and the end included

TABLE = """
title = "A table"
source = "Somebody 2020"
note = "A note."
seeds = "1-2"
unit = "percent"
better = "higher"
trial = false
figures = ["matrices"]
extends = { table = "quick", rows = ["joint"] }
[reported]
spread = 0.5
spread_kind = "sem"
n = 20
margin = 2.5
known = "verified"
note = "Table 1"
[authors_code]
code = "a/b"
versions = "PyTorch 1.4.0"
[hyperparameters.strong]
strength = 100.0
[settings.tiny]
benchmark = { name = "synthetic", experiences = 2, noise = 0.1 }
protocol = { iterations = 5, batch_size = 4, learning_rate = 1e-3, hidden_units = [5, 5], later_iterations = 2, learning_rate_steps = [[0.5, 0.1]] }
[settings.digits]
benchmark = { name = "split_mnist", class_order = "per_seed" }
protocol = { iterations = 5, active_classes = "seen" }
[settings.pixels]
benchmark = { name = "permuted_mnist", experiences = 3, padding = 2, permutations = "per_seed" }
protocol = { iterations = 5, evaluation = "diagonal_and_final" }
[[rows]]
name = "ewc"
label = "EWC"
settings = "tiny"
hyperparameters = "strong"
CL1 = { strategy = "ewc", reported = { mean = 90.0 }, authors_code = [{ commit = "0a1b", command = "x", by = "us", seeds = "1-3", scores = [1.0, 2, 3] }] }
CL3 = { strategy = "ewc", hyperparameters = { fisher = "exact" }, reported = { mean = 60, n = 5, note = "x", reason = "y" } }
[[rows]]
name = "mine"
settings = "tiny"
reference = true
CL2 = { strategy = "mine.py:Mine", hyperparameters = { widths = [1, 2] } }
[[rows]]
name = "hnet"
settings = "digits"
reported = { known = "recalled" }
CL2 = { strategy = "hnet_ent", hyperparameters = { hidden_units = [10, 10] }, reported = { mean = 80.0 } }
[[rows]]
name = "pixels"
settings = "pixels"
CL3 = { strategy = "finetune" }
"""  # noqa: E501
STRATEGY = """
from dataclasses import dataclass
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Mine:
    name = "mine"
    scenarios = tuple(Scenario)
    widths: tuple[int, ...] = ()
    def build(self, setup): ...
"""

ODD_NUMBERS = [0, -1, 1, 2**31, 2**32, 2**63 - 1, 2**63, 10**400, 16**9000, 0.0, -1.0, 1e-320, 1e155, 1e308]
ODD_NUMBERS += [float("inf"), float("nan"), True, False]
ODD_TEXTS = ["", " ", "-x", "a,b", "a\nb", "\x00", "\x1b[31m", "\x7f", "\u03b1 \u2713", "[*]", "%#&_{}\\", "x" * 5000]
ODD_TEXTS += [
    "mine.py:Mine",
    "mine.py:",
    "mine.py:Other",
    ".py:",
    "a/../mine.py:Mine",
    f"{'x' * 300}.py:Mine",
    "../x.py:A",
]
ODD_TEXTS += ["1-3", "5-1", "9" * 5000, "1-" + "9" * 30, "1-99999,200000-299999", "4294967296", "sd", "mse", "fraction"]
ODD_TEXTS += ["lower", "verified", "synthetic", "split_cifar", "regression_1d", "finetune", "hnet", "compression"]
ODD = [*ODD_NUMBERS, *ODD_TEXTS, [], {}, [1, 2], [[1], [2]], [{}], {"a": 1}, {"name": 3}, {"name": "synthetic"}]
VALUES = st.one_of(
    st.sampled_from(ODD),
    st.recursive(
        st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=8)),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
        max_leaves=6,
    ),
)
PARSED = tomllib.loads(TABLE)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value below the top."""
    keys = content.keys() if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield (*path, key)
        yield from places(content[key], (*path, key))


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """The table with one to three of its values altered, replaced, removed, renamed, exchanged or added to."""
    table = copy.deepcopy(PARSED)
    for _ in range(draw(st.integers(1, 3))):
        found = list(places(table))
        *path, key = draw(st.sampled_from(found))
        holder = table
        for step in path:
            holder = holder[step]
        kind = draw(st.sampled_from([*4 * ["alter"], "replace", "remove", "rename", "exchange", "add"]))
        if kind == "alter" and isinstance(holder[key], (int, float)):
            holder[key] = draw(st.sampled_from(ODD_NUMBERS))
        elif kind == "alter" and isinstance(holder[key], str):
            holder[key] = draw(st.sampled_from(ODD_TEXTS))
        elif kind == "remove":
            del holder[key]
        elif kind == "rename" and isinstance(holder, dict):
            holder[draw(st.text(max_size=5))] = holder.pop(key)
        elif kind == "exchange":
            other: Any = table
            for step in draw(st.sampled_from(found)):
                other = other[step] if isinstance(other, list) or step in other else {}
            holder[key] = copy.deepcopy(other)
        elif kind == "add" and isinstance(holder, dict):
            holder[draw(st.sampled_from(["name", "extra", "n", "CL1", "reported", "label"]))] = draw(VALUES)
        elif kind == "add":
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = draw(VALUES)
    return table


def toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(str(key))} = {toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else f"{'-' * (value < 0)}{hex(abs(value))}"
    if isinstance(value, float):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def without_training(record_of: Callable[..., Record]) -> Callable[..., SimpleNamespace]:
    """Stands in for `run_all`: leaves a record for each of a few runs."""

    def run_all(specs: list[RunSpec], *, store: Store, **_: Any) -> SimpleNamespace:
        for spec in specs[:4]:
            score = [[0.9, None], [0.5, 0.7]] if spec.protocol.evaluation != "all" else [[0.9, 0.1], [0.5, 0.7]]
            store.write(spec, record_of(spec, score=score))
        return SimpleNamespace(others=False)  # an `Outcome`, whose module loads Dask

    return run_all


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_of: Callable[..., Record]) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hnet_bench.runs.engine.run_all", without_training(record_of))
    monkeypatch.setattr("hnet_bench.data.load.load", lambda *_, **__: None)
    Path("mine.py").write_text(STRATEGY)
    return tmp_path


def answered(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> int:
    """The exit code of a command, which must be one of those that are meant, with a readable message."""
    code = main(arguments)
    shown = capsys.readouterr()
    assert code in (0, 1, 2), shown.err
    if code == 2 and shown.err:
        *_, line = shown.err.splitlines()
        assert line.startswith("Error: "), shown.err
        assert len(line) < LONGEST, shown.err
    return code


@settings(
    max_examples=TRIED, deadline=None, derandomize=TRIED <= 1000, suppress_health_check=list(HealthCheck), database=None
)
@given(table=tables(), drawn=st.integers(0, 15))
def test_any_table_is_answered(
    table: dict[str, Any], drawn: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in table.items())
    Path("table.toml").write_text(text, encoding="utf-8", errors="replace")
    taken = answered(["status", "table.toml"], capsys) == 0
    event(f"taken: {taken}")
    if taken:
        shutil.rmtree("results", ignore_errors=True)
        for command in ("plan", "run", "verify", *(["report"] if drawn == 0 else ["status"])):
            answered([command, "table.toml"], capsys)
        answered(["trace", "table.toml", load_table("table.toml").rows[-1], "CL3"], capsys)


def test_the_table_itself_is_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("table.toml").write_text("\n".join(f"{key} = {toml(value)}" for key, value in PARSED.items()))
    for command in ("plan", "run", "status", "report"):
        assert answered([command, "table.toml"], capsys) == 0
    assert json.loads(Path("reports/table.json").read_text())["cells"][0]["measured"]["final"]["n"] == 1
