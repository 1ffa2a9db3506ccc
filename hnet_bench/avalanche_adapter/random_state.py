"""The global random generators of Python, NumPy and torch that a template draws from: on the processor, and on its
device alone. So a run on the processor does not touch a GPU, and one that stopped on one GPU resumes on another.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import torch


def random_state(device: torch.device) -> dict[str, Any]:
    """State of the generators that a template on this device draws from."""
    return {
        "python": random.getstate(),
        "numpy": numpy.random.get_state(legacy=True),
        "torch": torch.get_rng_state(),
        "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
    }


def set_random_state(state: dict[str, Any], device: torch.device) -> None:
    """Puts them into a state that `random_state` returned, of this device or of another of its kind."""
    random.setstate(state["python"])
    numpy.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"].cpu())
    if device.type == "cuda" and state["device"] is not None:
        torch.cuda.set_rng_state(state["device"].cpu(), device)


@contextmanager
def preserved_random_state(device: torch.device) -> Iterator[None]:
    """Leaves the generators as it found them."""
    state = random_state(device)
    try:
        yield
    finally:
        set_random_state(state, device)
