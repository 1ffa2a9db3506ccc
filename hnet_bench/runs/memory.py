"""Peak resident memory of one run, also in a process that has done others before."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")


def reset_peak() -> None:
    """Starts measuring anew, where the system can (Linux); elsewhere the peak is that of the process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_bytes() -> int | None:
    """Highest resident memory since `reset_peak`, in bytes."""
    try:
        match = re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())
    except OSError:
        match = None
    if match:
        return int(match[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
