"""Seeds as people write them: "1-5", "3", "1-3,7", 3, [1, 2, 7]."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from hnet_bench.interfaces import UserError

Seeds: TypeAlias = "int | str | Iterable[int | str]"

_LIMIT = 100_000
_DIGITS = 18  # a seed fits into 63 bits, and its file's name into a folder


def parse_seeds(given: Seeds) -> tuple[int, ...]:
    """Seeds of a number, a range or several of either, in order, each once. Raises UserError for anything else.

    >>> parse_seeds("1-3,7")
    (1, 2, 3, 7)
    >>> parse_seeds([5, "1-2"])
    (5, 1, 2)
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        given = [given]
    text = ",".join(map(str, given))
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        if match is None:
            raise UserError(f"'{text}' is not a range of seeds: expected for example 1-5, or 3, or 1-3,7.")
        if max(len(number or "") for number in match.groups()) > _DIGITS:
            raise UserError(f"'{text}' has a seed of too many digits: at most {_DIGITS}.")
        first = int(match[1])
        last = int(match[2] or match[1])
        if last < first:
            raise UserError(f"The range of seeds {first}-{last} is empty: its first seed must not exceed its last.")
        if last - first >= _LIMIT:
            raise UserError(f"The range of seeds {first}-{last} is too long: at most {_LIMIT} seeds.")
        seeds.update(dict.fromkeys(range(first, last + 1)))
        if len(seeds) > _LIMIT:
            raise UserError(f"'{text}' are too many seeds: at most {_LIMIT}.")
    return tuple(seeds)


def format_seeds(seeds: tuple[int, ...]) -> str:
    """Seeds as the shortest list of ranges.

    >>> format_seeds((1, 2, 3, 7))
    '1-3,7'
    """
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in parts)
