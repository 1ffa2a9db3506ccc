"""A tiny stand-in for MNIST."""

import numpy as np
import pytest

from hnet_bench.data.datasets import DATASETS, Arrays, Facts


@pytest.fixture
def tiny(monkeypatch):
    """Six training and three test images, which are what `mnist` means for the time of the test."""
    rng = np.random.default_rng(0)
    arrays = Arrays(
        "mnist",
        rng.integers(0, 256, (6, 28, 28), dtype=np.uint8),
        np.array([5, 0, 4, 1, 9, 2], np.uint8),
        rng.integers(0, 256, (3, 28, 28), dtype=np.uint8),
        np.array([7, 2, 1], np.uint8),
    )
    facts = Facts(
        name="mnist", sha256=arrays.fingerprint, train=6, test=3, image=(28, 28), classes=10, torchvision="MNIST"
    )
    monkeypatch.setitem(DATASETS, "mnist", facts)
    return arrays
