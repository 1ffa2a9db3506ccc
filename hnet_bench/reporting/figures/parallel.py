"""The figures of several tables, drawn by other processes: drawing is what a report spends its time on.

drawing = Drawing()
for subject in subjects:  # whatever else is done here is done meanwhile
    drawing.start(subject)
figures = drawing.of(subjects)
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import TypeAlias

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


class Drawing:
    """Draws with at most so many `processes` (default: as many as this one may use processors)."""

    def __init__(self, processes: int | None = None) -> None:
        self._most = (_processors() if _can_fork() else 1) if processes is None else processes
        self._waiting: list[_Job] = []
        self._running: dict[Connection, list[_Job]] = {}
        self._drawn: dict[int, Figures] = {}  # by the identity of their subjects, which `_subjects` keeps alive
        self._subjects: list[Subject] = []

    def start(self, subject: Subject) -> None:
        """Has a table drawn as soon as a processor is free; one is left to the caller."""
        self._add(subject)
        self._go_on(self._most - 1)

    def of(self, subjects: Sequence[Subject]) -> list[Figures]:
        """The SVG of each kind that a table has, in the order of `KINDS`, for each subject; the same bytes for any
        number of processes. Starts what was not started. Raises UserError as `render.draw` does."""
        for subject in subjects:
            if id(subject) not in self._drawn:
                self._add(subject)
        while self._waiting or self._running:
            self._go_on(self._most)
            if self._running:
                wait(list(self._running))
            elif self._waiting:
                self._draw_here([self._waiting.pop(0)])
        found = [self._drawn[id(subject)] for subject in subjects]
        return [{kind: figures[kind] for kind in KINDS if kind in figures} for figures in found]

    def _add(self, subject: Subject) -> None:
        self._subjects.append(subject)
        self._drawn[id(subject)] = {}
        shares = self._most if len(subject.measured) >= _LARGE else 1
        self._waiting += [(subject, _ORDER[share::shares]) for share in range(shares)]

    def _go_on(self, most: int) -> None:
        """Takes what is ready and lets other processes begin, so that at most so many are at work."""
        for connection in wait(list(self._running), timeout=0) if self._running else []:
            assert isinstance(connection, Connection)
            self._take(connection)
        while self._most > 1 and self._waiting and len(self._running) < most:
            # Many at first, since a process takes time to begin, and single ones in the end, so that all end together.
            count = max(1, len(self._waiting) // (self._most + 1))
            jobs, self._waiting = self._waiting[:count], self._waiting[count:]
            self._running[_fork(jobs)] = jobs

    def _take(self, connection: Connection) -> None:
        jobs = self._running.pop(connection)
        try:
            found: list[Figures] | UserError = connection.recv()
        except EOFError:  # it was killed, for memory perhaps
            self._draw_here(jobs)
            return
        finally:
            connection.close()
        if isinstance(found, UserError):
            raise found
        for (subject, _), figures in zip(jobs, found, strict=True):
            self._drawn[id(subject)] |= figures

    def _draw_here(self, jobs: Sequence[_Job]) -> None:
        with without_collector():
            for subject, kinds in jobs:
                self._drawn[id(subject)] |= _draw(subject, kinds)


def figures_of(subjects: Sequence[Subject], *, processes: int | None = None) -> list[Figures]:
    """What `Drawing.of` gives, for a caller that has nothing else to do."""
    return Drawing(processes).of(subjects)


def _fork(jobs: Sequence[_Job]) -> Connection:
    """Where the figures of jobs will come from. What a process is forked with it need not be sent: a thousand records
    would take seconds."""
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    fork.Process(target=_work, args=(sender, jobs), daemon=True).start()
    sender.close()
    return receiver


def _work(sender: Connection, jobs: Sequence[_Job]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller ends, and this process with it
    gc.disable()
    try:
        sender.send([_draw(*job) for job in jobs])
    except UserError as error:
        sender.send(error)


def _draw(subject: Subject, kinds: Sequence[str]) -> Figures:
    with style():
        drawn = {kind: draw(subject, kind) for kind in kinds}
        return {kind: encode(figure, "svg") for kind, figure in drawn.items() if figure is not None}


def _can_fork() -> bool:
    # Elsewhere a new process would have to load matplotlib again, or fork is not safe.
    return sys.platform == "linux"


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
