"""What a sweep shows while it goes on."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hnet_bench.reporting.progress import SweepState, Watcher
from hnet_bench.runs.events import Event


def event(kind: Any, run: str = "1", done: int = 0, seconds: float = 0.0, message: str = "") -> Event:
    return Event(kind=kind, key=run, iterations_done=done, iterations_total=100, seconds=seconds, message=message)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Shown:
    """What a watcher of these runs shows."""

    def __init__(self, names: dict[str, str], *, terminal: bool = False, width: int = 120) -> None:
        self.out, self.clock = io.StringIO(), Clock()
        console = Console(file=self.out, force_terminal=terminal, width=width, color_system=None)
        self.watcher = Watcher(names, console, clock=self.clock)

    def after(self, *events: Event) -> str:
        for one in events:
            self.watcher(one)
        return self.out.getvalue()


def test_a_quiet_console_shows_nothing() -> None:
    out = io.StringIO()
    with Watcher({"1": "er CL3 seed 1"}, Console(file=out, force_terminal=True, quiet=True)) as watcher:
        watcher(event("started"))
        watcher(event("finished"))
    assert out.getvalue() == ""
    assert watcher.sweep.ended == 1


def test_a_run_goes_from_started_to_finished() -> None:
    sweep = SweepState(total=4)
    assert sweep.seconds_left(10.0) is None
    sweep.apply(event("started"))
    assert (sweep.fraction, len(sweep.running)) == (0.0, 1)
    sweep.apply(event("progress", done=50))
    assert sweep.fraction == 0.125
    assert sweep.seconds_left(10.0) == pytest.approx(70.0)
    sweep.apply(event("finished"))
    assert (sweep.fraction, sweep.ended, sweep.running) == (0.25, 1, {})


@pytest.mark.parametrize(("end", "ended"), [("finished", 1), ("failed", 1), ("stopped", 0)])
def test_late_news_of_a_run_that_is_over_changes_nothing(end: str, ended: int) -> None:
    """One that left off in time neither ended nor failed."""
    sweep = SweepState(total=2)
    assert sweep.apply(event(end))
    for kind in ("started", "progress", "finished", "failed"):
        assert not sweep.apply(event(kind, done=50))
    assert (sweep.ended, sweep.running, len(sweep.failures)) == (ended, {}, end == "failed")


def test_a_late_start_does_not_undo_progress() -> None:
    sweep = SweepState(total=1)
    sweep.apply(event("progress", done=50))
    assert not sweep.apply(event("started"))
    assert sweep.fraction == 0.5


def test_where_there_is_no_terminal_each_step_is_one_plain_line() -> None:
    shown = Shown({"1": "run 1", "2": "run 2"}, width=40)
    with shown.watcher:
        shown.after(event("started"), event("progress", done=50))
        shown.clock.now += 65
        shown.after(event("finished"), event("progress", done=60))
        shown.after(event("failed", "2", message="ValueError: a [long] message that is wider than the console"))
    assert shown.out.getvalue().splitlines() == [
        "[0/2] started run 1",
        "[1/2] finished run 1, about 1 min 05 s left",
        "[2/2] failed run 2: ValueError: a [long] message that is wider than the console",
    ]


def test_a_warning_is_a_line_and_its_run_goes_on_as_before() -> None:
    shown = Shown({"1": "run 1", "2": "run 2"})
    out = shown.after(event("started"), event("progress", done=50), event("warned", message="no more csv"))
    assert out.splitlines()[-1] == "[0/2] warned run 1: no more csv"
    assert shown.watcher.sweep.fraction == 0.25
    shown.after(event("finished"))
    assert shown.watcher.sweep.ended == 1


def test_in_a_terminal_each_running_run_has_speed_and_time_left_and_what_ended_a_line() -> None:
    shown = Shown({"1": "a [run]", "2": "another", "3": "a third"}, terminal=True)
    with shown.watcher:
        shown.after(event("started"))
        shown.clock.now += 12
        shown.after(event("progress", done=20, seconds=2.0), event("failed", "2"))
    out = shown.out.getvalue()
    overall = [line for line in out.splitlines() if "of 3 done" in line][-1]
    run = [line for line in out.splitlines() if "a [run]" in line and "it/s" in line][-1]
    assert "0 of 3 done, 1 running, 1 failed" in overall
    assert "18 s left" in overall
    assert "10 it/s, 8 s left" in run
    assert "[1/3] failed another" in out
    assert "started" not in out


def test_cells_that_are_half_done_are_counted() -> None:
    names = {f"ewc {k}": f"ewc CL1 seed {k}" for k in (1, 2, 3)} | {f"si {k}": f"si CL1 seed {k}" for k in (1, 2)}
    shown = Shown(names, terminal=True)
    with shown.watcher:
        shown.after(event("finished", "ewc 1"), event("failed", "ewc 2", message="broken"))
    out = shown.out.getvalue()
    cell = [line for line in out.splitlines() if "  ewc CL1 " in line][-1]
    assert "1 of 3 done, 1 failed" in cell
    assert "  si CL1 " not in out
