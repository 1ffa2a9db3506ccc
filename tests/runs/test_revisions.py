"""A record is stale if the code computes something else than when it was made, and only then."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hnet_bench import catalog
from hnet_bench.interfaces import TrainingProtocol
from hnet_bench.papers.table import load_table
from hnet_bench.runs.canonical import checksum
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.revisions import changed_since, revisions_of
from hnet_bench.runs.store import Store

FIRST = {"strategy": 1, "benchmark": 1, "protocol": 1}


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in ("strategies", "benchmarks") for name in catalog.names(kind)]
)
def test_each_of_ours_has_a_revision_of_its_own(kind, name):
    found = catalog.strategy_class(name) if kind == "strategies" else catalog.benchmark_class(name)
    assert vars(found)["revision"] >= 1  # not that of a class it inherits from, which may be raised for itself


def test_the_three_revisions_of_a_run_are_those_of_its_classes(spec_of, monkeypatch):
    spec = spec_of()
    monkeypatch.setattr(catalog.strategy_class("finetune"), "revision", 2)
    monkeypatch.setattr(catalog.benchmark_class("synthetic"), "revision", 3)
    monkeypatch.setattr(TrainingProtocol, "revision", 4)
    assert revisions_of(spec) == {"strategy": 2, "benchmark": 3, "protocol": 4}
    assert spec_of().run_id == spec.run_id  # they are no part of what is run


@pytest.mark.parametrize(
    ("recorded", "present", "changed"),
    [
        ({}, {}, ()),
        ({}, {"strategy": 2}, ("strategy: revision 1, now revision 2",)),
        ({"strategy": 2}, {}, ("strategy: revision 2, now revision 1",)),  # of newer code than this
        ({"strategy": "a"}, {"strategy": "b"}, ("strategy: content a, now content b",)),
        ({"strategy": 1}, {"strategy": "b"}, ("strategy: revision 1, now content b",)),
        (
            {},
            {"benchmark": 2, "protocol": 3},
            ("benchmark: revision 1, now revision 2", "protocol: revision 1, now revision 3"),
        ),
    ],
)
def test_what_has_changed_since_a_record_was_made_is_told(recorded, present, changed):
    assert changed_since({**FIRST, **recorded}, {**FIRST, **present}) == changed


@pytest.mark.parametrize(
    ("kind", "name", "stale"),
    [("strategies", "finetune", {"finetune"}), ("strategies", "joint", {"joint"}), ("benchmarks", "synthetic", None)],
)
def test_a_raised_revision_makes_all_affected_records_stale_and_only_those(
    user_table, record_of, monkeypatch, kind, name, stale
):
    store, table = Store(Path("results")), load_table("mine.toml")
    for state in table_state(table, store):
        assert state.spec is not None
        for seed in (1, 2):
            one = state.spec.with_seed(seed)
            store.write(one, record_of(one))
    assert not any(state.stale_seeds for state in table_state(table, store))
    changed = catalog.strategy_class(name) if kind == "strategies" else catalog.benchmark_class(name)
    monkeypatch.setattr(changed, "revision", 2)
    found = {state.cell.strategy: state.stale_seeds for state in table_state(table, store)}
    assert found == {one: (1, 2) if stale is None or one in stale else () for one in ("finetune", "joint")}


def test_records_from_before_there_were_revisions_have_the_first(spec_of, record_of):
    def lifted(spec):
        later = ("revisions", "arrays", "measured", "trainings", "sha256")
        content = {key: value for key, value in record_of(spec).to_json().items() if key not in later}
        old = {**content, "schema": 3}
        return Record.from_json({**old, "sha256": checksum(old)}, where="an old record")

    assert lifted(spec_of()).revisions == FIRST


def test_the_content_of_a_plug_in_is_its_revision_whatever_number_it_has(tmp_path, spec_of, monkeypatch):
    package = tmp_path / "plugged_in_for_revisions"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text("revision = 1")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    names = catalog.names
    mine = {"mine": "plugged_in_for_revisions.mine:Mine"}
    monkeypatch.setattr(catalog, "names", lambda kind: {**names(kind), **(mine if kind == "strategies" else {})})
    spec = replace(spec_of(), strategy="mine")
    before = revisions_of(spec)["strategy"]
    (package / "mine.py").write_text("revision = 2")
    assert isinstance(before, str)
    assert revisions_of(spec)["strategy"] not in (before, 1, 2)
