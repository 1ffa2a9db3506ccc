"""Graphs of objects in torch's own format, read by its weights-only loader, which calls nothing that stands in a file.

Tensors, numbers, strings and containers are what `torch.save` makes of them. Everything else is written as a call of
one of the few functions below, which with torch's own are all that the loader may call. They make instances of classes,
and set their attributes, without running any of their code: a class must be defined in one of the modules that are
given, not merely be found there. Functions, and classes that stand in for themselves, are only ever those of a short
list or those that the reader holds already. Whatever else is neither data nor a tensor is refused with NotKept.
"""

from __future__ import annotations

import copy
import functools
import inspect
import operator
import pickle
import random
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum
from io import BytesIO
from types import BuiltinFunctionType, FunctionType, GeneratorType, SimpleNamespace
from typing import Any

import numpy
import torch
from avalanche.benchmarks.utils import collate_functions, transform_groups
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer
from torch.utils.data import default_collate

_FUNCTIONS = (FunctionType, BuiltinFunctionType)
# What instances may hold for what it is: default factories of Python's own, and functions of tensors alone. Names are
# places, since torch's functions have none of their own by which they could be found.
_MAKERS = ("zeros", "ones", "empty", "rand", "randn")
_OF_TENSORS = ("abs", "exp", "log", "relu", "sigmoid", "softmax", "log_softmax", "sqrt", "square", "tanh")
_COLLATING = [name for name in vars(collate_functions) if name.startswith("classification_")]
_OF_LAYERS = [name for name, value in vars(functional).items() if isinstance(value, _FUNCTIONS) and name[0] != "_"]
_KNOWN: dict[str, Any] = {
    **{f"builtins:{kind.__name__}": kind for kind in (dict, float, int, list, set, tuple)},
    **{f"torch.nn.functional:{name}": getattr(functional, name) for name in _OF_LAYERS},
    **{f"torch:{name}": getattr(torch, name) for name in (*_MAKERS, *(f"{one}_like" for one in _MAKERS), *_OF_TENSORS)},
    "torch.utils.data:default_collate": default_collate,
    **{f"{collate_functions.__name__}:{name}": getattr(collate_functions, name) for name in _COLLATING},
    f"{transform_groups.__name__}:identity": transform_groups.identity,
    **{f"operator:{name}": getattr(operator, name) for name in ("eq", "ge", "gt", "le", "lt", "ne")},
}
_NAMES = {id(value): name for name, value in reversed(_KNOWN.items())}


class NotKept(Exception):
    """Why something cannot be kept: half a sentence."""


def dumps(value: Any, trusted: Collection[str], outside: Mapping[str, Tensor] | None = None) -> bytes:
    """Everything that a value holds; `trusted` are names of modules and packages whose classes may occur.

    The tensors of `outside` are known by their names to whoever reads, and left out. Raises NotKept for whatever is
    neither data, nor a tensor, nor such an instance.
    """
    try:
        return _written(value, trusted, outside or {})
    except RecursionError as error:
        raise NotKept("containers in it are nested too deeply") from error


def _written(value: Any, trusted: Collection[str], outside: Mapping[str, Tensor]) -> bytes:
    names = {id(tensor): name for name, tensor in outside.items()}
    instances: list[Any] = []
    search = _Search(BytesIO(), 2)
    search.trusted, search.outside, search.instances = trusted, names, instances
    search.dump(value)
    for one in instances:  # which become more meanwhile
        search.dump(_attributes(one))
    # Those that were found last are what others are made of, such as keys of their dictionaries.
    parts = {"instances": instances, "attributes": [_Filling(one) for one in reversed(instances)], "value": value}
    buffer = BytesIO()
    pickler = type("Pickler", (_Pickler,), {"trusted": trusted, "outside": names, "instances": []})
    torch.save(parts, buffer, pickle_module=SimpleNamespace(__name__=__name__, Pickler=pickler), pickle_protocol=2)
    return buffer.getvalue()


def loads(
    content: bytes,
    trusted: Collection[str],
    outside: Mapping[str, Tensor] | None = None,
    held: Collection[Any] = (),
    device: torch.device | str = "cpu",
) -> Any:
    """Inverse of `dumps`, with the tensors on a device. `held` are functions and classes that may occur because whoever
    asks holds them anyway. Raises NotKept, or an error of torch's, for whatever is not allowed."""
    token = _reading.set(_Reading(trusted, outside or {}, {id(one) for one in held}))
    try:
        with torch.serialization.safe_globals([*_CALLED]):
            return torch.load(BytesIO(content), map_location=device, weights_only=True)["value"]
    finally:
        _reading.reset(token)


