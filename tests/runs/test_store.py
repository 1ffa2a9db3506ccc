"""The store: written once, never half, and honest about what it cannot read."""

import hashlib
import json
from pathlib import Path

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.runs.files import file_sum, write_atomically
from hnet_bench.runs.store import Store, read_record


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_record_is_read_back_from_where_the_spec_says(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    assert not store.has(spec)
    path = store.write(spec, record_of(spec))
    assert path == tmp_path / "synthetic" / "class" / "finetune" / f"{spec.run_id}.json"
    assert store.has(spec)
    assert store.records(spec) == [record_of(spec)]


def test_the_first_record_of_a_run_is_kept(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    path = store.write(spec, record_of(spec, score=[[0.25]]))
    before = path.read_bytes()
    store.write(spec, record_of(spec, score=[[0.75]]))
    assert path.read_bytes() == before


def test_a_record_that_cannot_be_written_as_json_leaves_nothing(tmp_path, spec_of, record_of):
    spec = spec_of()
    with pytest.raises(ValueError, match="not JSON compliant"):
        Store(tmp_path).write(spec, record_of(spec, score=[[float("nan")]]))
    assert files(tmp_path) == []


def test_an_interrupted_write_leaves_the_old_content_and_no_partial_file(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "page.md"
    write_atomically(path, b"old")

    def interrupted(descriptor):
        assert path.read_text() == "old"  # a reader still meets the whole old file
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert files(tmp_path) == ["page.md"]


def test_a_partial_file_is_no_record(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    path = store.write(spec, record_of(spec))
    path.rename(path.with_name(f".{path.name}.7.partial"))
    assert store.done_seeds(spec) == ()


def test_seeds_of_other_specs_do_not_count(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    other = spec_of(protocol={"iterations": 6})
    for one in (spec.with_seed(10), spec.with_seed(2), other):
        store.write(one, record_of(one))
    assert store.done_seeds(spec) == (2, 10)
    assert store.done_seeds(other) == (1,)


def test_a_failure_is_noted_until_the_run_succeeds(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    store.write_failure(spec, {"problem": "first"})
    path = store.write_failure(spec, {"problem": "second"})
    assert path == store.failure_path(spec)
    assert json.loads(path.read_text())["problem"] == "second"
    assert store.examine(spec).failed_seeds == (1,)
    assert not store.has(spec)
    store.write(spec, record_of(spec))
    assert store.examine(spec).failed_seeds == ()
    assert not path.exists()


# Of the text of a record: what is done to it, and what is said of it then.
HOW = {
    "cut": (lambda text: text[:-20], "could not be read"),
    "empty": (lambda _: "", "could not be read"),
    "no object": (lambda _: "[]", "expected a JSON object, found list"),
    "not a number": (lambda text: text.replace("0.9,", "NaN,"), "NaN is no number"),
    "nested too deep": (lambda _: "[" * 100_000, "could not be read"),
    "schema": (lambda text: text.replace('"schema": 5', '"schema": 0'), ", found 0"),
    "key": (lambda text: text.replace('"seconds"', '"minutes"'), "seconds"),
    "extra": (lambda text: f'{text[:-1]}, "accuracy": 0.9}}', "accuracy"),
    "not square": (lambda text: text.replace("[0.9, 0.1], ", ""), "does not fit its sha256"),
    "not numbers": (lambda text: text.replace("0.9,", '"high",'), "does not fit its sha256"),
    "a better score": (lambda text: text.replace("0.7]", "0.99]"), "does not fit its sha256"),
    "another spec": (lambda text: text.replace('"iterations": 5', '"iterations": 99'), "does not fit its sha256"),
    "without a checksum": (lambda text: text.replace('"schema": 5', '"schema": 1'), "schema 1, which had no checksum"),
}


@pytest.mark.parametrize("how", HOW)
def test_a_damaged_record_is_named_does_not_count_and_is_kept_when_the_run_is_done_again(
    tmp_path, spec_of, record_of, how
):
    store, spec = Store(tmp_path), spec_of()
    other = spec.with_seed(2)
    store.write(other, record_of(other))
    path = store.write(spec, record_of(spec), b"old arrays")
    damage, words = HOW[how]
    text = damage(json.dumps(record_of(spec).to_json()))
    path.write_text(text)
    found = store.examine(spec)
    assert found.records == (record_of(other),)
    (one,) = found.damaged
    assert one.path == path
    assert str(path) in one.problem
    assert words in one.problem
    assert not store.has(spec)
    assert store.done_seeds(spec) == (2,)
    assert path.read_text() == text  # reading moves nothing
    store.write(spec, record_of(spec), b"new arrays")
    assert store.records(spec) == [record_of(spec), record_of(other)]
    assert store.examine(spec).damaged == ()
    (kept,) = path.parent.glob("*.json.damaged-*")
    assert kept.read_text() == text
    (arrays,) = path.parent.glob("*.npz.damaged-*")
    assert (arrays.read_bytes(), path.with_suffix(".npz").read_bytes()) == (b"old arrays", b"new arrays")


def test_a_record_in_the_place_of_another_seed_is_damaged(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    store.write(spec, record_of(spec))
    store.path(spec).rename(store.path(spec.with_seed(2)))
    (one,) = store.examine(spec).damaged
    assert f"expected seed2-{spec.digest}, found seed1-{spec.digest}" in one.problem


def test_a_record_in_the_wrong_folder_is_damaged(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    path = store.write(spec, record_of(spec))
    moved = tmp_path / "synthetic" / "task" / "finetune" / path.name
    moved.parent.mkdir(parents=True)
    path.rename(moved)
    with pytest.raises(UserError, match="it belongs in synthetic/class/finetune"):
        read_record(moved)


def test_a_renewed_record_takes_the_place_of_the_old_one_which_is_kept(tmp_path, spec_of, record_of):
    spec = spec_of()
    old, new = record_of(spec), record_of(spec, score=[[0.25]])
    path = Store(tmp_path).write(spec, old, b"old arrays")
    before = path.read_bytes()
    store = Store(tmp_path, renew=frozenset({file_sum(path)}))
    assert not store.has(spec)
    assert store.records(spec) == [old]  # until the new one is there the old one counts
    store.write(spec, new)
    assert store.has(spec)
    store.write(spec, old)  # a late worker does not undo it
    assert store.records(spec) == [new]
    (kept,) = path.parent.glob("*.superseded-*.json")
    assert kept.read_bytes() == before
    assert read_record(kept) == old
    assert kept.with_suffix(".npz").read_bytes() == b"old arrays"
    assert not path.with_suffix(".npz").exists()


def test_a_folder_below_a_file_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "results")
    with pytest.raises(UserError, match="cannot be written to"):
        store.check_writable()


def test_checking_leaves_nothing_but_the_folder(tmp_path):
    Store(tmp_path / "results").check_writable()
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_read_is_set_aside_by_name(tmp_path, spec_of, record_of):
    store, spec, other = Store(tmp_path), spec_of(), spec_of(strategy="joint")
    store.write(other, record_of(other))
    assert store.examine(spec).damaged == ()  # it is not there yet
    (tmp_path / spec.folder).write_text("")
    (damaged,) = store.examine(spec.with_seed(3)).damaged
    assert damaged.path == tmp_path / spec.folder
    assert damaged.problem == f"The folder {damaged.path} could not be read (Not a directory)."
    assert store.examine(other).damaged == ()
    assert store.done_seeds(other) == (1,)


def test_a_record_that_has_lost_its_arrays_counts_and_is_done_again(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    record = record_of(spec, arrays=hashlib.sha256(b"arrays").hexdigest())
    path = store.write(spec, record, b"arrays")
    archive = path.with_suffix(".npz")
    assert store.has(spec)
    for damage, words in ((archive.unlink, "are not there"), (lambda: archive.write_bytes(b"others"), "are not those")):
        damage()
        assert not store.has(spec)
        found = store.examine(spec)
        assert found.records == (record,)
        assert [(one.path, words in one.problem) for one in found.lacking] == [(archive, True)]
        store.write(spec, record, b"arrays")
        assert store.has(spec)
        assert archive.read_bytes() == b"arrays"
        assert store.examine(spec).lacking == ()
    kept = sorted(name for name in files(tmp_path) if "superseded" in name)
    assert [Path(name).suffix for name in kept] == [".json", ".npz"]


def test_a_record_without_arrays_or_from_before_they_were_named_lacks_none(tmp_path, spec_of, record_of):
    store = Store(tmp_path)
    for seed, arrays in ((1, "none"), (2, None)):
        spec = spec_of(seed=seed)
        store.write(spec, record_of(spec, arrays=arrays))
        assert store.has(spec)
        assert store.examine(spec).lacking == ()
