"""What a sweep shows while it goes on: rich's progress bars in a terminal, plain lines elsewhere.

Events come from another thread, and may come late: a progress report can follow the end of its own run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from hnet_bench.reporting.text import duration
from hnet_bench.runs.events import Event


@dataclass
class SweepState:
    """How far a sweep has come: the latest event of each of its runs, but for warnings."""

    total: int  # number of runs
    latest: dict[str, Event] = field(default_factory=dict)

    def apply(self, event: Event) -> bool:
        """Take an event in; return False if it is out of date and changes nothing."""
        before = self.latest.get(event.key)
        if before and (event.kind == "started" or before.kind in ("finished", "failed", "stopped")):
            return False
        if event.kind != "warned":
            self.latest[event.key] = event
        return True

    def of_kind(self, *kinds: str) -> dict[str, Event]:
        """The runs whose latest event is of such a kind."""
        return {key: event for key, event in self.latest.items() if event.kind in kinds}

    @property
    def running(self) -> dict[str, Event]:
        """Runs that are under way."""
        return self.of_kind("started", "progress")

    @property
    def failures(self) -> dict[str, Event]:
        """Runs that failed."""
        return self.of_kind("failed")

    @property
    def ended(self) -> int:
        """Number of runs that finished or failed."""
        return len(self.of_kind("finished", "failed"))

    @property
    def begun(self) -> int:
        """Number of runs that began."""
        return len(self.latest)

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
        self.sweep = SweepState(total=len(names))
        self._names, self._console, self._clock = names, console, clock
        self._began: float | None = None  # when the first run started; workers need seconds until then
        self._lock = threading.Lock()
        texts = [TextColumn(f"{{task.{text}}}", markup=False) for text in ("description", "fields[note]")]
        self._display = Progress(
            texts[0],
            BarColumn(min(30, console.width // 4)),
            texts[1],
            console=console,
            transient=True,
            disable=console.quiet or not (console.is_terminal or _shows_widgets(console)),
        )
        self._bars: dict[Hashable, TaskID] = {}
        self._cells: dict[str, list[str]] = {}
        for key, name in names.items():
            self._cells.setdefault(name.rpartition(" seed ")[0] or name, []).append(key)

    def __enter__(self) -> Watcher:
        self._update_bars()
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def __call__(self, event: Event) -> None:
        """Observe one event."""
        with self._lock:
            if self._began is None:
                self._began = self._clock()
            changed = self.sweep.apply(event)
            line = self._line(event) if changed and event.kind != "progress" else None
            self._update_bars()
        # In a terminal the display itself shows what runs; what ended scrolls past above it.
        if line and (self._display.disable or event.kind != "started"):
            self.announce(line)

    def announce(self, sentence: str) -> None:
        """Print a sentence above the display."""
        self._console.print(Text(sentence), soft_wrap=True)

    def name(self, event: Event) -> str:
        """How the run of an event is called."""
        return self._names.get(event.key, event.key)

    def _line(self, event: Event) -> str:
        count = f"[{self.sweep.ended}/{self.sweep.total}]"
        seconds = self._seconds_left()
        left = f", about {duration(seconds)} left" if event.kind not in ("started", "warned") and seconds else ""
        message = f": {event.message}" if event.message else ""
        return f"{count} {event.kind} {self.name(event)}{message}{left}"

    def _seconds_left(self) -> float | None:
        return None if self._began is None else self.sweep.seconds_left(self._clock() - self._began)

    def _update_bars(self) -> None:
        """A bar over all runs, one for each run that is under way, and one for each cell of which a part is over."""
        if self._display.disable:
            return
        sweep, failed, ended = self.sweep, self.sweep.failures, self.sweep.of_kind("finished", "failed")
        counts = _counts(len(ended) - len(failed), sweep.total, len(failed), running=len(sweep.running))
        left = _left(self._seconds_left()) if sweep.running else "starting the worker processes ..."
        bars: dict[Hashable, tuple[str, float, float, str]] = {"sweep": (counts, sweep.fraction, 1.0, left)}
        for key, event in sweep.running.items():
            done, total = event.iterations_done, event.iterations_total
            rate = done / event.seconds if event.seconds > 0 else 0.0
            speed = f"{rate:.0f} it/s, {_left((total - done) / rate)}" if rate else ""
            bars[key] = (self.name(event), done, total or 1, speed)
        for cell, keys in self._cells.items():
            over, lost = len(ended.keys() & keys), len(failed.keys() & keys)
            if 0 < over < len(keys):
                bars[cell] = (f"  {cell}", over, len(keys), _counts(over - lost, len(keys), lost))
        for bar in self._bars.keys() - bars.keys():
            self._display.remove_task(self._bars.pop(bar))
        for bar, (description, completed, whole, note) in bars.items():
            if bar not in self._bars:
                self._bars[bar] = self._display.add_task(description, note=note)
            self._display.update(self._bars[bar], description=description, completed=completed, total=whole, note=note)


def _shows_widgets(console: Console) -> bool:
    """Whether it is that of a notebook, where rich shows what changes as a widget."""
    return console.is_jupyter and find_spec("ipywidgets") is not None


def _counts(done: int, total: int, failed: int, running: int | None = None) -> str:
    parts = [f"{done} of {total} done", "" if running is None else f"{running} running"]
    return ", ".join(filter(None, [*parts, f"{failed} failed" if failed else ""]))


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f"{duration(seconds)} left"
