"""Objects as plain data and tensors, and back: a pickle that cannot call anything.

`flatten` turns a graph of objects into JSON and a list of tensors, with every object once, however many hold it.
Tensors that both sides have anyway, such as the data, are named rather than written. `rebuild` makes instances of
allowed classes without running their constructors, and sets their attributes. A class is allowed by its own name: it
must be defined in one of the modules that are given, not merely be found there. Functions, and classes that stand in
for themselves, are only ever those of a short list or those that the reader holds already. Whatever else is neither
data nor a tensor is refused with NotKept.
"""

from __future__ import annotations

import copy
import functools
import inspect
import operator
import random
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType, GeneratorType
from typing import Any

import numpy
import torch
from avalanche.benchmarks.utils import collate_functions, transform_groups
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import default_collate

# What instances may hold for what it is, by name: default factories of Python's own, and functions of tensors alone.
# Names of functions are their places, since torch's own have none by which they could be found.
_MAKERS = (
    "zeros",
    "ones",
    "empty",
    "rand",
    "randn",
    "zeros_like",
    "ones_like",
    "empty_like",
    "rand_like",
    "randn_like",
)
_OF_TENSORS = ("abs", "exp", "log", "relu", "sigmoid", "softmax", "log_softmax", "sqrt", "square", "tanh")
_ACTIVATIONS = (
    "celu",
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "mish",
    "relu",
    "selu",
    "silu",
    "softmax",
    "softplus",
)
_LOSSES = ("binary_cross_entropy", "cross_entropy", "kl_div", "l1_loss", "mse_loss", "nll_loss", "smooth_l1_loss")
_COLLATING = [name for name in vars(collate_functions) if name.startswith("classification_")]
_KNOWN: dict[str, Any] = {
    **{f"builtins:{kind.__name__}": kind for kind in (dict, float, int, list, set, tuple)},
    **{f"torch:{name}": getattr(torch, name) for name in (*_MAKERS, *_OF_TENSORS)},
    **{f"torch.nn.functional:{name}": getattr(functional, name) for name in (*_ACTIVATIONS, *_LOSSES)},
    "torch.utils.data:default_collate": default_collate,
    **{f"{collate_functions.__name__}:{name}": getattr(collate_functions, name) for name in _COLLATING},
    f"{transform_groups.__name__}:identity": transform_groups.identity,
    **{f"operator:{name}": getattr(operator, name) for name in ("eq", "ge", "gt", "le", "lt", "ne")},
}
_NAMES = {id(value): name for name, value in reversed(_KNOWN.items())}
_FUNCTIONS = (FunctionType, BuiltinFunctionType)
_LIST_ITERATOR: Any = type(iter([]))
_CONTAINERS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", deque: "deque"}


class NotKept(Exception):
    """Why something cannot be kept: half a sentence."""


def flatten(
    root: Any, trusted: Collection[str], outside: Mapping[str, Tensor] | None = None
) -> tuple[dict[str, Any], list[Tensor]]:
    """JSON and tensors of everything that `root` holds; `trusted` are names of modules and packages whose classes may
    occur.

    The tensors of `outside` are known by their names to whoever rebuilds, and left out.
    """
    writer = _Writer(trusted, outside or {})
    return {"root": writer.node(root), "objects": writer.objects}, writer.tensors


def rebuild(
    data: dict[str, Any],
    tensors: list[Tensor],
    trusted: Collection[str],
    outside: Mapping[str, Tensor] | None = None,
    held: Collection[Any] = (),
) -> Any:
    """Inverse of `flatten`, with the tensors where they are now. `held` are functions and classes that may stand in the
    data because whoever asks holds them anyway. Raises NotKept for whatever is not allowed."""
    return _Reader(data["objects"], tensors, trusted, outside or {}, held).value(data["root"])