class _Pickler(pickle.Pickler):
    trusted: Collection[str]
    outside: Mapping[int, str]  # names of tensors by their ids
    instances: list[Any]  # those that were met

    def reducer_override(self, value: Any) -> Any:
        """How an object is written that is no number, string, list, tuple, set or dictionary."""
        if isinstance(value, Tensor):
            if id(value) in self.outside:
                return _outside, (self.outside[id(value)],)
            if value.grad_fn is not None:
                raise NotKept("a tensor that is the result of a computation is still bound to it; keep value.detach()")
            return NotImplemented
        for kinds, reduce in _REDUCED:
            if isinstance(value, kinds):
                return reduce(value)
        if id(value) in _NAMES:
            return _callable, (_NAMES[id(value)],)
        if isinstance(value, (type, *_FUNCTIONS)):
            return NotImplemented if _is_known_to_the_loader(value) else (_callable, (_name(value, self.trusted),))
        if type(value) in _PICKLED:
            return NotImplemented
        if not hasattr(value, "__dict__") or isinstance(value, _CONTAINERS):
            raise NotKept(f"a {type(value).__name__} is neither data, nor a tensor, nor an instance of a class of ours")
        self.instances.append(value)
        return _new, (_name(type(value), self.trusted),)


class _Search(_Pickler):
    """Finds all instances; tensors lead to none."""

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            self.reducer_override(value)
            return 0
        return None


class _Filling:
    """The attributes of an instance, to be set when all instances are made: they may hold one another."""

    def __init__(self, instance: Any) -> None:
        self.instance = instance


def _attributes(instance: Any) -> Any:
    # An optimiser makes its hooks anew.
    return instance.__getstate__() if isinstance(instance, Optimizer) else vars(instance)


def _is_known_to_the_loader(value: Any) -> bool:
    """Whether this function or class is one of ours that it may call, or one that torch itself writes for tensors."""
    if value in _CALLED or value in _PICKLED:
        return True
    return value.__module__ in _TENSORS or (isinstance(value, type) and value.__module__ == "torch")


def _tensor(values: Any) -> Tensor:
    """A tensor of the values of a NumPy array, or of a number of NumPy's."""
    try:
        return torch.from_numpy(numpy.array(values))
    except (TypeError, ValueError) as error:  # texts, objects, dates, other orders of bytes
        raise NotKept(f"torch has no tensors of NumPy's {values.dtype}") from error


def _name(value: Any, trusted: Collection[str]) -> str:
    name = f"{value.__module__}:{value.__qualname__}"
    if _found(name, trusted) is not value:
        raise NotKept(f"{name.replace(':', '.')} is not a class or a function that can be found by this name")
    return name


def _not_begun(value: GeneratorType[Any, Any, Any]) -> Any:
    """A generator that `iter(owner)` has made and nobody has asked yet is known by its owner."""
    new = inspect.getgeneratorstate(value) == inspect.GEN_CREATED
    owner = value.gi_frame.f_locals.get("self") if new and value.gi_frame else None
    if owner is None or value.gi_code is not getattr(type(owner).__iter__, "__code__", None):
        raise NotKept("a generator that has begun, or is not an object's __iter__, has a state that cannot be read")
    return _begun_anew, (owner,)


@dataclass(frozen=True)
class _Reading:
    """What the functions below may use while a file is read."""

    trusted: Collection[str]
    outside: Mapping[str, Tensor]
    held: set[int]
    made: dict[int, Any] = field(default_factory=dict)  # instances by their ids

    def class_(self, name: str, base: type) -> Any:
        """A class of this name, defined in a trusted module and derived from the base."""
        found = _found(name, self.trusted)
        if not isinstance(found, type) or not issubclass(found, base):
            raise NotKept(f"{name.replace(':', '.')} is not a {base.__name__} that is known here")
        return found


_reading: ContextVar[_Reading] = ContextVar("_reading")


def _new(name: str) -> Any:
    """An instance of a class, without a call of its constructor."""
    made = object.__new__(_reading.get().class_(name, object))
    _reading.get().made[id(made)] = made
    return made


def _fill(instance: Any, attributes: dict[str, Any]) -> None:
    if id(instance) not in _reading.get().made:
        raise NotKept("what is to have attributes was not made here")
    if isinstance(instance, Optimizer):
        instance.__setstate__(attributes)
    else:
        vars(instance).update(attributes)


def _outside(name: str) -> Tensor:
    outside = _reading.get().outside
    if name not in outside:
        raise NotKept(f"there is no '{name}' here")
    return outside[name]


