"""What the words of a command line mean: options with several values, seeds, hyperparameters."""

from __future__ import annotations

import math
import re
from typing import Any

from hnet_bench.config import parse_value
from hnet_bench.interfaces import UserError
from hnet_bench.papers.seeds import parse_seeds

# Options that take several values after one flag: `--scenarios CL1 CL3`.
SEVERAL = ("--rows", "--scenarios", "--seeds", "--fetch", "--set", "--logger", "--formats", "--kinds")
LOGGERS = ("csv", "tensorboard", "wandb")

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def expand(arguments: list[str]) -> list[str]:
    """Repeats an option for each of its values, as Typer expects it: `--rows a b` becomes `--rows a --rows b`.

    The values end at the next word that begins with a dash, or at the end.
    """
    expanded: list[str] = []
    option = None
    for word in arguments:
        if word.startswith("-"):
            option = word if word in SEVERAL else None
            expanded.append(word)
        elif option and expanded[-1] != option:
            expanded += [option, word]
        else:
            expanded.append(word)
    return expanded


def split_values(values: list[str] | None) -> list[str] | None:
    """The values of an option that may be repeated, each with commas."""
    return [part.strip() for value in values or [] for part in value.split(",") if part.strip()] or None


def chosen_seeds(values: list[str] | None) -> tuple[int, ...] | None:
    """Seeds of an option that may be repeated, None if it was not given."""
    return None if not values else parse_seeds(",".join(values))


def known_loggers(values: list[str] | None) -> tuple[str, ...]:
    """Names of loggers of an option that may be repeated. Raises UserError for one that is not known."""
    names = tuple(split_values(values) or ())
    for name in names:
        if name not in LOGGERS:
            raise UserError(f"Unknown logger '{name}': expected {', '.join(LOGGERS)}.")
    return names


def seconds_of(text: str) -> float:
    """Seconds of a time such as 90m, 2h, 1d, 3600s or 1h30m. Raises UserError for anything else and for zero.

    >>> seconds_of("1h30m")
    5400.0
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*([smhd])", text.lower())
    rest = re.sub(r"\d+(?:\.\d+)?\s*[smhd]|\s", "", text.lower())
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if rest or not 0 < seconds < math.inf:
        raise UserError(f"'{text}' is not a time: expected for example 90m, 2h, 1d, 3600s or 1h30m.")
    return seconds


def hyperparameters_of(given: list[str] | None) -> dict[str, Any]:
    """Hyperparameters of KEY=VALUE; a value that is no TOML is taken as text."""
    settings: dict[str, Any] = {}
    for item in given or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UserError(f"Give hyperparameters as KEY=VALUE, found '{item}'.")
        settings[key.strip()] = parse_value(value)
    return settings
