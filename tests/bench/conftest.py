"""Prints, under pytest-benchmark's own table, how each timing compares with the baselines of its group."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads wait for each other at barriers, so anything else that runs would distort the timing."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_terminal_summary(terminalreporter, config):
    session = getattr(config, "_benchmarksession", None)
    groups = {}
    for timing in session.benchmarks if session else []:
        if timing.stats.rounds:
            groups.setdefault(timing.group, []).append(timing)
    for group, timings in groups.items():
        baselines = [timing for timing in timings if timing.extra_info.get("baseline")]
        if not baselines:
            continue
        terminalreporter.section(f"{group}: medians and ratios")
        for timing in timings:
            steps = timing.extra_info.get("steps", 1)
            ratios = ", ".join(
                f"{timing.stats.median / other.stats.median:.2f} x {other.extra_info['baseline']}"
                for other in baselines
                if other is not timing
            )
            label = timing.extra_info.get("label", timing.name)
            terminalreporter.write_line(f"{label:<44} {timing.stats.median / steps * 1e3:9.3f} ms   {ratios}")
