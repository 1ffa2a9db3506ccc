"""When a piece of a sweep is to end, so that what is under way then can be kept: for queues that limit the time."""

from __future__ import annotations

import time
from dataclasses import dataclass

# Part of a piece, and the most of it, that is kept for checkpoints and for ending the workers.
_PART, _MOST = 0.1, 30.0


class Stopped(Exception):
    """A run left off in time; the next process goes on from its checkpoint."""


@dataclass(frozen=True)
class Deadline:
    """Moments in seconds since the epoch, which all processes of a sweep can compare with their clocks."""

    runs_end: float  # when runs leave off
    sweep_ends: float  # when nobody waits for them any longer

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """That of a piece which begins now."""
        now = time.time()
        return cls(now + seconds - min(_PART * seconds, _MOST), now + seconds)

    def leaves(self, seconds: float) -> bool:
        """Whether a run still has that much time."""
        return time.time() + seconds < self.runs_end

    @property
    def seconds_to_wait(self) -> float:
        """Seconds until the sweep ends, at least 0."""
        return max(0.0, self.sweep_ends - time.time())
