"""Objects that were flattened and rebuilt are what they were, identities included; what is not data is refused."""

import functools
import json
import random
from collections import OrderedDict, defaultdict, deque
from io import BytesIO
from typing import ClassVar

import numpy
import pytest
import torch
from torch import nn

from hnet_bench.avalanche_adapter.object_graph import NotKept, flatten, rebuild
from hnet_bench.interfaces import Scenario

TRUSTED = {"torch", "hnet_bench", __name__.partition(".")[0]}


def round_trip(value, trusted=TRUSTED):
    data, tensors = flatten(value, trusted)
    buffer = BytesIO()
    torch.save(tensors, buffer)
    return rebuild(json.loads(json.dumps(data)), torch.load(BytesIO(buffer.getvalue()), weights_only=True), trusted)


class Node:
    def __init__(self):
        self.itself = self
        self.values = [1, 0.1, "a", None, True]


@pytest.mark.parametrize(
    "value",
    [
        {"a": (1, 2.5, [None, True]), 3: {"x", "y"}, (1, 2): frozenset({1})},
        OrderedDict(b=1, a=2),
        deque([1, 2]),
        torch.device("cpu"),
        torch.float64,
        slice(1, None, 2),
        Scenario.CLASS,
        numpy.float32(0.1),
        nn.functional.relu,
        1e-300,
        float("inf"),
    ],
)
def test_data_come_back_equal_and_of_the_same_type(value):
    found = round_trip(value)
    assert found == value
    assert type(found) is type(value)


def test_default_dictionaries_keep_their_factory():
    found = round_trip(defaultdict(list, a=[1]))
    assert found["a"] == [1]
    assert found["new"] == []


def test_what_was_one_object_is_one_object():
    shared = [1]
    found = round_trip({"left": shared, "right": (shared, shared)})
    assert found["left"] is found["right"][0] is found["right"][1]


def test_an_object_may_hold_itself():
    found = round_trip(Node())
    assert found.itself is found
    assert found.values == [1, 0.1, "a", None, True]


def test_views_of_one_memory_stay_views_of_one_memory():
    whole = torch.arange(6.0)
    found, part = round_trip([whole, whole[2:4]])
    part += 10
    assert found.tolist() == [0, 1, 12, 13, 4, 5]


def test_an_optimiser_goes_on_with_the_rebuilt_parameters():
    def trained(steps, state=None):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
        model, optimiser = state or (model, optimiser)
        for _ in range(steps):
            optimiser.zero_grad()
            model(torch.ones(4, 3)).square().sum().backward()
            optimiser.step()
        return model, optimiser

    expected, _ = trained(6)
    found, optimiser = trained(3, round_trip(trained(3)))
    assert torch.equal(found.weight, expected.weight)
    assert optimiser.param_groups[0]["params"][0] is found.weight


@pytest.mark.parametrize(
    ("generator", "draw"),
    [
        (torch.Generator().manual_seed(3), lambda generator: torch.rand(3, generator=generator).tolist()),
        (numpy.random.default_rng(3), lambda generator: generator.random(3).tolist()),
        (random.Random(3), lambda generator: [generator.random() for _ in range(3)]),
    ],
)
def test_random_generators_go_on_where_they_were(generator, draw):
    draw(generator)
    assert draw(round_trip(generator)) == draw(generator)


def test_partial_functions_are_kept_by_name():
    found = round_trip(functools.partial(nn.functional.elu, alpha=0.5))
    assert found(torch.tensor(-1.0)) == nn.functional.elu(torch.tensor(-1.0), alpha=0.5)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: 0, "cannot be found|can be found"),
        ((number for number in range(3)), "a generator that has begun"),
        (torch.ones(2, requires_grad=True) * 2, "still bound"),
        (json.JSONDecoder(), "JSONDecoder is not a class or a function"),
    ],
)
def test_what_is_not_data_is_refused(value, reason):
    with pytest.raises(NotKept, match=reason):
        flatten(value, TRUSTED)


