"""What a sweep shows while it goes on: a live display in a terminal, plain lines elsewhere.

Events come from another thread, and may come late: a progress report can follow the end of its own run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from hnet_bench.reporting.text import duration
from hnet_bench.runs.events import Event

_CELLS_SHOWN = 12  # the display must fit on a screen


@dataclass
class Sweep:
    """How far a sweep has come."""

    total: int  # number of runs
    running: dict[str, Event] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)
    failures: dict[str, Event] = field(default_factory=dict)
    stopped: set[str] = field(default_factory=set)  # at the deadline, with a checkpoint

    def apply(self, event: Event) -> bool:
        """Takes an event in; False if it is out of date and changes nothing."""
        key = event.key
        if (
            key in self.finished | self.stopped
            or key in self.failures
            or (event.kind == "started" and key in self.running)
        ):
            return False
        if event.kind in ("started", "progress"):
            self.running[key] = event
            return True
        if event.kind == "warned":
            return True
        self.running.pop(key, None)
        if event.kind == "finished":
            self.finished.add(key)
        elif event.kind == "stopped":
            self.stopped.add(key)
        else:
            self.failures[key] = event
        return True

    @property
    def ended(self) -> int:
        """Number of runs that finished or failed."""
        return len(self.finished) + len(self.failures)

    @property
    def begun(self) -> int:
        """Number of runs that began."""
        return len(self.running) + len(self.stopped) + self.ended

    @property
    def fraction(self) -> float:
        """Part of the sweep that is over, running runs by their iterations."""
        partial = sum(event.iterations_done / (event.iterations_total or 1) for event in self.running.values())
        return (self.ended + partial) / self.total if self.total else 1.0

    def seconds_left(self, elapsed: float) -> float | None:
        """Expected time to the end, None before anything is known."""
        return elapsed * (1 - self.fraction) / self.fraction if self.fraction > 0 else None


class Watcher:
    """A context manager and observer: shows a sweep on a console while it lasts.

    `names` says how each run is called; `sweep` can be read at any time.
    """

    def __init__(
        self, names: Mapping[str, str], console: Console, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sweep = Sweep(total=len(names))
        self._names = names
        self._console = console
        self._clock = clock
        self._began: float | None = None  # when the first run started; workers need seconds until then
        self._lock = threading.Lock()
        self._live = (
            Live(get_renderable=self._render, console=console, refresh_per_second=4, transient=True)
            if console.is_terminal
            else None
        )

    def __enter__(self) -> Watcher:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def __call__(self, event: Event) -> None:
        """Observes one event."""
        with self._lock:
            if self._began is None:
                self._began = self._clock()
            changed = self.sweep.apply(event)
            line = self._line(event) if changed and event.kind != "progress" else None
        # In a terminal the display itself shows what runs; what ended scrolls past above it.
        if line and (self._live is None or event.kind != "started"):
            self._console.print(Text(line), soft_wrap=True)

    def announce(self, sentence: str) -> None:
        """Prints a sentence above the display."""
        self._console.print(Text(sentence), soft_wrap=True)

    def name(self, event: Event) -> str:
        """How the run of an event is called."""
        return self._names.get(event.key, event.key)

    def _line(self, event: Event) -> str:
        count = f"[{self.sweep.ended}/{self.sweep.total}]"
        seconds = self.sweep.seconds_left(self._elapsed())
        left = f", about {duration(seconds)} left" if event.kind not in ("started", "warned") and seconds else ""
        message = f": {event.message}" if event.message else ""
        return f"{count} {event.kind} {self.name(event)}{message}{left}"

    def _render(self) -> RenderableType:
        with self._lock:
            return self.render(self._elapsed())

    def _elapsed(self) -> float:
        return 0.0 if self._began is None else self._clock() - self._began

    def render(self, elapsed: float) -> RenderableType:
        """The display: a bar over all runs, then a line for each run that is under way."""
        sweep = self.sweep
        grid = Grid(box=box.SIMPLE, show_header=False, pad_edge=False)
        counts = f"{len(sweep.finished)} of {sweep.total} done, {len(sweep.running)} running"
        if sweep.failures:
            counts += f", {len(sweep.failures)} failed"
        grid.add_row(Text(counts, style="bold"), _bar(sweep.fraction), _left(sweep.seconds_left(elapsed)))
        for event in sweep.running.values():
            done, total = event.iterations_done, event.iterations_total
            rate = done / event.seconds if event.seconds > 0 else 0.0
            speed = f"{rate:.0f} it/s, " if rate else ""
            left = _left((total - done) / rate if rate else None)
            grid.add_row(Text(self.name(event)), _bar(done / (total or 1)), Text(speed).append(left))
        hint: list[Any] = [] if sweep.running else [Text("Starting the worker processes ...", style="dim")]
        return Group(grid, *self._cells(), *hint)

    def _cells(self) -> list[Text]:
        """A line for each cell that has several runs of which some are over and some are not."""
        cells: dict[str, list[str]] = {}
        for key, name in self._names.items():
            cells.setdefault(name.rpartition(" seed ")[0] or name, []).append(key)
        lines = []
        for cell, keys in cells.items():
            done, failed = (sum(key in ended for key in keys) for ended in (self.sweep.finished, self.sweep.failures))
            if 0 < done + failed < len(keys):
                lines.append(Text(f"  {cell}: {done} of {len(keys)} done{f', {failed} failed' if failed else ''}"))
        more = len(lines) - _CELLS_SHOWN
        return lines[:_CELLS_SHOWN] + ([Text(f"  and {more} more cells")] if more > 0 else [])


def _bar(fraction: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=fraction, width=30)


def _left(seconds: float | None) -> Text:
    return Text("" if seconds is None else f"{duration(seconds)} left")
