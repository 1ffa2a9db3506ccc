"""What the arguments of `hnet_bench.api` mean, as the words that the command line would have.

All functions raise UserError for what they cannot take, and for an empty list: it would choose nothing, and the command
line has no word for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from os import PathLike as _OfSystem
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from hnet_bench.interfaces import UserError
from hnet_bench.papers.seeds import parse_seeds

Names: TypeAlias = "str | Sequence[str] | None"
Seeds: TypeAlias = "int | str | Iterable[int] | None"
PathLike: TypeAlias = "str | Path"
Device: TypeAlias = Literal["auto", "cpu", "cuda"]


def table_name(given: PathLike) -> str:
    """A table's name, or the path of a user's."""
    if not isinstance(given, (str, _OfSystem)):
        raise UserError(f"A table is a name or a path, found {given!r}.")
    return str(given)


def names(given: Names, what: str) -> list[str] | None:
    """A name or several, None for all; `what` is the argument's name."""
    if given is None:
        return None
    found = [given] if isinstance(given, str) else _listed(given, what, "a name or a list of names")
    if not all(isinstance(one, str) for one in found):
        raise UserError(f"'{what}' must be a name or a list of names, found {given!r}.")
    return found


def seeds_option(given: Seeds) -> list[str] | None:
    """A seed, a range such as "1-5", or several seeds, None for those of the table."""
    if given is None:
        return None
    kinds = 'a seed, a range such as "1-5" or a list of seeds'
    single = isinstance(given, (str, Integral)) and not isinstance(given, bool)
    words = [str(one) for one in ([given] if single else _listed(given, "seeds", kinds))]
    parse_seeds(",".join(words))  # raises what the command line would say
    return words


def seeds(given: Seeds) -> tuple[int, ...] | None:
    """The seeds of `seeds_option`."""
    words = seeds_option(given)
    return None if words is None else parse_seeds(",".join(words))


def device(given: str) -> Device:
    """Where to train."""
    for known in get_args(Device):
        if given == known:
            found: Device = known
            return found
    raise UserError(f"Unknown device {given!r}: expected {', '.join(get_args(Device))}.")


def path(given: PathLike | None) -> Path | None:
    """A path, if there is one."""
    return None if given is None else Path(given)


def _listed(given: Any, what: str, kinds: str) -> list[Any]:
    if isinstance(given, bool) or not isinstance(given, Iterable):
        raise UserError(f"'{what}' must be {kinds}, found {given!r}.")
    found = list(given)
    if not found:
        raise UserError(f"'{what}' is empty: give {kinds}, or None for all of the table.")
    return found
