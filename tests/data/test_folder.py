"""The data folder: what is accepted, what is refused and in which words, and several processes at once."""

import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hnet_bench.data import folder as folder_module
from hnet_bench.data.arrays import Arrays
from hnet_bench.data.checks import DataError
from hnet_bench.data.facts import DATASETS, Facts
from hnet_bench.data.folder import data_folder, read, status, workspace, write
from hnet_bench.interfaces import UserError

KEYS = ("x_train", "y_train", "x_test", "y_test")


def content(arrays: Arrays) -> dict[str, Any]:
    return {key: getattr(arrays, key) for key in KEYS}


def refusal(path: Path) -> str:
    """The error that reading `path` as mnist ends in."""
    with pytest.raises(DataError) as caught:
        read(path, DATASETS["mnist"])
    message = str(caught.value)
    assert str(path) in message
    assert "expected" in message
    assert "found" in message
    assert message.endswith("Delete it to fetch it anew.")
    return message


def test_what_was_written_is_read_back(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    with workspace(tmp_path, "mnist") as work:
        write(tiny, DATASETS["mnist"], path, work)
    arrays = read(path, DATASETS["mnist"])
    assert arrays is not None
    assert arrays.fingerprint == tiny.fingerprint
    np.testing.assert_array_equal(arrays.x_test, tiny.x_test)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mnist.npz"]


def test_compressed_archive_in_fortran_order_is_the_same_content(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    fortran: dict[str, Any] = {key: np.asfortranarray(array) for key, array in content(tiny).items()}
    np.savez_compressed(path, **fortran)
    arrays = read(path, DATASETS["mnist"])
    assert arrays is not None
    assert arrays.fingerprint == tiny.fingerprint
    assert arrays.x_train.flags.c_contiguous


def test_absent_file_is_none(tiny: Arrays, tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    assert read(tmp_path / "mnist.npz", DATASETS["mnist"]) is None
    assert read(tmp_path / "no folder" / "mnist.npz", DATASETS["mnist"]) is None
    assert read(tmp_path / "a file" / "mnist.npz", DATASETS["mnist"]) is None


def test_folder_under_the_name_of_the_file_cannot_be_opened(tiny: Arrays, tmp_path: Path) -> None:
    (tmp_path / "mnist.npz").mkdir()
    with pytest.raises(DataError, match=r"mnist\.npz cannot be opened"):
        read(tmp_path / "mnist.npz", DATASETS["mnist"])


@pytest.mark.parametrize("kept", [0, 1, 100, 2000, -1])
def test_truncated_archive_is_refused(tiny: Arrays, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, **content(tiny))
    path.write_bytes(path.read_bytes()[:kept])
    assert f"{path.stat().st_size} bytes that cannot be read" in refusal(path)


def test_one_changed_byte_is_refused(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, **content(tiny))
    raw = bytearray(path.read_bytes())
    raw[raw.index(tiny.x_train.tobytes()) + 100] ^= 1
    path.write_bytes(raw)
    assert "CRC" in refusal(path)


def test_one_changed_pixel_in_an_intact_archive_is_refused_with_both_sums(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    tampered = Arrays("mnist", **{key: array.copy() for key, array in content(tiny).items()})
    tampered.x_train[2, 3, 4] ^= 1
    np.savez(path, **content(tampered))
    message = refusal(path)
    assert tiny.fingerprint in message
    assert tampered.fingerprint in message


def test_swapped_labels_are_refused(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, **{**content(tiny), "y_train": tiny.y_train[::-1]})
    assert tiny.fingerprint in refusal(path)


def test_missing_array_is_refused(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, x_train=tiny.x_train, y_train=tiny.y_train, y_test=tiny.y_test)
    assert "expected an array x_test, found only x_train, y_test, y_train" in refusal(path)


def test_wrong_dtype_is_refused(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, **{**content(tiny), "y_train": tiny.y_train.astype(np.int64)})
    assert "expected y_train to be uint8 of shape (6,), found int64 of shape (6,)" in refusal(path)


def test_wrong_shape_is_refused(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    np.savez(path, **{**content(tiny), "x_train": tiny.x_train.reshape(6, 784)})
    assert "expected x_train to be uint8 of shape (6, 28, 28), found uint8 of shape (6, 784)" in refusal(path)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("key", KEYS)
def test_pickled_objects_are_refused_unopened(tiny: Arrays, tmp_path: Path, key: str) -> None:
    path, mark = tmp_path / "mnist.npz", tmp_path / "the trap was sprung"
    np.savez(path, allow_pickle=True, **{**content(tiny), key: np.array([Trap(mark)], dtype=object)})
    assert "allow_pickle" in refusal(path)
    assert not mark.exists()


def test_file_that_is_a_bare_pickle_is_refused_unopened(tiny: Arrays, tmp_path: Path) -> None:
    path, mark = tmp_path / "mnist.npz", tmp_path / "the trap was sprung"
    path.write_bytes(pickle.dumps(Trap(mark)))
    refusal(path)
    assert not mark.exists()


def test_single_array_file_is_refused(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    with path.open("wb") as file:
        np.save(file, tiny.x_train)
    refusal(path)


def test_archive_member_that_is_no_array_is_refused(tiny: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in content(tiny).items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            archive.writestr(f"{key}.npy", b"plain text" if key == "x_test" else buffer.getvalue())
    refusal(path)


def test_errors_are_user_errors() -> None:
    assert issubclass(DataError, UserError)


def test_workspace_is_gone_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="boom"), workspace(tmp_path / "new", "mnist") as work:
        (work / "half a download").touch()
        raise ValueError("boom")
    assert list((tmp_path / "new").iterdir()) == []


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match=r"cannot be stored there either .*set HNET_BENCH_DATA to a folder"),
        workspace(tmp_path / "file" / "data", "mnist"),
    ):
        pytest.fail("there is no such workspace")


def test_failed_write_leaves_the_old_file_and_no_rest(
    tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full_disk)
    path = tmp_path / "mnist.npz"
    with (
        pytest.raises(DataError, match=r"cannot be stored as .*mnist\.npz: No space left on device"),
        workspace(tmp_path, "mnist") as work,
    ):
        write(tiny, DATASETS["mnist"], path, work)
    assert list(tmp_path.iterdir()) == []


# Run by several processes at once: store the same data set again and again.
WRITER = """
import sys
from pathlib import Path
import numpy as np
from hnet_bench.data.arrays import Arrays
from hnet_bench.data.facts import Facts
from hnet_bench.data.folder import workspace, write

folder = Path(sys.argv[1])
x, y = np.full((400, 28, 28), 7, np.uint8), np.zeros(400, np.uint8)
arrays = Arrays("mnist", x, y, x, y)
facts = Facts(name="mnist", sha256=arrays.fingerprint, train=400, test=400, image=(28, 28), classes=10)
for _ in range(25):
    with workspace(folder, "mnist") as work:
        write(arrays, facts, folder / "mnist.npz", work)
print(arrays.fingerprint)
"""


def test_processes_that_write_at_once_never_show_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.full((400, 28, 28), 7, np.uint8), np.zeros(400, np.uint8)
    expected = Arrays("mnist", x, y, x, y).fingerprint
    facts = Facts(name="mnist", sha256=expected, train=400, test=400, image=(28, 28), classes=10)
    monkeypatch.setenv("PYTHONPATH", str(Path(folder_module.__file__).parents[2]))
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    reads = 0
    while any(writer.poll() is None for writer in writers):
        reads += read(tmp_path / "mnist.npz", facts) is not None  # raises over half a file
    assert [writer.communicate()[0].strip() for writer in writers] == [expected, expected]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert reads > 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["mnist.npz"]


def test_data_folder_is_the_chosen_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HNET_BENCH_DATA", str(tmp_path))
    assert data_folder() == tmp_path
    monkeypatch.setenv("HNET_BENCH_DATA", "~/sets")
    assert data_folder() == Path.home() / "sets"


@pytest.mark.parametrize(
    ("platform", "variable", "value", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "", ".cache/hnet_bench"),
        ("linux", "XDG_CACHE_HOME", "relative", ".cache/hnet_bench"),
        ("linux", "XDG_CACHE_HOME", "HOME/elsewhere", "elsewhere/hnet_bench"),
        ("darwin", "XDG_CACHE_HOME", "", "Library/Caches/hnet_bench"),
        ("win32", "LOCALAPPDATA", "HOME/local", "local/hnet_bench"),
        ("win32", "LOCALAPPDATA", "", "AppData/Local/hnet_bench"),
    ],
)
def test_default_data_folder_is_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str, value: str, expected: str
) -> None:
    monkeypatch.setenv("HNET_BENCH_DATA", "")  # empty is the same as unset
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, value.replace("HOME", str(tmp_path)))
    assert data_folder() == tmp_path / expected


def test_status_tells_verified_corrupt_and_missing_apart(tiny: Arrays, tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", **content(tiny))
    (tmp_path / "cifar10.npz").write_bytes(b"not an archive")
    mnist, cifar10, cifar100 = status(tmp_path)
    assert (mnist.name, mnist.state, mnist.problem) == ("mnist", "verified", None)
    assert mnist.path == tmp_path / "mnist.npz"
    assert mnist.size == mnist.path.stat().st_size
    assert (cifar10.state, cifar10.size) == ("corrupt", 14)
    assert cifar10.problem is not None
    assert "cifar10.npz is damaged" in cifar10.problem
    assert (cifar100.name, cifar100.state, cifar100.size) == ("cifar100-first50", "missing", None)
