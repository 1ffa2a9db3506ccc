"""Objects that were written and read again are what they were, identities included; what is not data is refused."""

import functools
import json
import random
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from io import BytesIO
from pickle import UnpicklingError
from typing import ClassVar

import numpy
import pytest
import torch
from torch import nn

from hnet_bench.avalanche_adapter import plain_pickle
from hnet_bench.avalanche_adapter.plain_pickle import NotKept, dumps, loads
from hnet_bench.interfaces import Scenario

HERE = __name__
TRUSTED = {"torch", "hnet_bench", HERE.partition(".")[0]}


def round_trip(value):
    return loads(dumps(value, TRUSTED), TRUSTED)


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
        *(torch.zeros, torch.ones_like, torch.relu, nn.functional.elu),  # functions, by their place
        1e-300,
        float("inf"),
        2**40,
        b"bytes",
    ],
)
def test_data_come_back_equal_and_of_the_same_type(value):
    found = round_trip(value)
    assert found == value
    assert type(found) is type(value)


def test_containers_keep_what_they_do_besides():
    found = round_trip(defaultdict(list, a=[1]))
    assert found["a"] == [1]
    assert found["new"] == []
    assert round_trip(deque([1, 2], maxlen=2)).maxlen == 2
    assert round_trip(numpy.arange(3.0)).tolist() == [0, 1, 2]


def test_what_was_one_object_is_one_object():
    shared = [1]
    found = round_trip({"left": shared, "right": (shared, shared)})
    assert found["left"] is found["right"][0] is found["right"][1]


def test_an_object_may_hold_itself():
    found = round_trip(Node())
    assert type(found) is Node
    assert found.itself is found
    assert found.values == [1, 0.1, "a", None, True]


@dataclass(frozen=True)
class Key:
    number: int


def test_an_object_that_is_known_by_its_value_may_be_a_key():
    assert round_trip({Key(1): [Key(2)], "set": {Key(3)}}) == {Key(1): [Key(2)], "set": {Key(3)}}


def test_views_of_one_memory_stay_views_of_one_memory():
    whole = torch.arange(6.0)
    found, part = round_trip([whole, whole[2:4]])
    part += 10
    assert found.tolist() == [0, 1, 12, 13, 4, 5]


def test_tensors_that_both_sides_have_are_named():
    given = torch.rand(10_000)
    content = dumps([given, given[:2]], TRUSTED, {"data": given})
    assert len(content) > given.nbytes  # the view holds them
    content = dumps([given], TRUSTED, {"data": given})
    assert len(content) < 5000
    assert loads(content, TRUSTED, {"data": given})[0] is given
    with pytest.raises(NotKept, match="there is no 'data' here"):
        loads(content, TRUSTED)


def test_an_optimiser_goes_on_with_the_parameters_that_were_read():
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


def nested(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


class Words(dict):
    """Would come back as another class, or without its items."""


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: 0, "can be found"),
        ((number for number in range(3)), "a generator that has begun"),
        (torch.ones(2, requires_grad=True) * 2, "still bound"),
        (json.JSONDecoder(), "JSONDecoder is not a class or a function"),
        (Words(a=1), "a Words is neither data"),
        (numpy.array(["a", "b"]), "no tensors of NumPy's <U1"),
        (numpy.array([None]), "no tensors of NumPy's object"),
        (numpy.datetime64("2020"), "no tensors of NumPy's datetime64"),
        (numpy.array([1.0], dtype=">f8"), "no tensors of NumPy's >f8"),
        (nested(10**5), "nested too deeply"),
    ],
)
def test_what_is_not_data_is_refused(value, reason):
    with pytest.raises(NotKept, match=reason):
        dumps(value, TRUSTED)


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
        dumps(begun, TRUSTED)


def own_loss(outputs):
    return outputs.sum()


def test_a_function_of_the_strategy_is_kept_where_whoever_reads_holds_it_too():
    content = dumps({"loss": own_loss}, TRUSTED)
    assert loads(content, TRUSTED, held=[own_loss]) == {"loss": own_loss}
    with pytest.raises(NotKept, match="own_loss is not a function or a class that the strategy begins with"):
        loads(content, TRUSTED)


class Call:
    """What somebody else could have written: a call of a function, by its name in the file."""

    def __init__(self, function, *arguments):
        self.reduced = function if callable(function) else getattr(plain_pickle, function), arguments

    def __reduce__(self):
        return self.reduced


def written_by_somebody(value):
    buffer = BytesIO()
    torch.save({"value": value}, buffer)
    return buffer.getvalue()


class Sly:
    """Iterating over it, or making it, does something at once."""

    asked: ClassVar[list[int]] = []

    def __init__(self):
        self.asked.append(1)

    def __iter__(self):
        self.asked.append(1)
        return iter([])


@pytest.mark.parametrize(
    "written",
    [
        # Instances: of no trusted module; in one, but from elsewhere; behind an attribute of one; no class; a function.
        Call("_new", "subprocess:Popen"),
        Call("_new", f"{HERE}:BytesIO"),
        Call("_new", f"{HERE}:json.JSONDecoder"),
        Call("_new", f"{HERE}:TRUSTED"),
        Call("_new", "torch.nn.functional:relu"),
        Call("_new", "torch:os.system"),
        *(
            Call("_callable", name)
            for name in (
                "os:system",
                "torch:os.system",
                f"{HERE}:json.loads",
                f"{HERE}:round_trip",
                f"{HERE}:Node",
                "torch.hub:load",
                "torch:load",
                "builtins:eval",
            )
        ),
        Call("_partial", Call("_callable", "os:system"), (), {}),
        Call("_fill", Call("_callable", "torch.nn.functional:relu"), {"only": 1}),
        Call("_fill", Scenario.CLASS, {"only": 1}),
        Call("_partial", (), (), {}),
        Call("_partial", Call("_new", f"{HERE}:Sly"), (), {}),
        Call("_defaultdict", Call("_callable", "os:system"), {}),
        Call("_defaultdict", Call("_new", f"{HERE}:Sly"), {}),
        Call("_list_iterator", Call("_new", f"{HERE}:Sly")),
        Call("_begun_anew", Call("_new", f"{HERE}:Sly")),
        Call("_begun_anew", ()),
        Call("_member", f"{HERE}:Node", "values"),
        Call("_member", "builtins:dict", "values"),
        Call("_numpy_generator", {"bit_generator": "ctypeslib"}),
        # What the loader itself refuses: a function, and the constructor of a class that may occur.
        Call(print, "harm"),
        Call(Sly),
        Sly,
    ],
)
def test_a_file_that_asks_for_more_is_refused(written, capsys):
    with pytest.raises((NotKept, AttributeError, UnpicklingError)):
        loads(written_by_somebody(written), TRUSTED)
    assert Sly.asked == []
    assert capsys.readouterr().out == ""


def test_reading_runs_no_constructor():
    made = Call("_new", f"{HERE}:Sly")
    found, _ = loads(written_by_somebody([made, Call("_fill", made, {"only": 1})]), TRUSTED)
    assert vars(found) == {"only": 1}
    assert Sly.asked == []
