"""Data sets from the servers that torchvision knows, with torchvision's own progress bar.

The only module here that uses torchvision, and it imports it only when it is asked to fetch something.
"""

import importlib
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import numpy as np

from hnet_bench.data.datasets import Arrays, Facts, SourceUnavailable

TITLE = "torchvision's download"
ANSWER_SECONDS = 10.0  # how long the servers have to answer at all
STALL_SECONDS = 20.0  # how long a download may stand still


def from_torchvision(facts: Facts, work: Path) -> Arrays:
    """Fetch the data set into the folder `work` and return its verified content.

    Raises `SourceUnavailable` where torchvision is not installed or no server delivers, `DataError` where the content
    is not the expected one.
    """
    try:
        datasets = importlib.import_module("torchvision.datasets")
    except ImportError as error:
        raise SourceUnavailable(f"torchvision cannot be imported ({error})") from error
    try:
        with _socket_timeout(STALL_SECONDS):
            reachable = _reachable(getattr(datasets, facts.torchvision))
            train = reachable(root=str(work), train=True, download=True)
            test = reachable(root=str(work), train=False, download=True)
    except SourceUnavailable:
        raise
    except Exception as error:  # sockets, HTTP, archives and torchvision's own checks fail in many ways
        raise SourceUnavailable(_one_line(error)) from error
    found = {}
    for part, dataset in (("train", train), ("test", test)):
        labels = np.asarray(dataset.targets).astype(np.uint8)
        chosen = labels < facts.classes
        found[f"x_{part}"], found[f"y_{part}"] = np.asarray(dataset.data)[chosen], labels[chosen]
    return facts.verified(found, TITLE)


def _reachable(dataset_class: Any) -> Any:
    """`dataset_class`, with only those mirrors that answer; `SourceUnavailable` where no server does.

    A firewall that drops packets lets every address of every mirror run into its own timeout, which adds up to
    minutes. So all servers are asked first, at once, and the silent ones are not used.
    """
    mirrors = getattr(dataset_class, "mirrors", None)
    urls = [mirror + dataset_class.resources[0][0] for mirror in mirrors] if mirrors else [dataset_class.url]
    silent = _silent(urls, ANSWER_SECONDS)
    if len(silent) == len(urls):
        raise SourceUnavailable("; ".join(f"{url}: {why}" for url, why in silent.items()))
    if not mirrors:
        return dataset_class
    answering = [mirror for mirror, url in zip(mirrors, urls, strict=True) if url not in silent]
    return type(dataset_class.__name__, (dataset_class,), {"mirrors": answering})


def _silent(urls: Sequence[str], seconds: float) -> dict[str, str]:
    """Those of `urls` that give no good answer within `seconds`, each with the reason."""
    answers: dict[str, str | None] = {}

    def ask(url: str) -> None:
        try:
            # A GET, as torchvision will send: some gateways refuse HEAD. The body is not read.
            with urlopen(Request(url, headers={"User-Agent": "hnet_bench"}), timeout=seconds):
                answers[url] = None
        except Exception as error:
            answers[url] = _one_line(error)

    # Name resolution knows no timeout, so the threads are left behind rather than waited for.
    threads = [Thread(target=ask, args=(url,), daemon=True) for url in urls]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    reasons = {url: answers.get(url, f"no answer within {seconds:g} s") for url in urls}
    return {url: why for url, why in reasons.items() if why is not None}


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
