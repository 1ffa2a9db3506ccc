"""The figures of several tables, drawn by other processes: drawing is what a report spends its time on.

drawing = Drawing()
for subject in subjects:  # whatever else is done here is done meanwhile
    drawing.start(subject)
figures = drawing.of(subjects)
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import wait
from tempfile import TemporaryFile
from typing import IO, TypeAlias
from weakref import finalize

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.collector import without_collector
from hnet_bench.reporting.figures.encode import encode
from hnet_bench.reporting.figures.kinds import KINDS
from hnet_bench.reporting.figures.render import draw
from hnet_bench.reporting.figures.style import style
from hnet_bench.reporting.figures.subject import Subject

# Slow kinds first: dealt out in this order, they make shares of about the same size.
_SLOW_FIRST = ("matrices", "learning-curves", "comparison", "during-and-final", "forest")
_ORDER = sorted(KINDS, key=lambda kind: _SLOW_FIRST.index(kind) if kind in _SLOW_FIRST else len(_SLOW_FIRST))
_LARGE = 10  # cells from which on a table is worth several processes

Figures: TypeAlias = dict[str, bytes]  # SVG by kind
_Job: TypeAlias = tuple[Subject, Sequence[str]]
_Drawn: TypeAlias = "list[Figures | UserError]"  # for each of several jobs


class Drawing:
    """Draws with at most so many `processes` (default: as many as this one may use processors)."""

    def __init__(self, processes: int | None = None) -> None:
        self._most = (_processors() if processes is None else processes) if _can_fork() else 1
        self._waiting: list[_Job] = []
        self._running: dict[int, _Process] = {}  # by what tells that one has ended
        self._drawn: dict[int, Figures] = {}  # by the identity of their subjects, which `_subjects` keeps alive
        self._errors: dict[int, UserError] = {}
        self._subjects: list[Subject] = []

    def start(self, subject: Subject) -> None:
        """Has a table drawn as soon as a processor is free; one is left to the caller."""
        self._add(subject)
        self._go_on(self._most - 1)

    def of(self, subjects: Sequence[Subject]) -> list[Figures]:
        """The SVG of each kind that a table has, in the order of `KINDS`, for each subject; the same bytes for any
        number of processes. Starts what was not started. Raises UserError as `render.draw` does, for the first subject
        that has a reason."""
        for subject in subjects:
            if id(subject) not in self._drawn:
                self._add(subject)
        while self._waiting or self._running:
            self._go_on(self._most)
            if self._running:
                wait(list(self._running))
            elif self._waiting:
                self._take(jobs := [self._waiting.pop(0)], _draw_all(jobs))
        for subject in subjects:
            if id(subject) in self._errors:
                raise self._errors[id(subject)]
        found = [self._drawn[id(subject)] for subject in subjects]
        return [{kind: figures[kind] for kind in KINDS if kind in figures} for figures in found]

    def _add(self, subject: Subject) -> None:
        self._subjects.append(subject)
        self._drawn[id(subject)] = {}
        shares = self._most if len(subject.measured) >= _LARGE else 1
        self._waiting += [(subject, _ORDER[share::shares]) for share in range(shares)]

    def _go_on(self, most: int) -> None:
        """Takes what is ready and lets other processes begin, so that at most so many are at work."""
        for sentinel in wait(list(self._running), timeout=0) if self._running else []:
            assert isinstance(sentinel, int)
            process = self._running.pop(sentinel)
            self._take(process.jobs, process.result())
        while self._most > 1 and self._waiting and len(self._running) < most:
            # Many at first, since a process takes time to begin, and single ones in the end, so that all end together.
            count = max(1, len(self._waiting) // (self._most + 1))
            jobs, self._waiting = self._waiting[:count], self._waiting[count:]
            process = _Process(jobs)
            self._running[process.sentinel] = process

    def _take(self, jobs: Sequence[_Job], drawn: _Drawn) -> None:
        for (subject, _), found in zip(jobs, drawn, strict=True):
            if isinstance(found, UserError):
                self._errors.setdefault(id(subject), found)
            else:
                self._drawn[id(subject)] |= found


def figures_of(subjects: Sequence[Subject], *, processes: int | None = None) -> list[Figures]:
    """What `Drawing.of` gives, for a caller that has nothing else to do."""
    return Drawing(processes).of(subjects)


class _Process:
    """Draws the figures of some jobs. What a process is forked with it need not be sent: a thousand records would take
    seconds. What it draws it writes to a file without a name, so that it ends whatever becomes of the caller."""

    def __init__(self, jobs: Sequence[_Job]) -> None:
        self.jobs = jobs
        self._file = TemporaryFile()  # noqa: SIM115 (open as long as the process may write)
        finalize(self, self._file.close)
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=_work, args=(self._file, jobs), daemon=True)
        self._process.start()

    @property
    def sentinel(self) -> int:
        """Ready once the process has ended."""
        return self._process.sentinel

    def result(self) -> _Drawn:
        """What was drawn, after the end. Draws here if the process was killed, for memory perhaps, or failed."""
        self._process.join()
        with self._file as file:
            if self._process.exitcode:
                return _draw_all(self.jobs)
            file.seek(0)
            drawn: _Drawn = pickle.load(file)
            return drawn


def _work(file: IO[bytes], jobs: Sequence[_Job]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends without a traceback
    pickle.dump(_draw_all(jobs), file)
    file.flush()


def _draw_all(jobs: Sequence[_Job]) -> _Drawn:
    drawn: _Drawn = []
    with without_collector():
        for job in jobs:
            try:
                drawn.append(_draw(*job))
            except UserError as error:
                drawn.append(error)
    return drawn


def _draw(subject: Subject, kinds: Sequence[str]) -> Figures:
    with style():
        drawn = {kind: draw(subject, kind) for kind in kinds}
        return {kind: encode(figure, "svg") for kind, figure in drawn.items() if figure is not None}


def _can_fork() -> bool:
    # Elsewhere a new process would have to load matplotlib again, or fork is not safe.
    return sys.platform == "linux"


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
