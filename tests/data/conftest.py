"""A tiny stand-in for MNIST, and the true one where this machine has it."""

import os
from pathlib import Path

import numpy as np
import pytest

from hnet_bench.data.arrays import Arrays
from hnet_bench.data.facts import DATASETS, Facts


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Arrays:
    """Six training and three test images, which are what `mnist` means for the time of the test."""
    rng = np.random.default_rng(0)
    arrays = Arrays(
        "mnist",
        rng.integers(0, 256, (6, 28, 28), dtype=np.uint8),
        np.array([5, 0, 4, 1, 9, 2], np.uint8),
        rng.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        np.array([7, 2, 1], np.uint8),
    )
    facts = Facts(name="mnist", sha256=arrays.fingerprint, train=6, test=3, image=(28, 28), classes=10)
    monkeypatch.setitem(DATASETS, "mnist", facts)
    return arrays


@pytest.fixture
def real_folder() -> Path:
    """The data folder of this machine, where it holds the true MNIST."""
    folder = os.environ.get("HNET_BENCH_DATA")
    if not folder or not (Path(folder) / "mnist.npz").is_file():
        pytest.skip("$HNET_BENCH_DATA/mnist.npz is absent")
    return Path(folder)