class _Writer:
    def __init__(self, trusted: Collection[str], outside: Mapping[str, Tensor]) -> None:
        self._outside = {id(tensor): name for name, tensor in outside.items()}
        self.objects: list[Any] = []
        self.tensors: list[Tensor] = []
        self._trusted = trusted
        self._numbers: dict[int, int] = {}
        self._alive: list[Any] = []  # so that no id is used twice

    def node(self, value: Any) -> Any:
        """A scalar itself, or the number of an object."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self.objects)
            self._alive.append(value)
            self.objects.append(None)
            self.objects[self._numbers[id(value)]] = self._described(value)
        return {"at": self._numbers[id(value)]}

    def _described(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Tensor):
            return self._tensor(value)
        for kinds, describe in _SPECIAL:
            if isinstance(value, kinds):
                return describe(self, value)
        if type(value) in _CONTAINERS or isinstance(value, torch.Size):
            return {_CONTAINERS.get(type(value), "tuple"): [self.node(item) for item in value]}
        if id(value) in _NAMES:
            return {"global": _NAMES[id(value)]}
        if isinstance(value, (*_FUNCTIONS, type)):
            return {"global": self._name(value)}
        return self._instance(value)

    def _tensor(self, value: Tensor) -> dict[str, Any]:
        if id(value) in self._outside:
            return {"outside": self._outside[id(value)]}
        if value.grad_fn is not None:
            raise NotKept("a tensor that is the result of a computation is still bound to it; keep value.detach()")
        self.tensors.append(value.detach())
        kind = "parameter" if isinstance(value, nn.Parameter) else "tensor"
        return {kind: len(self.tensors) - 1, "requires_grad": value.requires_grad}

    def _instance(self, value: Any) -> dict[str, Any]:
        if not hasattr(value, "__dict__"):
            raise NotKept(f"a {type(value).__name__} is neither data, nor a tensor, nor an instance of a class of ours")
        return {"class": self._name(type(value)), "state": self.pairs(vars(value))}

    def pairs(self, value: dict[Any, Any]) -> list[Any]:
        """Keys and values."""
        return [[self.node(key), self.node(item)] for key, item in value.items()]

    def array(self, value: Any) -> int:
        """Number of the tensor that holds a NumPy array."""
        self.tensors.append(torch.from_numpy(numpy.array(value)))
        return len(self.tensors) - 1

    def _name(self, value: Any) -> str:
        name = f"{value.__module__}:{value.__qualname__}"
        if _found(name, self._trusted) is not value:
            raise NotKept(f"{name.replace(':', '.')} is not a class or a function that can be found by this name")
        return name


def _not_begun(writer: _Writer, value: GeneratorType[Any, Any, Any]) -> dict[str, Any]:
    """A generator that `iter(owner)` has made and nobody has asked yet is known by its owner."""
    new = inspect.getgeneratorstate(value) == inspect.GEN_CREATED
    owner = value.gi_frame.f_locals.get("self") if new and value.gi_frame else None
    if owner is None or value.gi_code is not getattr(type(owner).__iter__, "__code__", None):
        raise NotKept("a generator that has begun, or is not an object's __iter__, has a state that cannot be read")
    return {"iterator_of": writer.node(owner)}


def _optimiser(writer: _Writer, value: torch.optim.Optimizer) -> dict[str, Any]:
    # Its state hangs on the very parameters; hooks and the like are made anew.
    parts = {"defaults": value.defaults, "state": dict(value.state), "param_groups": value.param_groups}
    return {"optimiser": writer._name(type(value)), "state": writer.pairs(parts)}


_SPECIAL: list[tuple[Any, Callable[[_Writer, Any], dict[str, Any]]]] = [
    (torch.Generator, lambda w, v: {"generator": w.node(v.get_state()), "device": v.device.type}),
    (torch.device, lambda w, v: {"device": str(v)}),
    (torch.dtype, lambda w, v: {"dtype": str(v).removeprefix("torch.")}),
    (torch.optim.Optimizer, _optimiser),
    (numpy.ndarray, lambda w, v: {"array": w.array(v)}),
    (numpy.generic, lambda w, v: {"number": v.item(), "dtype": v.dtype.name}),
    (numpy.random.Generator, lambda w, v: {"numpy_generator": w.node(v.bit_generator.state)}),
    (random.Random, lambda w, v: {"python_generator": w.node(v.getstate())}),
    (slice, lambda w, v: {"slice": [w.node(edge) for edge in (v.start, v.stop, v.step)]}),
    (Enum, lambda w, v: {"enum": w._name(type(v)), "name": v.name}),
    (functools.partial, lambda w, v: {"partial": [w.node(part) for part in (v.func, v.args, v.keywords)]}),
    (GeneratorType, _not_begun),
    (_LIST_ITERATOR, lambda w, v: {"list_iterator": [w.node(item) for item in copy.copy(v)]}),
    (defaultdict, lambda w, v: {"defaultdict": w.pairs(v), "factory": w.node(v.default_factory)}),
    (OrderedDict, lambda w, v: {"ordered": w.pairs(v)}),
    (dict, lambda w, v: {"dict": w.pairs(v)}),
]


class _Reader:
    def __init__(
        self,
        objects: list[Any],
        tensors: list[Tensor],
        trusted: Collection[str],
        outside: Mapping[str, Tensor],
        held: Collection[Any],
    ) -> None:
        self._objects, self._tensors, self._trusted, self._outside = objects, tensors, trusted, outside
        self._held = {id(value) for value in held}
        self._made: dict[int, Any] = {}

    def value(self, node: Any) -> Any:
        """What a node stands for, the same object whenever it is asked for."""
        if not isinstance(node, dict):
            return node
        number = node["at"]
        if number not in self._made:
            self._make(number, self._objects[number])
        return self._made[number]

    def _make(self, number: int, described: dict[str, Any]) -> None:
        kind = next(iter(described))
        content = described[kind]
        if kind in ("class", "optimiser"):
            self._made[number] = self._empty(content, kind)
            self._fill(self._made[number], kind, self._pairs(described["state"]))
        elif kind in ("dict", "ordered", "defaultdict"):
            made: Any = {"dict": dict, "ordered": OrderedDict, "defaultdict": defaultdict}[kind]()
            self._made[number] = made
            if kind == "defaultdict":
                made.default_factory = self._function(described["factory"])
            made.update(self._pairs(content))
        elif kind == "list":
            self._made[number] = made = []
            made.extend(map(self.value, content))
        else:
            self._made[number] = self._simple(kind, content, described)

    def _simple(self, kind: str, content: Any, described: dict[str, Any]) -> Any:
        """What holds no object that could hold it in turn."""
        if kind in ("tensor", "parameter"):
            tensor = self._tensors[content]
            if kind == "parameter":
                return nn.Parameter(tensor, requires_grad=described["requires_grad"])
            return tensor.requires_grad_(described["requires_grad"])
        if kind == "outside":
            if content not in self._outside:
                raise NotKept(f"there is no '{content}' here")
            return self._outside[content]
        if kind == "global":
            return self._held_or_known(content)
        if kind == "enum":
            members = self._class(content, Enum)
            return members.__members__[described["name"]]
        for container, name in _CONTAINERS.items():
            if kind == name:
                return container(map(self.value, content))
        makers: dict[str, Callable[[], Any]] = {
            "generator": lambda: torch.Generator(described["device"]).set_state(self.value(content).cpu()),
            "device": lambda: torch.device(content),
            "dtype": lambda: _dtype(content),
            "array": lambda: self._tensors[content].cpu().numpy(),
            "number": lambda: _number(described["dtype"], content),
            "numpy_generator": lambda: _numpy_generator(self.value(content)),
            "python_generator": lambda: _python_generator(self.value(content)),
            "slice": lambda: slice(*map(self.value, content)),
            "partial": lambda: functools.partial(
                self._function(content[0]), *self.value(content[1]), **self.value(content[2])
            ),
            "list_iterator": lambda: iter([self.value(item) for item in content]),
            "iterator_of": lambda: _begun_anew(self.value(content)),
        }
        if kind not in makers:
            raise NotKept(f"'{kind}' is no kind of object")
        return makers[kind]()

    def _empty(self, name: str, kind: str) -> Any:
        return object.__new__(self._class(name, torch.optim.Optimizer if kind == "optimiser" else object))

    def _fill(self, made: Any, kind: str, state: dict[str, Any]) -> None:
        if kind == "optimiser":
            made.__setstate__({**state, "state": defaultdict(dict, state["state"])})
        else:
            vars(made).update(state)

    def _pairs(self, content: list[Any]) -> dict[Any, Any]:
        return {self.value(key): self.value(value) for key, value in content}

    def _class(self, name: str, base: type) -> Any:
        """A class of this name, defined in a trusted module and derived from the base."""
        found = _found(name, self._trusted)
        if not isinstance(found, type) or not issubclass(found, base):
            raise NotKept(f"{name.replace(':', '.')} is not {_KINDS[base]} that is known here")
        return found

    def _held_or_known(self, name: str) -> Any:
        """A function, or a class for what it is."""
        if name in _KNOWN:
            return _KNOWN[name]
        found = _found(name, self._trusted)
        if found is None or id(found) not in self._held:
            raise NotKept(f"{name.replace(':', '.')} is not a function or a class that the strategy begins with")
        return found

    def _function(self, node: Any) -> Any:
        """None, or what a node stands for if that is a function or a class for what it is, or a partial function."""
        if node is not None and next(iter(self._objects[node["at"]])) not in ("global", "partial"):
            raise NotKept("what is to be called is not a function")
        return self.value(node)


_KINDS: dict[type, str] = {object: "a class", Enum: "an enumeration", torch.optim.Optimizer: "an optimiser"}


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


def _begun_anew(owner: Any) -> Any:
    """What `iter` gives, if that runs none of its code yet."""
    if not inspect.isgeneratorfunction(type(owner).__iter__):
        raise NotKept(f"iterators of a {type(owner).__name__} are no generators")
    return iter(owner)


def _dtype(name: str) -> torch.dtype:
    found = vars(torch).get(name)
    if not isinstance(found, torch.dtype):
        raise NotKept(f"'{name}' is not a type of torch's")
    return found


def _number(name: str, value: float | int | bool) -> Any:
    kind = numpy.dtype(name)
    if kind.kind not in "biuf":
        raise NotKept(f"'{name}' is not a type of numbers")
    return kind.type(value)


def _numpy_generator(state: dict[str, Any]) -> numpy.random.Generator:
    kinds = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
    if state["bit_generator"] not in kinds:
        raise NotKept(f"'{state['bit_generator']}' is not a generator of NumPy's")
    bits = getattr(numpy.random, state["bit_generator"])()
    bits.state = state
    return numpy.random.Generator(bits)


def _python_generator(state: Any) -> random.Random:
    generator = random.Random()
    generator.setstate(state)
    return generator
