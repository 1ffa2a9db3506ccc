"""All objects that one leads to by attributes, items, closures and bound methods; nothing is called to find them."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from types import FunctionType, GeneratorType, MethodType, ModuleType
from typing import Any

import torch

_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device, torch.Size, ModuleType)


def reached(*roots: Any, without: Iterable[Any] = (), leaves: tuple[type, ...] = ()) -> Iterator[Any]:
    """The roots and every object that they lead to, each once, but for plain data; `without` are objects that are left
    out, and so is what only they or instances of `leaves` lead to.

    Of functions their closures are followed, not the modules that they are defined in.
    """
    seen = {id(one): one for one in without}  # held, so that no id is used twice
    waiting = list(roots)
    while waiting:
        value = waiting.pop()
        if isinstance(value, _PLAIN) or id(value) in seen:
            continue
        seen[id(value)] = value
        yield value
        if not isinstance(value, leaves):
            waiting.extend(_parts(value))


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        yield from value
    elif isinstance(value, FunctionType):
        yield from (cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell))
        yield from value.__defaults__ or ()
    elif isinstance(value, MethodType):
        yield value.__self__
    elif isinstance(value, functools.partial):
        yield from (value.func, value.args, value.keywords)
    elif isinstance(value, GeneratorType) and value.gi_frame is not None:
        yield from value.gi_frame.f_locals.values()
    if not isinstance(value, type):
        yield from getattr(value, "__dict__", {}).values()
        for kind in type(value).__mro__:
            for name in _slots(kind):
                yield getattr(value, name, None)


def _slots(kind: type) -> Iterable[str]:
    slots: Any = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else slots


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 (asking is how to know)
    except ValueError:
        return False
    return True
