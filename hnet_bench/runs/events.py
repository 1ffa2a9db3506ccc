"""What a sweep tells those who watch it. Watching never changes a result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from hnet_bench.runs.spec import RunSpec

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

    def to_json(self) -> dict[str, Any]:
        """The event as it travels between processes."""
        return asdict(self)


Observer: TypeAlias = Callable[[Event], None]


def ignore(event: Event) -> None:
    """The observer of those who do not watch."""


def event_of(
    spec: RunSpec, kind: Kind, *, done: int = 0, total: int = 0, seconds: float = 0.0, message: str = ""
) -> Event:
    """Event in the life of the run of a spec; `done` and `total` count optimiser steps."""
    return Event(
        kind=kind,
        key=spec.key,
        iterations_done=done,
        iterations_total=total,
        seconds=seconds,
        message=message,
    )
