"""What a sweep tells those who watch it. Watching never changes a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["started", "progress", "warned", "finished", "failed", "stopped"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """One step in the life of one run."""

    kind: Kind
    key: str  # `RunSpec.key`
    iterations_done: int = 0
    iterations_total: int = 0
    seconds: float = 0.0  # since the run started training
    message: str = ""  # of a failure or a warning: one line


Observer: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The observer of those who do not watch."""
