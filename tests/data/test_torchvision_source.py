"""torchvision's download, with a fake torchvision and with servers that fail in different ways."""

import http.server
import socket
import sys
import threading
import time
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import pytest

from hnet_bench.data import torchvision_source
from hnet_bench.data.datasets import DATASETS, Arrays, DataError, Facts, SourceUnavailable
from hnet_bench.data.torchvision_source import STALL_SECONDS, _silent, from_torchvision


def fake_class(train, test, **attributes):
    """A data set class with torchvision's signature. It notes its mirrors and the socket timeout in `calls`."""

    class Fake:
        calls: ClassVar[list[tuple[object, ...]]] = []

        def __init__(self, root, train, download):
            assert download
            self.calls.append((root, train, getattr(self, "mirrors", None), socket.getdefaulttimeout()))
            self.data, self.targets = pair_of_train if train else test

    pair_of_train = train
    for name, value in attributes.items():
        setattr(Fake, name, value)
    return Fake


def install(monkeypatch, *silent, **classes):
    """Make `torchvision.datasets` a module that holds these classes, and let exactly the servers whose URL begins with
    one of `silent` give no answer."""
    datasets = ModuleType("torchvision.datasets")
    for name in ("MNIST", "CIFAR10", "CIFAR100"):
        setattr(datasets, name, classes.get(name))
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.datasets", datasets)

    def unanswered(urls, seconds):
        return {url: "no route to host" for url in urls if url.startswith(silent)}

    monkeypatch.setattr(torchvision_source, "_silent", unanswered)


def mnist_class(tiny):
    return fake_class(
        (tiny.x_train, tiny.y_train.astype(np.int64)),
        (tiny.x_test, tiny.y_test.astype(np.int64)),
        mirrors=["https://a.invalid/", "https://b.invalid/"],
        resources=[("images.gz", "sum")],
    )


def test_mnist_is_fetched_into_the_workspace(tiny, tmp_path, monkeypatch):
    fake: Any = mnist_class(tiny)
    install(monkeypatch, MNIST=fake)
    before = socket.getdefaulttimeout()
    assert from_torchvision(DATASETS["mnist"], tmp_path).fingerprint == tiny.fingerprint
    mirrors = ["https://a.invalid/", "https://b.invalid/"]
    assert fake.calls == [(str(tmp_path), train, mirrors, STALL_SECONDS) for train in (True, False)]
    assert socket.getdefaulttimeout() == before


def test_silent_mirror_is_not_used(tiny, tmp_path, monkeypatch):
    fake: Any = mnist_class(tiny)
    install(monkeypatch, "https://a.invalid/", MNIST=fake)
    from_torchvision(DATASETS["mnist"], tmp_path)
    assert [call[2] for call in fake.calls] == [["https://b.invalid/"]] * 2
    assert fake.mirrors == ["https://a.invalid/", "https://b.invalid/"]  # torchvision's own class is as it was


def test_without_any_server_nothing_is_tried(tiny, tmp_path, monkeypatch):
    fake: Any = mnist_class(tiny)
    install(monkeypatch, "https://", MNIST=fake)
    with pytest.raises(SourceUnavailable) as caught:
        from_torchvision(DATASETS["mnist"], tmp_path)
    assert str(caught.value) == (
        "https://a.invalid/images.gz: no route to host; https://b.invalid/images.gz: no route to host"
    )
    assert fake.calls == []


