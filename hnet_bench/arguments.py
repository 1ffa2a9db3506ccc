"""What the arguments of verbs mean: the same for `hnet_bench.api` and for the command line.

A range of seeds, a name or several, one of a few words: all functions raise UserError for what they cannot take, and
for an empty list, which would choose nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from os import PathLike as _OfSystem
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from hnet_bench.interfaces import Scenario, UserError
from hnet_bench.papers.seeds import parse_seeds

Names: TypeAlias = "str | Sequence[str] | None"
Seeds: TypeAlias = "int | str | Iterable[int | str] | None"
PathLike: TypeAlias = "str | Path"
Device: TypeAlias = Literal["auto", "cpu", "cuda"]
Spread: TypeAlias = Literal["sem", "sd", "none"]
Bold: TypeAlias = Literal["best", "tied", "none"]
Logger: TypeAlias = Literal["csv", "tensorboard", "wandb"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def table_name(given: PathLike) -> str:
    """A table's name, or the path of a user's."""
    if not isinstance(given, (str, _OfSystem)):
        raise UserError(f"A table is a name or a path, found {given!r}.")
    return str(given)


def names(given: Names, what: str) -> list[str] | None:
    """A name or several, each with commas if need be; None for all. `what` is the argument's name."""
    if given is None:
        return None
    found = [given] if isinstance(given, str) else _listed(given, what, "a name or a list of names")
    if not all(isinstance(one, str) for one in found):
        raise UserError(f"'{what}' must be a name or a list of names, found {given!r}.")
    parts = [part.strip() for one in found for part in one.split(",") if part.strip()]
    if not parts:  # such as a variable of a shell that is not set
        raise UserError(f"'{what}' names nothing, found {given!r}.")
    return parts


def scenarios(given: Names) -> list[Scenario]:
    """Scenarios by their labels; none for all."""
    return [Scenario.parse(text) for text in names(given, "scenarios") or []]


def seeds(given: Seeds) -> tuple[int, ...] | None:
    """A seed, a range such as "1-5", or several of either; None for those of the table."""
    if given is None:
        return None
    kinds = 'a seed, a range such as "1-5" or a list of seeds'
    single = isinstance(given, (str, Integral)) and not isinstance(given, bool)
    return parse_seeds(given if single else _listed(given, "seeds", kinds))


def device(given: str) -> Device:
    """Where to train."""
    found: Device = one_of(get_args(Device), given, f"device {given!r}")
    return found


def loggers(given: Names) -> tuple[Logger, ...]:
    """Loggers of Avalanche that a sweep also tells."""
    return tuple(one_of(get_args(Logger), name, f"logger '{name}'") for name in names(given, "logger") or ())


def path(given: PathLike | None) -> Path | None:
    """A path, if there is one."""
    return None if given is None else Path(given)


def at_least(given: Any, least: float, what: str, *, most: float | None = None, whole: bool = False) -> None:
    """Refuses a number that is smaller, larger or not finite; None is none. `what` is the argument's name."""
    if given is None:
        return
    kind: Any = Integral if whole else Real
    number = not isinstance(given, bool) and isinstance(given, kind)
    if not number or not least <= given < math.inf or (most is not None and given > most):
        span = f"of at least {least:g}" if most is None else f"from {least:g} to {most:g}"
        raise UserError(f"'{what}' must be a {'whole ' if whole else ''}number {span}, found {given!r}.")


def seconds_of(text: str) -> float:
    """Seconds of a time such as 90m, 2h, 1d, 3600s or 1h30m; more than none.

    >>> seconds_of("1h30m")
    5400.0
    """
    words = str(text).lower()
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", words)
    rest = re.sub(r"\d+(?:\.\d+)?\s*[smhd]|\s", "", words)
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if rest or not 0 < seconds < math.inf:
        raise UserError(f"'{text}' is not a time: expected for example 90m, 2h, 1d, 3600s or 1h30m.")
    return seconds


def _listed(given: Any, what: str, kinds: str) -> list[Any]:
    if isinstance(given, bool) or not isinstance(given, Iterable):
        raise UserError(f"'{what}' must be {kinds}, found {given!r}.")
    found = list(given)
    if not found:
        raise UserError(f"'{what}' is empty: give {kinds}, or None for all of the table.")
    return found


def one_of(words: Iterable[str], given: str, what: str) -> Any:
    """What was given, which is one of these words; `what` is in messages and quotes it."""
    for known in words:
        if given == known:
            return known
    raise UserError(f"Unknown {what}: expected {', '.join(words)}.")
