"""Objects as plain data and tensors, and back: a pickle that cannot call anything.

`flatten` turns a graph of objects into JSON and a list of tensors, with every object once, however many hold it.
Tensors that both sides have anyway, such as the data, are named rather than written. `rebuild` makes instances of known
classes without running their constructors, and sets their attributes. What is neither data, nor a tensor, nor an
instance of a trusted class is refused with NotKept.
"""

from __future__ import annotations

import functools
import random
import sys
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy
import torch
from torch import Tensor, nn

# Those of Python's own that instances hold: default factories and the like.
_BUILTINS = {f"builtins:{kind.__name__}" for kind in (dict, float, int, list, set, tuple)}
_CONTAINERS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", deque: "deque"}


class NotKept(Exception):
    """Why something cannot be kept: half a sentence."""


def flatten(
    root: Any, trusted: Collection[str], outside: Mapping[str, Tensor] | None = None
) -> tuple[dict[str, Any], list[Tensor]]:
    """JSON and tensors of everything that `root` holds; `trusted` are names of packages whose classes may occur.

    The tensors of `outside` are known by their names to whoever rebuilds, and left out.
    """
    writer = _Writer(trusted, outside or {})
    return {"root": writer.node(root), "objects": writer.objects}, writer.tensors


def rebuild(
    data: dict[str, Any], tensors: list[Tensor], trusted: Collection[str], outside: Mapping[str, Tensor] | None = None
) -> Any:
    """Inverse of `flatten`, with the tensors where they are now. Raises NotKept for a class that is not trusted."""
    return _Reader(data["objects"], tensors, trusted, outside or {}).value(data["root"])


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
        if isinstance(value, (FunctionType, BuiltinFunctionType, type)):
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
    (defaultdict, lambda w, v: {"defaultdict": w.pairs(v), "factory": w.node(v.default_factory)}),
    (OrderedDict, lambda w, v: {"ordered": w.pairs(v)}),
    (dict, lambda w, v: {"dict": w.pairs(v)}),
]


class _Reader:
    def __init__(
        self, objects: list[Any], tensors: list[Tensor], trusted: Collection[str], outside: Mapping[str, Tensor]
    ) -> None:
        self._objects, self._tensors, self._trusted, self._outside = objects, tensors, trusted, outside
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
            self._made[number] = self._empty(content)
            self._fill(self._made[number], kind, self._pairs(described["state"]))
        elif kind in ("dict", "ordered", "defaultdict"):
            made: Any = {"dict": dict, "ordered": OrderedDict, "defaultdict": defaultdict}[kind]()
            self._made[number] = made
            if kind == "defaultdict":
                made.default_factory = self.value(described["factory"])
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
        if kind in ("global", "enum"):
            found = self._global(content)
            return found[described["name"]] if kind == "enum" else found
        for container, name in _CONTAINERS.items():
            if kind == name:
                return container(map(self.value, content))
        makers: dict[str, Callable[[], Any]] = {
            "generator": lambda: torch.Generator(described["device"]).set_state(self.value(content).cpu()),
            "device": lambda: torch.device(content),
            "dtype": lambda: getattr(torch, content),
            "array": lambda: self._tensors[content].cpu().numpy(),
            "number": lambda: numpy.dtype(described["dtype"]).type(content),
            "numpy_generator": lambda: _numpy_generator(self.value(content)),
            "python_generator": lambda: _python_generator(self.value(content)),
            "slice": lambda: slice(*map(self.value, content)),
            "partial": lambda: functools.partial(
                self.value(content[0]), *self.value(content[1]), **self.value(content[2])
            ),
        }
        if kind not in makers:
            raise NotKept(f"'{kind}' is no kind of object")
        return makers[kind]()

    def _empty(self, name: str) -> Any:
        found = self._global(name)
        if not isinstance(found, type):
            raise NotKept(f"{name.replace(':', '.')} is not a class")
        return object.__new__(found)

    def _fill(self, made: Any, kind: str, state: dict[str, Any]) -> None:
        if kind == "optimiser" and not isinstance(made, torch.optim.Optimizer):
            raise NotKept(f"{type(made).__name__} is not an optimiser")
        if kind == "optimiser":
            made.__setstate__({**state, "state": defaultdict(dict, state["state"])})
        else:
            vars(made).update(state)

    def _pairs(self, content: list[Any]) -> dict[Any, Any]:
        return {self.value(key): self.value(value) for key, value in content}

    def _global(self, name: str) -> Any:
        found = _found(name, self._trusted)
        if found is None:
            raise NotKept(f"{name.replace(':', '.')} is not a class or a function that is known here")
        return found


def _found(name: str, trusted: Collection[str]) -> Any:
    """What "module:qualified.name" stands for in a trusted package that is loaded, else None."""
    module, _, path = name.partition(":")
    if name not in _BUILTINS and module.partition(".")[0] not in trusted:
        return None
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found


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
