"""Figures drawn by several processes are those that one draws."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Sequence
from typing import IO

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.reporting.figures import parallel
from hnet_bench.reporting.figures.kinds import file_name
from hnet_bench.reporting.figures.parallel import Drawing, figures_of
from hnet_bench.reporting.figures.render import render_all
from hnet_bench.reporting.figures.subject import Subject

SCORES = [[[0.9, 0.1], [0.5, 0.7]], [[0.8, 0.2], [0.6, 0.8]], [[0.85, 0.2], [0.4, 0.75]]]


def test_any_number_of_processes_gives_the_bytes_of_one(subject_of: Callable[..., Subject]) -> None:
    subjects = [subject_of({"a": {"CL1": SCORES}}), subject_of({"a": {"CL3": SCORES[:1]}, "b": {"CL3": SCORES}})]
    alone = figures_of(subjects, processes=1)
    assert figures_of(subjects, processes=2) == alone
    for subject, found in zip(subjects, alone, strict=True):
        assert {file_name("made_up", kind, "svg"): content for kind, content in found.items()} == render_all(subject)


def test_what_is_started_early_is_the_same_and_drawn_once(
    subject_of: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = [subject_of({"a": {"CL1": SCORES}}), subject_of({"a": {"CL3": SCORES[:1]}})]
    alone = figures_of(subjects, processes=1)
    begun: list[int] = []

    class Counted(parallel._Process):
        def __init__(self, jobs: Sequence[parallel._Job]) -> None:
            begun.append(len(jobs))
            super().__init__(jobs)

    monkeypatch.setattr(parallel, "_Process", Counted)
    drawing = Drawing(2)
    for subject in subjects:
        drawing.start(subject)
    assert drawing.of(subjects) == alone
    assert drawing.of(subjects[1:]) == alone[1:]
    assert sum(begun) == (2 if parallel._can_fork() else 0)


def test_a_large_table_is_shared_among_processes(subject_of: Callable[..., Subject]) -> None:
    subject = subject_of({f"row {index}": {"CL1": SCORES} for index in range(12)})
    assert figures_of([subject], processes=3) == figures_of([subject], processes=1)


def dies_at_once(file: IO[bytes], jobs: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_while_it_writes(file: IO[bytes], jobs: object) -> None:
    file.write(pickle.dumps([{"matrices": b"x" * 1000}])[:500])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("work", [dies_at_once, dies_while_it_writes])
def test_a_process_that_is_killed_costs_time_and_no_figure(
    subject_of: Callable[..., Subject], monkeypatch: pytest.MonkeyPatch, work: Callable[..., None]
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}})
    alone = figures_of([subject], processes=1)
    monkeypatch.setattr(parallel, "_work", work)
    assert figures_of([subject], processes=2) == alone


@pytest.mark.skipif(not parallel._can_fork(), reason="draws in one process here")
def test_processes_end_although_nobody_takes_what_they_drew(subject_of: Callable[..., Subject]) -> None:
    drawing = Drawing(3)
    for number in range(2):
        drawing.start(subject_of({f"row {number}": {"CL1": SCORES}}))
    processes = [process._process for process in drawing._running.values()]
    assert processes
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


def test_one_table_that_cannot_be_drawn_is_named_and_the_others_are_kept(subject_of: Callable[..., Subject]) -> None:
    sound = subject_of({"a": {"CL1": SCORES}})
    broken = subject_of({"a": {"CL1": SCORES}}, on_table={"figures": ("pie",)})
    drawing = Drawing(2)
    for subject in (broken, sound):
        drawing.start(subject)
    for _ in range(2):
        with pytest.raises(UserError, match="asks for figure 'pie'"):
            drawing.of([sound, broken])
    assert drawing.of([sound]) == figures_of([sound], processes=1)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_the_user_can_mend_comes_back_from_other_processes(
    subject_of: Callable[..., Subject], processes: int
) -> None:
    subject = subject_of({"a": {"CL1": SCORES}}, on_table={"figures": ("pie",)})
    with pytest.raises(UserError, match="asks for figure 'pie'"):
        figures_of([subject], processes=processes)
