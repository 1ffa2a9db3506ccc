"""Merging: the same outcome in any order and any number of times, and nothing lost."""

import errno
import hashlib
import itertools
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hnet_bench.cli import main
from hnet_bench.interfaces import UserError
from hnet_bench.runs.files import file_sum, short_hash
from hnet_bench.runs.merge import merge
from hnet_bench.runs.store import Store, to_bytes

# One file of a random store: which run, what kind of file, and what tells records of the same run apart.
FILE = st.fixed_dictionaries(
    {
        "seed": st.integers(1, 2),
        "kind": st.sampled_from(["record", "record", "record", "conflict", "superseded", "damaged", "failed"]),
        "score": st.sampled_from([0.25, 0.75]),
        "total": st.sampled_from([1.0, 2.0]),
        "dirty": st.booleans(),
        "revision": st.sampled_from([1, 1, 2]),
        "arrays": st.sampled_from([None, b"x", b"y"]),
    }
)
STORE = st.lists(FILE, max_size=5)
WITHOUT_SUPERSEDED = st.lists(FILE.filter(lambda file: file["kind"] != "superseded"), max_size=5)
RELAXED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def snapshot(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def fill(root, spec, record_of, files):
    root.mkdir()
    anchor = spec.with_seed(9)  # every store has one record at least, without which it is none
    Store(root).write(anchor, record_of(anchor))
    for file in files:
        run = spec.with_seed(file["seed"])
        record = record_of(
            run, score=[[file["score"]]], seconds={"train": [], "evaluate": [], "total": file["total"]},
            provenance={"dirty": file["dirty"], "commit": "c"},
            revisions={"strategy": file["revision"], "benchmark": 1, "protocol": 1},
        )  # fmt: skip
        path, content = Store(root).path(run), to_bytes(record)
        kind = file["kind"]
        if kind == "damaged":
            path.write_bytes(content[: len(content) // 2])
        elif kind == "failed":
            path.with_suffix(".failed").write_bytes(content[:10])
        else:
            name = run.run_id if kind == "record" else f"{run.run_id}.{kind}-{short_hash(content)}"
            path.with_name(f"{name}.json").write_bytes(content)
            archive = path.with_name(f"{name}.npz")
            archive.unlink(missing_ok=True)
            if file["arrays"]:
                archive.write_bytes(file["arrays"])


def merged_in(order, spec, record_of):
    """The files of an empty store after these have been merged into it one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        into = Path(folder) / "into"
        into.mkdir()
        for index, files in enumerate(order):
            other = Path(folder) / str(index)
            fill(other, spec, record_of, files)
            before = snapshot(other)
            merge(other, into)
            assert snapshot(other) == before
        return snapshot(into)


@RELAXED
@given(one=STORE, two=STORE)
def test_both_directions_give_the_same_files_and_repeating_changes_nothing(spec_of, record_of, one, two):
    spec = spec_of()
    with tempfile.TemporaryDirectory() as folder:
        a, b = Path(folder) / "a", Path(folder) / "b"
        fill(a, spec, record_of, one)
        fill(b, spec, record_of, two)
        shutil.copytree(a, into_a := Path(folder) / "into_a")
        shutil.copytree(b, into_b := Path(folder) / "into_b")
        first = merge(b, into_a)
        merge(a, into_b)
        assert snapshot(into_a) == snapshot(into_b)
        after = snapshot(into_a)
        again = merge(b, into_a)
        assert snapshot(into_a) == after
        assert (again.added, again.records, again.conflicts) == (0, first.records, first.conflicts)
        merge(into_b, into_a)
        assert snapshot(into_a) == after


@settings(RELAXED, max_examples=20)
@given(stores=st.lists(WITHOUT_SUPERSEDED, min_size=3, max_size=3))
def test_the_order_of_three_stores_does_not_matter(spec_of, record_of, stores):
    spec = spec_of()
    found = [merged_in(list(order), spec, record_of) for order in itertools.permutations(stores)]
    assert all(one == found[0] for one in found)


@RELAXED
@given(one=STORE, two=STORE)
def test_no_scores_and_no_damaged_file_are_lost(spec_of, record_of, one, two):
    spec = spec_of()

    def kept(files):
        """For each run its scores, wherever they stand, and its damaged contents."""
        found = set()
        for name, content in files.items():
            run_id = Path(name).name.split(".")[0]
            for score in ("0.25", "0.75"):
                if f"   {score}\n".encode() in content and b'"sha256"' in content:
                    found.add((run_id, score))
            if b"{" in content and b'"sha256"' not in content and ".failed" not in name:
                found.add((run_id, short_hash(content)))
        return found

    with tempfile.TemporaryDirectory() as folder:
        a, b = Path(folder) / "a", Path(folder) / "b"
        fill(a, spec, record_of, one)
        fill(b, spec, record_of, two)
        expected = kept(snapshot(a)) | kept(snapshot(b))
        merge(b, a)
        assert kept(snapshot(a)) == expected


@pytest.fixture
def stores(tmp_path):
    return Store(tmp_path / "ours"), Store(tmp_path / "theirs")


def united(stores):
    return merge(stores[1].root, stores[0].root)


def test_records_that_differ_in_their_times_alone_become_one_and_a_clean_checkout_wins(stores, spec_of, record_of):
    spec = spec_of()
    clean = record_of(spec, provenance={"dirty": False, "started": "2030"})
    for seed in range(20):  # whichever has the smaller hash
        changed = record_of(spec, provenance={"dirty": True, "started": str(seed)})
        ours, theirs = stores
        for store in stores:
            shutil.rmtree(store.root, ignore_errors=True)
        ours.write(spec, changed, b"of the changed one")
        theirs.write(spec, clean, b"of the clean one")
        merged = united(stores)
        assert (merged.added, merged.records, merged.conflicts) == (0, 1, ())
        assert ours.records(spec) == [clean]
        assert ours.path(spec).with_suffix(".npz").read_bytes() == b"of the clean one"
        assert len(snapshot(ours.root)) == 2


def test_a_conflict_keeps_both_and_counts_one(stores, spec_of, record_of):
    spec, (ours, theirs) = spec_of(), stores
    one, two = record_of(spec, score=[[0.25]]), record_of(spec, score=[[0.75]])
    ours.write(spec, one)
    theirs.write(spec, two, b"arrays of two")
    (conflict,) = united(stores).conflicts
    assert {record.score[0][0] for record in conflict.records} == {0.25, 0.75}
    assert conflict.paths[0] == ours.path(spec)
    found = ours.examine(spec)
    assert found.records == conflict.records[:1]
    assert found.conflicts == conflict.paths[1:]
    (archive,) = ours.root.rglob("*.npz")
    assert archive.with_suffix(".json").read_bytes() == to_bytes(two)


def test_a_failure_gives_way_to_a_record(stores, spec_of, record_of):
    spec, (ours, theirs) = spec_of(), stores
    ours.write_failure(spec, {"problem": "p"})
    theirs.write(spec, record_of(spec))
    theirs.write_failure(spec.with_seed(2), {"problem": "q"})
    assert united(stores).added == 1
    assert (ours.done_seeds(spec), ours.examine(spec).failed_seeds) == ((1,), (2,))


def test_a_damaged_record_gives_way_to_a_sound_one_and_is_kept(stores, spec_of, record_of):
    spec, (ours, theirs) = spec_of(), stores
    ours.write(spec, record_of(spec)).write_text("{")
    theirs.write(spec, record_of(spec))
    ((path, problem),) = united(stores).damaged
    assert path.read_text() == "{"
    assert "could not be read" in problem
    assert ours.records(spec) == [record_of(spec)]


def test_a_record_of_a_later_version_is_left_where_it_is(stores, spec_of, record_of):
    """It may be sound, and the version that knows it is not here."""
    spec, (ours, theirs) = spec_of(), stores
    path = ours.write(spec, record_of(spec))
    newer = path.read_text().replace('"schema": 5', '"schema": 99')
    path.write_text(newer)
    theirs.write(spec.with_seed(2), record_of(spec.with_seed(2)))
    with pytest.raises(UserError, match="schema 99"):
        united(stores)
    assert path.read_text() == newer


@pytest.mark.parametrize("scores", ["same", "other"])
def test_a_renewed_record_counts_before_one_of_older_code(stores, spec_of, record_of, scores):
    spec, (ours, theirs) = spec_of(), stores
    for store, revision in ((ours, 1), (theirs, 2)):
        score = [[0.25 if scores == "other" and revision == 1 else 0.5]]
        seconds = {"train": [], "evaluate": [], "total": float(revision)}
        revisions = {"strategy": revision, "benchmark": 1, "protocol": 1}
        store.write(spec, record_of(spec, score=score, revisions=revisions, seconds=seconds))
    for into, other in ((theirs, ours), (ours, theirs)):
        found = merge(other.root, into.root)
        assert len(found.conflicts) == (scores == "other")
        (record,) = into.records(spec)
        assert record.revisions["strategy"] == 2


def test_where_there_is_nothing_to_merge_no_folder_is_left(tmp_path):
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="other is no results folder"):
        merge(tmp_path / "other", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_command_says_what_was_restored(stores, spec_of, record_of, capsys):
    spec, (ours, theirs) = spec_of(), stores
    for seed, sound_here in ((1, True), (2, False), (3, False)):
        run = spec.with_seed(seed)
        here = ours.write(run, record_of(run))
        if not sound_here:
            here.write_text("{")
        if seed != 3:  # of which no sound record is anywhere
            theirs.write(run, record_of(run))
    theirs.write(spec.with_seed(4), record_of(spec.with_seed(4)))
    command = ["merge", str(theirs.root), "--results", str(ours.root)]
    assert main(command) == 0
    assert capsys.readouterr().out == (
        f"1 record added to {ours.root}, 1 restored that had been damaged; it has 3 now.\n"
    )
    assert main(command) == 0
    assert capsys.readouterr().out == f"0 records added to {ours.root}; it has 3 now.\n"


def test_a_folder_that_cannot_be_read_is_never_passed_over(stores, spec_of, record_of, monkeypatch):
    spec, (ours, theirs) = spec_of(), stores
    theirs.write(spec, record_of(spec))
    closed, scandir = str(theirs.root / spec.folder), os.scandir

    def refuse(path):
        if str(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UserError, match=f"^The folder {closed} cannot be read: Permission denied.$"):
        merge(theirs.root, ours.root)


def test_a_superseded_record_does_not_come_back(stores, spec_of, record_of):
    spec, (ours, theirs) = spec_of(), stores
    old = record_of(spec, provenance={"commit": "old"})
    new = record_of(spec, score=[[0.25]], provenance={"commit": "new"})
    path = ours.write(spec, old)
    theirs.write(spec, old)
    Store(ours.root, renew=frozenset({file_sum(path)})).write(spec, new)
    assert united(stores).conflicts == ()
    assert ours.records(spec) == [new]
    merge(ours.root, theirs.root)
    assert theirs.records(spec) == [new]


def test_a_record_that_was_being_renewed_when_the_power_failed_still_counts(stores, spec_of, record_of):
    spec, (ours, theirs) = spec_of(), stores
    path = ours.write(spec, record_of(spec))
    content = path.read_bytes()
    path.with_name(f"{spec.run_id}.superseded-{short_hash(content)}.json").write_bytes(content)
    theirs.write(spec.with_seed(2), record_of(spec.with_seed(2)))
    united(stores)
    assert ours.done_seeds(spec) == (1, 2)


def test_going_back_to_the_code_before_keeps_the_record_that_counts(stores, spec_of, record_of):
    spec, (ours, theirs) = spec_of(), stores
    one, two, again = (
        record_of(spec, provenance={"code": {"mine": code}, "started": started})
        for code, started in (("a" * 12, "1"), ("b" * 12, "2"), ("a" * 12, "3"))
    )
    path = ours.write(spec, one)
    for record in (two, again):
        Store(ours.root, renew=frozenset({file_sum(path)})).write(spec, record)
    theirs.write(spec.with_seed(2), record_of(spec.with_seed(2)))
    united(stores)
    assert ours.examine(spec).records[0] == again


def test_a_merge_that_a_full_disk_ends_loses_nothing_and_is_completed_later(stores, spec_of, record_of, monkeypatch):
    spec, (ours, theirs) = spec_of(), stores
    ours.write(spec, record_of(spec, score=[[0.25]]))
    theirs.write(spec, record_of(spec, score=[[0.75]]))
    before = snapshot(ours.root)

    def no_space(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", no_space)
        with pytest.raises(UserError, match=f"Run {spec.run_id} cannot be merged into .*: No space left on device"):
            united(stores)
    assert snapshot(ours.root) == before
    assert len(united(stores).conflicts) == 1


def test_the_command_names_conflicts_and_ends_with_1(stores, spec_of, record_of, capsys):
    spec, (ours, theirs) = spec_of(), stores
    other = spec.with_seed(2)
    theirs.write(other, record_of(other))
    arguments = ["merge", str(theirs.root), "--results", str(ours.root)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"1 record added to {ours.root}; it has 1 now.\n"
    ours.write(spec, record_of(spec, score=[[0.25]]))
    theirs.write(spec, record_of(spec, score=[[0.75]]))
    for _ in range(2):
        assert main(arguments) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"Conflict: {ours.path(spec)} (average ")
        assert "25.00 %" in line
        assert "75.00 %" in line


@pytest.mark.parametrize("other", ["absent", "empty", "ours"])
def test_what_is_no_other_store_is_refused(other, tmp_path, spec_of, record_of, capsys):
    (tmp_path / "empty").mkdir()
    Store(tmp_path / "ours").write(spec_of(), record_of(spec_of()))
    assert main(["merge", str(tmp_path / other), "--results", str(tmp_path / "ours")]) == 2
    words = "are the same folder" if other == "ours" else "is no results folder"
    assert words in capsys.readouterr().err


def test_arrays_that_are_not_those_of_their_record_are_set_aside(tmp_path, spec_of, record_of):
    spec = spec_of()
    record = record_of(spec, arrays=hashlib.sha256(b"right").hexdigest())
    for order in (("ours", "theirs"), ("theirs", "ours")):
        stores = {name: Store(tmp_path / "-".join(order) / name) for name in order}
        for store in stores.values():
            store.write(spec, record, b"right")
        archive = stores["theirs"].path(spec).with_suffix(".npz")
        archive.write_bytes(b"changed")
        first, second = (stores[name] for name in order)
        merge(second.root, first.root)
        assert first.has(spec)
        assert [path.read_bytes() for path in first.root.rglob("*.npz.damaged-*")] == [b"changed"]
