"""Settings (TOML, JSON) to frozen dataclasses and back: unknown keys and wrong types are errors that say what is known.

>>> from dataclasses import dataclass
>>> @dataclass(frozen=True, kw_only=True)
... class Penalty:
...     strength: float = 1.0
>>> from_settings(Penalty, {"strength": 2}, where="row 'ewc'")
Penalty(strength=2.0)
"""

from __future__ import annotations

import dataclasses
import math
import re
import sys
import types
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from hnet_bench.interfaces import LARGEST, Settings, UserError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

T = TypeVar("T")


def read_toml(path: Path) -> Settings:
    """Content of a TOML file. Raises UserError that names it if it cannot be read, and for numbers and characters that
    something later on could not hold or show."""
    try:
        content: Settings = tomllib.loads(path.read_text(encoding="utf-8-sig"))  # Windows' editors begin with a mark
    except ValueError as error:  # no TOML, no UTF-8, or a number of more digits than Python reads
        raise UserError(f"{path} is not valid TOML: {error}.") from error
    except RecursionError as error:
        raise UserError(f"{path} is not valid TOML: its lists or tables are nested too deeply.") from error
    except OSError as error:
        raise UserError(f"{path} could not be read: {error.strerror}.") from error
    _check_values(content, str(path))
    return content


def _check_values(content: Any, where: str) -> None:
    if isinstance(content, dict):
        for key, value in content.items():
            _check_values(key, where)
            _check_values(value, f"'{key}' in {where}")
    elif isinstance(content, list):
        for value in content:
            _check_values(value, where)
    elif isinstance(content, str):
        # XML, and so every figure, knows none of them; in a terminal they are commands.
        if found := re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]", content):
            raise UserError(f"{where} holds a character that cannot be shown, {found[0]!r}.")
    elif isinstance(content, int):
        _check_size(content, where)


def _check_size(number: int, what: str) -> None:
    if not -(2**63) <= number < 2**63:
        raise UserError(f"{what} must be a number of at most 64 bits, found one of {number.bit_length()} bits.")


def parse_value(text: str) -> Any:
    """A single value as TOML writes it, such as 1e3, true or [5, 5]; what is no TOML is taken as text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def in_full(value: Any) -> str:
    """A number as short as it can be without being another one; what is no float as Python has it.

    >>> in_full(100.0), in_full(1234567.5), in_full(1234567)
    ('100', '1234567.5', '1234567')
    """
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def flat(settings: Settings) -> Settings:
    """Nested settings by their dotted names.

    >>> flat({"strategy": {"name": "er", "per_class": 20}, "seed": 1})
    {'strategy.name': 'er', 'strategy.per_class': 20, 'seed': 1}
    """
    found: Settings = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= {f"{name}.{key}": one for key, one in flat(value).items()}
        else:
            found[name] = value
    return found


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that ends a sentence about an unknown name, with a space before; "" if no known name is like it.

    >>> did_you_mean("quik", ["quick", "slow"])
    " Did you mean 'quick'?"
    """
    from difflib import get_close_matches

    spelt = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), spelt) + [one for one in spelt if name and name.lower() in one]
    named = " or ".join(f"'{spelt[one]}'" for one in list(dict.fromkeys(close))[:3])
    return f" Did you mean {named}?" if named else ""


def from_settings(cls: type[T], settings: Settings, *, where: str) -> T:
    """Instance of the dataclass `cls`; integers given for float fields become floats, lists become tuples.

    `where` names the origin in messages ("row 'ewc' of table.toml"). Raises UserError for an unknown or missing key, a
    value of another type, and what the class itself refuses.
    """
    check_keys(cls, settings, where=where)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in settings]
    if missing:
        raise UserError(f"Key '{missing[0]}' is missing in {where}: required keys are {', '.join(required)}.")
    hints = type_hints(cls)  # type: ignore[arg-type]
    values = {key: _coerce(value, hints[key], f"'{key}' in {where}") for key, value in settings.items()}
    with naming(where):
        return cls(**values)


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Adds `where` in brackets to the sentence of a UserError that is raised here and does not name it."""
    try:
        yield
    except UserError as error:
        if where in str(error):
            raise
        raise UserError(f"{str(error).removesuffix('.') or 'These are refused'} ({where}).") from error


def check_keys(cls: type, settings: Settings, *, where: str) -> None:
    """Raises UserError unless `settings` is a table whose keys are fields of the dataclass `cls`."""
    if not isinstance(settings, dict):
        raise UserError(f"{where} must be a table, found {settings!r}.")
    fields = [field.name for field in dataclasses.fields(cls)]
    if unknown := sorted(set(settings) - set(fields)):
        known = ", ".join(sorted(fields)) or "none"
        hint = did_you_mean(unknown[0], fields)
        raise UserError(f"Unknown key '{unknown[0]}' in {where}: known keys are {known}.{hint}")


@cache
def type_hints(cls: type) -> dict[str, Any]:
    """The types of a dataclass's fields. Raises UserError if one cannot be found."""
    try:
        return typing.get_type_hints(cls)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise UserError(
            f"The types of the fields of {cls.__name__} cannot be found ({error}): import them where the class is "
            "defined, and not for type checkers alone."
        ) from error


