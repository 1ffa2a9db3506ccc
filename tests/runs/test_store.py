"""The store: written once, never half, and honest about what it cannot read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store, write_atomically

SpecOf = Callable[..., RunSpec]
RecordOf = Callable[..., Record]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_record_is_read_back_from_where_the_spec_says(tmp_path: Path, spec_of: SpecOf, record_of: RecordOf) -> None:
    store, spec = Store(tmp_path), spec_of()
    assert not store.has(spec)
    path = store.write(spec, record_of(spec))
    assert path == tmp_path / "synthetic" / "class" / "finetune" / f"{spec.run_id}.json"
    assert store.has(spec)
    assert store.records(spec) == [record_of(spec)]


def test_the_first_record_of_a_run_is_kept(tmp_path: Path, spec_of: SpecOf, record_of: RecordOf) -> None:
    store, spec = Store(tmp_path), spec_of()
    path = store.write(spec, record_of(spec, score=[[0.25]]))
    before = path.read_bytes()
    store.write(spec, record_of(spec, score=[[0.75]]))
    assert path.read_bytes() == before


def test_a_record_that_cannot_be_written_as_json_leaves_nothing(
    tmp_path: Path, spec_of: SpecOf, record_of: RecordOf
) -> None:
    spec = spec_of()
    with pytest.raises(ValueError, match="not JSON compliant"):
        Store(tmp_path).write(spec, record_of(spec, score=[[float("nan")]]))
    assert files(tmp_path) == []


def test_an_interrupted_write_leaves_the_old_content_and_no_partial_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "deep" / "page.md"
    write_atomically(path, b"old")

    def interrupted(descriptor: int) -> None:
        assert path.read_text() == "old"  # a reader still meets the whole old file
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert files(tmp_path) == ["page.md"]


def test_a_partial_file_is_no_record(tmp_path: Path, spec_of: SpecOf, record_of: RecordOf) -> None:
    store, spec = Store(tmp_path), spec_of()
    path = store.write(spec, record_of(spec))
    path.rename(path.with_name(f".{path.name}.7.partial"))
    assert store.done_seeds(spec) == ()


def test_seeds_of_other_specs_do_not_count(tmp_path: Path, spec_of: SpecOf, record_of: RecordOf) -> None:
    store, spec = Store(tmp_path), spec_of()
    other = spec_of(protocol={"iterations": 6})
    for one in (spec.with_seed(10), spec.with_seed(2), other):
        store.write(one, record_of(one))
    assert store.done_seeds(spec) == (2, 10)
    assert store.done_seeds(other) == (1,)


def test_a_failure_is_noted_until_the_run_succeeds(tmp_path: Path, spec_of: SpecOf, record_of: RecordOf) -> None:
    store, spec = Store(tmp_path), spec_of()
    store.write_failure(spec, {"problem": "first"})
    path = store.write_failure(spec, {"problem": "second"})
    assert path == store.failure_path(spec)
    assert json.loads(path.read_text())["problem"] == "second"
    assert store.failed_seeds(spec) == (1,)
    assert not store.has(spec)
    store.write(spec, record_of(spec))
    assert store.failed_seeds(spec) == ()
    assert not path.exists()


def damaged(record: Record, how: str) -> str:
    content = record.to_json()
    if how == "cut":
        return json.dumps(content)[:-20]
    if how == "no object":
        return "[]"
    if how == "schema":
        content["schema"] = 99
    if how == "key":
        del content["seconds"]
    if how == "extra":
        content["accuracy"] = 0.9
    if how == "not square":
        content["score"] = [[0.5, 0.5]]
    if how == "not numbers":
        content["score"] = [["high"]]
    return json.dumps(content)


@pytest.mark.parametrize("how", ["cut", "no object", "schema", "key", "extra", "not square", "not numbers"])
def test_a_damaged_record_is_an_error_that_names_the_file(
    tmp_path: Path, spec_of: SpecOf, record_of: RecordOf, how: str
) -> None:
    store, spec = Store(tmp_path), spec_of()
    path = store.write(spec, record_of(spec))
    path.write_text(damaged(record_of(spec), how))
    with pytest.raises(UserError, match=spec.run_id):
        store.records(spec)


def test_a_misplaced_record_is_an_error_that_names_both_runs(
    tmp_path: Path, spec_of: SpecOf, record_of: RecordOf
) -> None:
    store, spec = Store(tmp_path), spec_of()
    store.write(spec, record_of(spec))
    store.path(spec).rename(store.path(spec.with_seed(2)))
    with pytest.raises(UserError, match=f"expected seed2-{spec.digest}, found seed1-{spec.digest}"):
        store.records(spec)


def test_a_folder_below_a_file_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "results")
    with pytest.raises(UserError, match="cannot be written to"):
        store.check_writable()


def test_checking_leaves_nothing_but_the_folder(tmp_path: Path) -> None:
    Store(tmp_path / "results").check_writable()
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    assert files(tmp_path) == []
