"""Which global random generators are kept, and on which device; GPUs are stood in for."""

import random

import numpy
import pytest
import torch

from hnet_bench.avalanche_adapter.random_state import preserved_random_state, random_state, set_random_state

CPU = torch.device("cpu")


@pytest.fixture
def gpus(monkeypatch):
    """Two GPUs, each with a generator whose state is a number."""
    states = {"cuda:0": torch.tensor([10]), "cuda:1": torch.tensor([11])}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device="cuda:0": states[str(device)].clone())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device="cuda:0": states.update({str(device): state}))
    return states


def draw():
    return random.random(), numpy.random.random(), torch.rand(1).item()


def test_what_is_drawn_in_between_leaves_no_trace():
    with preserved_random_state(CPU):
        first = draw()
    assert draw() == first
    with pytest.raises(KeyError), preserved_random_state(CPU):
        second = draw()
        raise KeyError
    assert draw() == second


def test_on_the_processor_no_gpu_is_touched(gpus):
    before = dict(gpus)
    gpus.clear()  # asking for one would fail
    with preserved_random_state(CPU):
        draw()
    state = random_state(CPU)
    set_random_state(state, CPU)
    gpus.update(before)
    set_random_state(state, torch.device("cuda:0"))  # nothing is known of it
    assert gpus == before


def test_what_stopped_on_one_gpu_goes_on_on_another(gpus):
    state = random_state(torch.device("cuda:1"))
    set_random_state(state, torch.device("cuda:0"))
    assert {name: int(one) for name, one in gpus.items()} == {"cuda:0": 11, "cuda:1": 11}
    del gpus["cuda:1"]
    set_random_state(state, torch.device("cuda:0"))
    assert list(gpus) == ["cuda:0"]