class Endless:
    """What Avalanche's endless loaders are like: a generator for whoever iterates."""

    def __init__(self):
        self.asked = []

    def __iter__(self):
        self.asked.append(1)
        yield from self.asked


def test_an_iterator_that_nobody_has_asked_begins_anew():
    kept = Endless()
    found = round_trip({"owner": kept, "iterator": iter(kept), "rest": iter([1, 2])})
    assert found["owner"].asked == []
    assert next(found["iterator"]) == 1
    assert found["owner"].asked == [1]
    assert list(found["rest"]) == [1, 2]


def test_an_iterator_that_has_begun_is_refused():
    begun = iter(Endless())
    next(begun)
    with pytest.raises(NotKept, match="has begun"):
        flatten(begun, TRUSTED)


@pytest.mark.parametrize("function", [torch.zeros, torch.ones_like, nn.functional.elu, torch.relu])
def test_functions_of_tensors_are_kept_by_their_place(function):
    assert round_trip(function) is function


def own_loss(outputs):
    return outputs.sum()


def test_a_function_of_the_strategy_is_kept_where_whoever_restores_holds_it_too():
    data, _ = flatten({"loss": own_loss}, TRUSTED)
    assert rebuild(data, [], TRUSTED, held=[own_loss]) == {"loss": own_loss}
    with pytest.raises(NotKept, match="own_loss is not a function or a class that the strategy begins with"):
        rebuild(data, [], TRUSTED)


HERE = __name__


@pytest.mark.parametrize(
    "described",
    [
        # Not of a trusted module; in one, but from elsewhere; behind an attribute of one; no class; a function.
        {"class": "subprocess:Popen", "state": []},
        {"class": f"{HERE}:BytesIO", "state": []},
        {"class": f"{HERE}:json.JSONDecoder", "state": []},
        {"class": f"{HERE}:TRUSTED", "state": []},
        {"class": "torch.nn.functional:relu", "state": []},
        {"class": "torch:os.system", "state": []},
        {"global": "os:system"},
        {"global": "torch:os.system"},
        {"global": f"{HERE}:json.loads"},
        {"global": f"{HERE}:round_trip"},
        {"global": f"{HERE}:Node"},
        {"global": "torch.hub:load"},
        {"global": "torch:load"},
        {"global": "builtins:eval"},
        {"partial": [{"at": 2}, {"at": 3}, {"at": 1}]},
        {"partial": [{"at": 4}, {"at": 3}, {"at": 1}]},
        {"defaultdict": [], "factory": {"at": 2}},
        {"defaultdict": [], "factory": {"at": 4}},
        {"enum": f"{HERE}:Node", "name": "values"},
        {"enum": "builtins:dict", "name": "values"},
        {"dtype": "load"},
        {"number": 1, "dtype": "O"},
        {"iterator_of": {"at": 5}},
        {"iterator_of": {"at": 4}},
        {"optimiser": "torch.nn.modules.linear:Linear", "state": [["state", {"at": 1}]]},
        {"numpy_generator": {"at": 6}},
        {"unheard of": 1},
    ],
)
def test_data_that_ask_for_more_are_refused(described):
    objects = [
        described,
        {"dict": []},
        {"global": "os:system"},
        {"tuple": []},
        {"class": f"{HERE}:Node", "state": []},
        {"class": f"{HERE}:Sly", "state": []},
        {"dict": [["bit_generator", "ctypeslib"]]},
    ]
    with pytest.raises((NotKept, AttributeError)):
        rebuild({"root": {"at": 0}, "objects": objects}, [], TRUSTED)
    assert Sly.asked == []


class Sly:
    """Iterating over it does something at once."""

    asked: ClassVar[list[int]] = []

    def __iter__(self):
        self.asked.append(1)
        return iter([])


def test_rebuilding_runs_no_constructor():
    class_name = f"{Node.__module__}:Node"
    data = {"root": {"at": 0}, "objects": [{"class": class_name, "state": [["only", 1]]}]}
    assert vars(rebuild(data, [], TRUSTED)) == {"only": 1}