def test_cifar10_is_taken_as_it_is(tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    y = np.array([3, 0, 9, 1], np.uint8)
    expected = Arrays("cifar10", x, y, x[:2], y[:2])
    facts = Facts(
        name="cifar10",
        sha256=expected.fingerprint,
        train=4,
        test=2,
        image=(32, 32, 3),
        classes=10,
        torchvision="CIFAR10",
    )
    # torchvision hands out a transposed view of channel-first data, and labels as a list
    view = np.ascontiguousarray(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)
    fake = fake_class((view, y.tolist()), (view[:2], y[:2].tolist()), url="https://c.invalid/cifar.tar.gz")
    install(monkeypatch, CIFAR10=fake)
    assert from_torchvision(facts, tmp_path).fingerprint == expected.fingerprint


def test_cifar100_keeps_the_first_50_fine_classes_in_file_order(tmp_path, monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    y = [49, 50, 0, 99, 7]
    kept = Arrays("cifar100-first50", x[[0, 2, 4]], np.array([49, 0, 7], np.uint8), x[[2]], np.array([0], np.uint8))
    facts = Facts(
        name=kept.name, sha256=kept.fingerprint, train=3, test=1, image=(32, 32, 3), classes=50, torchvision="CIFAR100"
    )
    install(monkeypatch, CIFAR100=fake_class((x, y), (x[1:4], y[1:4]), url="https://c.invalid/cifar.tar.gz"))
    arrays = from_torchvision(facts, tmp_path)
    assert arrays.y_train.tolist() == [49, 0, 7]
    assert arrays.fingerprint == kept.fingerprint


def test_wrong_content_is_an_error_with_both_sums(tiny, tmp_path, monkeypatch):
    fake: Any = fake_class(
        (tiny.x_train, tiny.y_train[::-1]), (tiny.x_test, tiny.y_test), mirrors=["m"], resources=[("r", "")]
    )
    install(monkeypatch, MNIST=fake)
    with pytest.raises(DataError, match=f"torchvision's download does not hold.*expected .*{tiny.fingerprint}.*found"):
        from_torchvision(DATASETS["mnist"], tmp_path)


@pytest.mark.parametrize("error", [RuntimeError("File not found or\ncorrupted."), TimeoutError(), OSError("reset")])
def test_failed_download_makes_the_source_unavailable_and_restores_the_timeout(tiny, tmp_path, monkeypatch, error):
    class Failing:
        url = "https://c.invalid/cifar.tar.gz"

        def __init__(self, **_):
            raise error

    install(monkeypatch, CIFAR10=Failing)
    before = socket.getdefaulttimeout()
    with pytest.raises(SourceUnavailable) as caught:
        from_torchvision(DATASETS["cifar10"], tmp_path)
    assert str(caught.value) in ("File not found or corrupted", "TimeoutError", "reset")
    assert socket.getdefaulttimeout() == before


def test_absent_torchvision_makes_the_source_unavailable(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(SourceUnavailable, match="torchvision cannot be imported"):
        from_torchvision(DATASETS["mnist"], tmp_path)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404 if self.path == "/absent" else 200)
        self.end_headers()

    def log_message(self, format, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    """The URL of a web server on this machine that has every page but /absent."""
    monkeypatch.setenv("no_proxy", "*")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_servers_are_asked_at_once_and_only_the_silent_ones_are_returned(server):
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts connections, and never says a word
        mute_url = f"http://127.0.0.1:{mute.getsockname()[1]}/file"
        with socket.create_server(("127.0.0.1", 0)) as gone:
            refused_url = f"http://127.0.0.1:{gone.getsockname()[1]}/file"
        begin = time.monotonic()
        silent = _silent([f"{server}/file", mute_url, mute_url + "2", refused_url, f"{server}/absent"], 0.5)
        assert time.monotonic() - begin < 2.0
    assert list(silent) == [mute_url, mute_url + "2", refused_url, f"{server}/absent"]
    assert "refused" in silent[refused_url]
    assert "404" in silent[f"{server}/absent"]


def test_name_resolution_that_hangs_is_not_waited_for(monkeypatch):
    released = threading.Event()
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(10))
    begin = time.monotonic()
    assert _silent(["http://example.invalid/file"], 0.2) == {"http://example.invalid/file": "no answer within 0.2 s"}
    assert time.monotonic() - begin < 2.0
    released.set()
