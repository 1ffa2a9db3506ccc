"""What befalls a store: a full disk, a folder that is read-only, a clock that jumps back, two sweeps at once."""

import errno
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.runs.store import Store, read_record


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@contextmanager
def small_disk(folder, options=""):
    """A file system of 256 KiB in memory; the test is skipped where none can be mounted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size=256k{options}", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here ({error})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def no_space(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["os.fsync", "os.replace"])
def test_a_disk_that_fills_up_is_named_and_leaves_nothing_half_written(tmp_path, monkeypatch, spec_of, record_of, step):
    store, spec = Store(tmp_path), spec_of()
    done = store.write(spec, record_of(spec), b"arrays")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = spec.with_seed(2)
    with monkeypatch.context() as patch:
        patch.setattr(step, no_space)
        with pytest.raises(UserError, match=f"{other.run_id}.json cannot be written: No space left on device"):
            store.write(other, record_of(other), b"arrays")
        assert store.write_failure(other, {"problem": "No space left on device"}) is None
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert store.done_seeds(spec) == (1,)
    store.write(other, record_of(other), b"arrays")
    assert store.done_seeds(spec) == (1, 2)
    assert done.exists()


def test_on_a_disk_that_is_truly_full_finished_records_stay_and_the_rest_follows_later(tmp_path, spec_of, record_of):
    with small_disk(tmp_path / "small") as disk:
        store, spec = Store(disk), spec_of()
        store.write(spec, record_of(spec))
        filler = disk / "filler"
        with pytest.raises(OSError, match="No space"), filler.open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()
        with pytest.raises(UserError, match="No space left on device"):
            store.check_writable()
        other = spec.with_seed(2)
        with pytest.raises(UserError, match="cannot be written: No space left on device"):
            store.write(other, record_of(other), bytes(100_000))
        assert files(disk) == ["filler", f"{spec.run_id}.json"]
        assert store.records(spec) == [record_of(spec)]
        filler.unlink()
        store.check_writable()
        store.write(other, record_of(other))
        assert store.done_seeds(spec) == (1, 2)


def test_a_disk_that_fills_up_while_a_record_is_renewed_keeps_the_old_one(tmp_path, monkeypatch, spec_of, record_of):
    from hnet_bench.runs.files import file_sum

    spec = spec_of()
    path = Store(tmp_path).write(spec, record_of(spec))
    store = Store(tmp_path, renew=frozenset({file_sum(path)}))
    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(UserError, match="No space left"):
        store.write(spec, record_of(spec, score=[[0.25]]))
    assert store.records(spec) == [record_of(spec)]


def test_a_read_only_folder_is_refused_and_can_be_read(tmp_path, spec_of, record_of):
    with small_disk(tmp_path / "small") as disk:
        store, spec = Store(disk), spec_of()
        store.write(spec, record_of(spec))
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(UserError, match="cannot be written to: Read-only file system"):
            store.check_writable()
        other = spec.with_seed(2)
        with pytest.raises(UserError, match="cannot be written: Read-only file system"):
            store.write(other, record_of(other))
        assert store.write_failure(other, {"problem": "p"}) is None
        assert store.records(spec) == [record_of(spec)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write where permissions forbid it")
def test_a_folder_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot be written to: Permission denied"):
        Store(tmp_path).check_writable()


def test_a_clock_that_jumps_back_changes_nothing(tmp_path, spec_of, record_of):
    store, spec = Store(tmp_path), spec_of()
    late = record_of(spec, provenance={"started": "2030-01-01T00:00:00+00:00"})
    early = record_of(spec, score=[[0.1]], provenance={"started": "1970-01-01T00:00:00+00:00"})
    path = store.write(spec, late)
    store.write(spec, early)  # the first one that was written counts, whatever it says of its time
    os.utime(path, (0, 0))
    assert store.records(spec) == [late]
    other = spec.with_seed(2)
    store.write_failure(other, {"problem": "p"})
    os.utime(store.failure_path(other), (2**32, 2**32))
    store.write(other, record_of(other, provenance={}))
    assert store.examine(spec).failed_seeds == ()


WRITER = """
import json, sys
from pathlib import Path
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import RunSpec
from hnet_bench.runs.store import Store
folder, mine, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
record = Record.from_json(json.loads(sys.stdin.readline()), where="stdin")
spec = RunSpec.from_json(record.spec)
sys.stdin.readline()  # both writers are let go together
for seed in range(rounds):
    one = spec.with_seed(seed)
    fields = {**record.__dict__, "run_id": one.run_id, "spec": one.to_json(), "provenance": {"command": mine}}
    Store(folder).write(one, Record(**fields), mine.encode())
"""


def test_two_processes_that_do_the_same_runs_leave_one_sound_record_of_each(tmp_path, spec_of, record_of):
    import json

    rounds, spec = 40, spec_of(seed=0)
    store = Store(tmp_path)
    for seed in range(0, rounds, 2):  # half of the places hold damaged files, which both will find
        path = store.path(spec.with_seed(seed))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"damaged {seed}")
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name, str(rounds)], stdin=subprocess.PIPE, text=True
        )
        for name in ("one", "two")
    ]
    for writer in writers:
        assert writer.stdin
        writer.stdin.write(json.dumps(record_of(spec).to_json()) + "\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate("go\n", timeout=60)
    assert [writer.returncode for writer in writers] == [0, 0]
    found = store.examine(spec)
    assert [record.spec["seed"] for record in found.records] == list(range(rounds))
    assert found.damaged == ()
    for record in found.records:
        archive = store.path(spec.with_seed(record.spec["seed"])).with_suffix(".npz")
        assert archive.read_text() == record.provenance["command"]  # the arrays are those of the record
    kept = sorted(path.read_text() for path in tmp_path.rglob("*.json.damaged-*"))
    assert kept == sorted(f"damaged {seed}" for seed in range(0, rounds, 2))
    assert not list(tmp_path.rglob("*.partial"))


def test_a_disk_too_small_for_checkpoints_still_takes_the_record(tmp_path, spec_of):
    from hnet_bench.runs.checkpoint import Checkpoints
    from hnet_bench.runs.run import run_with_artefacts

    spec = spec_of(protocol={"iterations": 5, "batch_size": 16, "hidden_units": [400, 400]})
    with small_disk(tmp_path / "disk") as disk:
        store = Store(disk)
        checkpoints = Checkpoints(store.checkpoint_path(spec), {}, seconds_between=0.0)
        record, artefacts = run_with_artefacts(spec, checkpoints=checkpoints)
        store.write(spec, record, artefacts)
        assert read_record(store.path(spec)).score == record.score
        assert [Path(name).suffix for name in files(disk)] == [".json"]
