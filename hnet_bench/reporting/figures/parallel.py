"""The figures of several tables, drawn by several processes: drawing is what a report spends its time on."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from hnet_bench.reporting.figures.encode import encode
from hnet_bench.reporting.figures.kinds import KINDS
from hnet_bench.reporting.figures.render import draw
from hnet_bench.reporting.figures.subject import Subject

# Slow kinds first, so that no process is left alone with one at the end.
_SLOW_FIRST = ("during-and-final", "learning-curves", "matrices", "forest")


def figures_of(subjects: Sequence[Subject], *, processes: int | None = None) -> list[dict[str, bytes]]:
    """The SVG of each kind that a table has, for each subject, in the order of `KINDS`; the same bytes for any number
    of `processes` (default: as many as this one may use processors). Raises UserError as `draw` does."""
    jobs = sorted(
        ((index, kind) for index in range(len(subjects)) for kind in KINDS),
        key=lambda job: _SLOW_FIRST.index(job[1]) if job[1] in _SLOW_FIRST else len(_SLOW_FIRST),
    )
    count = min(_processors() if processes is None else processes, len(jobs))
    if count < 2 or not _can_fork():
        with _without_collector():
            drawn = [_svg(subjects[index], kind) for index, kind in jobs]
    else:
        # What a process is forked with it need not be sent: a thousand records for each figure would take seconds.
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(count, fork, initializer=_begin, initargs=(subjects,)) as pool:
            drawn = list(pool.map(_svg_of, *zip(*jobs, strict=True)))
    found = dict(zip(jobs, drawn, strict=True))
    return [
        {kind: content for kind in KINDS if (content := found[index, kind]) is not None}
        for index in range(len(subjects))
    ]


_subjects: list[Subject] = []  # of a process that draws, and of no other


def _begin(subjects: Sequence[Subject]) -> None:
    gc.disable()
    _subjects.extend(subjects)


def _svg_of(index: int, kind: str) -> bytes | None:
    return _svg(_subjects[index], kind)


def _svg(subject: Subject, kind: str) -> bytes | None:
    figure = draw(subject, kind)
    return None if figure is None else encode(figure, "svg")


def _can_fork() -> bool:
    # Elsewhere a new process would have to load matplotlib again, or fork is not safe.
    return sys.platform == "linux"


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


@contextmanager
def _without_collector() -> Iterator[None]:
    """Figures are circles of references; looking for them again and again takes a tenth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