def to_settings(instance: object) -> Settings:
    """Every field of a dataclass instance, defaults written out, as JSON can hold it (tuples become lists).

    Only fields marked as `ADDED_LATER` are left out while they have their defaults.
    """
    return {
        field.name: _plain(value)
        for field in dataclasses.fields(instance)  # type: ignore[arg-type]
        if (value := getattr(instance, field.name)) != field.default or not field.metadata.get("left_out_by_default")
    }


def check_recordable(settings: Settings, *, where: str) -> None:
    """Raises UserError if something in these settings, such as an item of a table whose items have no types, is none
    that a record can hold."""
    for key, value in settings.items():
        _check_item(value, f"'{key}' in {where}")


def _check_item(value: Any, what: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _check_item(item, f"'{key}' of {what}")
    elif isinstance(value, list):
        for item in value:
            _check_item(item, what)
    elif isinstance(value, float):
        _coerce_scalar(value, float, what)
    elif isinstance(value, int):
        _check_size(value, what)
    elif value is not None and not isinstance(value, str):
        raise UserError(f"{what} must be a number, a text, true or false, a list or a table, found {value!r}.")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.value if hasattr(value, "value") else value


def _coerce(value: Any, hint: Any, what: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is tuple:
        origin, arguments = tuple, (Any, ...)
    if origin is typing.Literal:
        if value not in arguments or type(value) not in {type(argument) for argument in arguments}:
            raise UserError(f"{what} must be one of {', '.join(map(repr, arguments))}, found {value!r}.")
        return value
    if origin in (typing.Union, types.UnionType):
        return _coerce_union(value, arguments, what)
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{what} must be a list, found {value!r}.")
        if origin is list or arguments[1:] == (...,):
            return origin(_coerce(item, arguments[0], what) for item in value)
        if len(value) != len(arguments):
            raise UserError(f"{what} must have {len(arguments)} items, found {len(value)}.")
        return tuple(_coerce(item, argument, what) for item, argument in zip(value, arguments, strict=True))
    if origin is dict or hint is dict:
        if not isinstance(value, dict):
            raise UserError(f"{what} must be a table, found {value!r}.")
        return value
    if origin is not None:
        raise UserError(
            f"{what} has the type {hint}, which no setting can have: expected int, float, str, bool, Literal, or a "
            "tuple, list, dict or union of these."
        )
    return _coerce_scalar(value, hint, what)


def _coerce_union(value: Any, arguments: tuple[Any, ...], what: str) -> Any:
    if value is None and type(None) in arguments:
        return None
    kinds = [argument for argument in arguments if argument is not type(None)]
    for argument in kinds:
        try:
            return _coerce(value, argument, what)
        except UserError as error:
            last = error
    if len(kinds) == 1 or isinstance(value, (list, tuple, dict)):
        raise last  # which says what is wrong within
    named = [_named(one) for one in kinds if not (one is int and float in kinds)]
    raise UserError(f"{what} must be {' or '.join(filter(None, [', '.join(named[:-1]), named[-1]]))}, found {value!r}.")


def _coerce_scalar(value: Any, hint: Any, what: str) -> Any:
    if isinstance(value, int):
        _check_size(value, what)
    # bool is an int in Python, but `true` in a TOML is never meant as 1. Floats are made of ints so that 1000 and
    # 1000.0 give the same spec, and hence the same run id.
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise UserError(f"{what} must be a finite number, found {value!r}.")
        if abs(value) > LARGEST:
            raise UserError(f"{what} must be at most {LARGEST:g} in size, found {value:g}.")
        return float(value)
    if hint is Any or (isinstance(value, hint) and not (isinstance(value, bool) and hint is not bool)):
        return value
    raise UserError(f"{what} must be {_named(hint)}, found {value!r}.")


def _named(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false", dict: "a table"}
    origin = typing.get_origin(hint) or hint
    if origin is typing.Literal:
        return f"one of {', '.join(map(repr, typing.get_args(hint)))}"
    return "a list" if origin in (list, tuple) else str(names.get(origin, hint))
