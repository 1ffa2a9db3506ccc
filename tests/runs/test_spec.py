"""Specs and run ids: equal settings give equal ids, and everything that matters changes them."""

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.runs.canonical import canonical_json
from hnet_bench.runs.spec import RunSpec

STRATEGY = """
from dataclasses import dataclass
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Mine:
    strength: float = {default}
    widths: tuple = (4, 4)
    name = "mine"
    scenarios = (Scenario.CLASS,)
    def build(self, setup):
        raise NotImplementedError
"""


def test_seeds_of_a_cell_share_the_digest(spec_of):
    spec = spec_of(seed=1)
    assert spec.run_id == f"seed1-{spec.digest}"
    assert len(spec.digest) == 12
    assert spec.with_seed(12).run_id == spec_of(seed=12).run_id == f"seed12-{spec.digest}"
    assert spec.with_seed(12) == spec_of(seed=12)


def test_a_whole_number_given_for_a_float_changes_nothing(spec_of):
    one = spec_of(protocol={"iterations": 5, "learning_rate": 1}, benchmark={"name": "synthetic", "noise": 1})
    other = spec_of(protocol={"iterations": 5, "learning_rate": 1.0}, benchmark={"name": "synthetic", "noise": 1.0})
    assert one.run_id == other.run_id


def test_lists_and_tuples_are_the_same(spec_of):
    one = spec_of(protocol={"iterations": 5, "hidden_units": [4, 3]})
    other = spec_of(protocol={"iterations": 5, "hidden_units": (4, 3)})
    assert one.run_id == other.run_id


def test_a_default_that_is_written_out_changes_nothing(spec_of):
    written = spec_of(protocol={"iterations": 5, "batch_size": 128, "active_classes": "seen"})
    assert written.run_id == spec_of().run_id


@pytest.mark.parametrize(
    "change",
    [
        {"benchmark": {"name": "synthetic", "experiences": 4}},
        {"scenario": Scenario.TASK},
        {"protocol": {"iterations": 6}},
        {"strategy": "joint"},
        {"strategy": "hnet_ent"},
    ],
)
def test_everything_but_the_seed_changes_the_digest(spec_of, change):
    assert spec_of(**change).digest != spec_of().digest


def test_a_changed_default_changes_the_digest(spec_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    digests = []
    for default in ("1.0", "2.0", "1.0"):
        Path("mine.py").write_text(STRATEGY.format(default=default))
        digests.append(spec_of(strategy="mine.py:Mine").digest)
    assert digests[0] == digests[2] != digests[1]


def test_a_users_own_strategy_has_a_folder_of_its_own(spec_of, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(STRATEGY.format(default=1.0))
    spec = spec_of(strategy=f"{tmp_path}/mine.py:Mine")
    assert str(spec.folder) == "synthetic/class/mine-Mine"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    iterations=st.integers(1, 10**6),
    rate=st.floats(1e-8, 1.0),
    widths=st.lists(st.integers(1, 4096), max_size=4),
    scenario=st.sampled_from(Scenario),
    seed=st.integers(0, 10**6),
)
def test_a_spec_is_read_back_from_its_json(spec_of, iterations, rate, widths, scenario, seed):
    protocol = {"iterations": iterations, "learning_rate": rate, "hidden_units": widths}
    spec = spec_of(protocol=protocol, scenario=scenario, seed=seed)
    again = RunSpec.from_json(spec.to_json())
    assert again == spec
    assert again.run_id == spec.run_id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"strategy": "hnet"}, "Strategy 'hnet' does not learn CL3 (a test): it learns CL1."),
        ({"strategy": "hnets"}, "Unknown strategy 'hnets' in a test: known are"),
        ({"benchmark": {"name": "mnist"}}, "Unknown benchmark 'mnist' in the benchmark of a test: known are"),
        ({"hyperparameters": {"strength": 1}}, "Unknown key 'strength' in a test: known keys are none."),
        ({"strategy": "joint", "hyperparameters": {"incremental": 1}}, "'incremental' in a test"),
        (
            {"strategy": "stock", "hyperparameters": {"of": "avalanche.training:EWC", "arguments": {"x": math.inf}}},
            "'x' of 'arguments' in a test must be a finite number",
        ),
        ({"protocol": {}}, "Key 'iterations' is missing in the protocol of a test"),
        # What a class itself refuses.
        ({"protocol": {"iterations": 0}}, "iterations must be positive, found 0 (the protocol of a test)."),
        ({"benchmark": {"name": "synthetic", "experiences": 0}}, "found 0 (the benchmark of a test)."),
        (
            {"strategy": "er", "hyperparameters": {"per_class": 0}},
            "per_class of er must be at least 1, found 0 (a test).",
        ),
    ],
)
def test_what_cannot_be_resolved_is_an_error_that_says_where(spec_of, change, words):
    with pytest.raises(UserError) as raised:
        spec_of(**change)
    assert words in str(raised.value)


@pytest.mark.parametrize("scenarios", ['("CL1", "CL3")', "Scenario.CLASS"])
def test_scenarios_that_are_no_members_are_named(spec_of, tmp_path, monkeypatch, scenarios):
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(
        "from dataclasses import dataclass\nfrom hnet_bench.interfaces import Scenario\n"
        f"@dataclass\nclass Mine:\n    scenarios = {scenarios}\n    def build(self, setup): ...\n"
    )
    with pytest.raises(UserError, match=r"'scenarios' of 'my\.py:Mine' must be a tuple of members of Scenario"):
        spec_of(strategy="my.py:Mine")


def test_numbers_that_json_does_not_have_are_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"rate": float("inf")})
