"""What a sweep shows while it goes on."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hnet_bench.reporting.progress import Sweep, Watcher
from hnet_bench.runs.events import Event


def event(kind: Any, run: str = "seed1-0", done: int = 0, seconds: float = 0.0, message: str = "") -> Event:
    return Event(
        kind=kind,
        key=run,
        iterations_done=done,
        iterations_total=100,
        seconds=seconds,
        message=message,
    )


def names(count: int) -> dict[str, str]:
    return {event("started", f"seed{k}-0").key: f"run {k}" for k in range(1, count + 1)}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_run_goes_from_started_to_finished() -> None:
    sweep = Sweep(total=4)
    assert sweep.seconds_left(10.0) is None
    sweep.apply(event("started"))
    assert (sweep.fraction, len(sweep.running)) == (0.0, 1)
    sweep.apply(event("progress", done=50))
    assert sweep.fraction == 0.125
    assert sweep.seconds_left(10.0) == pytest.approx(70.0)
    sweep.apply(event("finished"))
    assert (sweep.fraction, sweep.ended, sweep.running) == (0.25, 1, {})


def test_a_run_that_left_off_in_time_neither_runs_nor_failed() -> None:
    sweep = Sweep(total=2)
    sweep.apply(event("started"))
    assert sweep.apply(event("stopped"))
    assert not sweep.apply(event("progress", done=50))
    assert (sweep.ended, sweep.running, sweep.failures) == (0, {}, {})


def test_late_news_of_a_run_that_ended_changes_nothing() -> None:
    sweep = Sweep(total=2)
    assert sweep.apply(event("finished"))
    for kind in ("started", "progress", "finished", "failed"):
        assert not sweep.apply(event(kind))
    assert sweep.apply(event("failed", "seed2-0"))
    assert not sweep.apply(event("progress", "seed2-0"))
    assert (len(sweep.finished), len(sweep.failures), sweep.running) == (1, 1, {})


def test_a_late_start_does_not_undo_progress() -> None:
    sweep = Sweep(total=1)
    sweep.apply(event("progress", done=50))
    assert not sweep.apply(event("started"))
    assert sweep.fraction == 0.5


def test_where_there_is_no_terminal_each_step_is_one_plain_line() -> None:
    out = io.StringIO()
    clock = Clock()
    with Watcher(names(2), Console(file=out, width=40), clock=clock) as watcher:
        watcher(event("started"))
        watcher(event("progress", done=50))
        clock.now += 65
        watcher(event("finished"))
        watcher(event("progress", done=60))
        watcher(event("failed", "seed2-0", message="ValueError: a [long] message that is wider than the console"))
    assert out.getvalue().splitlines() == [
        "[0/2] started run 1",
        "[1/2] finished run 1, about 1 min 05 s left",
        "[2/2] failed run 2: ValueError: a [long] message that is wider than the console",
    ]


def test_a_warning_is_a_line_and_its_run_goes_on_as_before() -> None:
    console = Console(file=io.StringIO(), width=100)
    watcher = Watcher(names(2), console, clock=Clock())
    for news in (event("started"), event("progress", done=50), event("warned", message="no more csv")):
        watcher(news)
    assert console.file.getvalue().splitlines()[-1] == "[0/2] warned run 1: no more csv"  # type: ignore[attr-defined]
    assert watcher.sweep.fraction == 0.25
    watcher(event("finished"))
    assert watcher.sweep.ended == 1


def test_in_a_terminal_each_running_run_has_speed_and_time_left() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    watcher = Watcher(names(3), console)
    for news in (event("started"), event("progress", done=20, seconds=2.0), event("failed", "seed2-0")):
        watcher.sweep.apply(news)
    with console.capture() as shown:
        console.print(watcher.render(elapsed=12.0))
    overall, run = (line for line in shown.get().splitlines() if line.strip())
    assert "0 of 3 done, 1 running, 1 failed" in overall
    assert "18 s left" in overall
    assert "run 1" in run
    assert "10 it/s" in run
    assert "8 s left" in run


def test_the_live_display_leaves_the_lines_of_what_ended() -> None:
    out = io.StringIO()
    with Watcher(names(1), Console(file=out, force_terminal=True, width=80)) as watcher:
        watcher(event("started"))
        watcher(event("finished"))
    assert "finished run 1" in out.getvalue()
    assert "started run 1" not in out.getvalue()


def test_cells_that_are_half_done_are_counted() -> None:
    called = {event("started", f"seed{k}-0").key: f"ewc CL1 seed {k}" for k in (1, 2, 3)}
    called |= {event("started", f"seed{k}-1").key: f"si CL1 seed {k}" for k in (1, 2)}
    console = Console(file=io.StringIO(), width=100)
    watcher = Watcher(called, console)
    watcher(event("finished", "seed1-0"))
    watcher(event("failed", "seed2-0", message="broken"))
    console.print(watcher.render(1.0))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "ewc CL1: 1 of 3 done, 1 failed" in shown
    assert "si CL1:" not in shown