def _callable(name: str) -> Any:
    """A function, or a class for what it is; it is not called."""
    if name in _KNOWN:
        return _KNOWN[name]
    found = _found(name, _reading.get().trusted)
    if found is None or id(found) not in _reading.get().held:
        raise NotKept(f"{name.replace(':', '.')} is not a function or a class that the strategy begins with")
    return found


def _checked(function: Any) -> Any:
    """The function, if it is one that `_callable` or `_partial` gives."""
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    if id(inner) not in _NAMES and id(inner) not in _reading.get().held:
        raise NotKept("what is to be called is not a function")
    return function


def _partial(function: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return functools.partial(_checked(function), *arguments, **named)


def _defaultdict(factory: Any, items: dict[Any, Any]) -> Any:
    return defaultdict(None if factory is None else _checked(factory), items)


def _deque(items: list[Any], longest: int | None) -> Any:
    return deque(items, longest)


def _list_iterator(items: list[Any]) -> Iterator[Any]:
    if type(items) is not list:
        raise NotKept("what is to be iterated over is not a list")
    return iter(items)


def _begun_anew(owner: Any) -> Any:
    """What `iter` gives, if that runs none of its code yet."""
    if not inspect.isgeneratorfunction(type(owner).__iter__):
        raise NotKept(f"iterators of a {type(owner).__name__} are no generators")
    return iter(owner)


def _member(name: str, member: str) -> Any:
    return _reading.get().class_(name, Enum).__members__[member]


def _array(values: Tensor) -> Any:
    return values.cpu().numpy()


def _number(value: Tensor) -> Any:
    return value.cpu().numpy()[()]


def _generator(device: str, state: Tensor) -> torch.Generator:
    return torch.Generator(device).set_state(state.cpu())


def _numpy_generator(state: dict[str, Any]) -> numpy.random.Generator:
    kinds = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
    if state["bit_generator"] not in kinds:
        raise NotKept(f"'{state['bit_generator']}' is not a generator of NumPy's")
    bits = getattr(numpy.random, state["bit_generator"])()
    bits.state = state
    return numpy.random.Generator(bits)


# What pickle itself writes as the loader wants it: of torch's list, and harmless classes besides.
_HARMLESS = (frozenset, random.Random, slice)
_PICKLED = (*_HARMLESS, OrderedDict, Counter, bytes, bytearray, complex, set, torch.device, torch.dtype, torch.Size)
# All that the loader may call, beside what makes tensors.
_CALLED: tuple[Any, ...] = (
    *_HARMLESS,
    *(_new, _fill, _outside, _callable, _partial, _defaultdict, _deque, _list_iterator, _begun_anew, _member),
    *(_array, _number, _generator, _numpy_generator),
)
# Where what makes tensors and bytes is defined.
_TENSORS = ("torch._utils", "torch._tensor", "torch.storage", "_codecs")
_LIST_ITERATOR: Any = type(iter([]))
# Subclasses of these would come back without their items.
_CONTAINERS = (dict, list, tuple, set, frozenset, deque)
# How others are written: a function that makes them, and its arguments.
_REDUCED: list[tuple[Any, Callable[[Any], Any]]] = [
    (_Filling, lambda v: (_fill, (v.instance, _attributes(v.instance)))),
    (torch.Generator, lambda v: (_generator, (v.device.type, v.get_state()))),
    (numpy.ndarray, lambda v: (_array, (_tensor(v),))),
    (numpy.generic, lambda v: (_number, (_tensor(v),))),
    (numpy.random.Generator, lambda v: (_numpy_generator, (v.bit_generator.state,))),
    (Enum, lambda v: (_member, (f"{type(v).__module__}:{type(v).__qualname__}", v.name))),
    (functools.partial, lambda v: (_partial, (v.func, v.args, v.keywords))),
    (GeneratorType, _not_begun),
    (_LIST_ITERATOR, lambda v: (_list_iterator, (list(copy.copy(v)),))),
    (defaultdict, lambda v: (_defaultdict, (v.default_factory, dict(v)))),
    (deque, lambda v: (_deque, (list(v), v.maxlen))),
]


def _found(name: str, trusted: Collection[str]) -> Any:
    """The class or function "module:qualified.name" that a trusted module defines and that is loaded, else None.

    Nothing but classes leads on to what is inside, and what is found must bear the name itself: so what a module has
    imported from elsewhere is not found there.
    """
    module, _, path = name.partition(":")
    if not any(module == known or module.startswith(f"{known}.") for known in trusted):
        return None
    found: Any = sys.modules.get(module)
    for number, part in enumerate(path.split(".")):
        if number and not isinstance(found, type):
            return None
        found = getattr(found, "__dict__", {}).get(part)
    if not isinstance(found, (*_FUNCTIONS, type)):
        return None
    return found if (found.__module__, found.__qualname__) == (module, path) else None
