"""Files that are whole or not there, also on systems that lack a part of what Linux has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# What Python lacks on Windows. Libraries that have other code there are loaded before.
WITHOUT = "import sys, psutil, filelock; filelock.FileLock; sys.modules.update(fcntl=None, resource=None)\n"


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code], cwd=folder, capture_output=True, text=True, check=False
    )


def test_commands_need_no_module_that_windows_lacks(tmp_path: Path) -> None:
    code = "from hnet_bench.cli import main; import hnet_bench.runs.memory; sys.exit(main(['status', 'quick']))"
    done = python(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "quick" in done.stdout


def test_a_folder_is_locked_there_as_well(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from filelock import FileLock, Timeout
from hnet_bench.runs.files import alone
folder = Path("made")
with alone(folder):
    try:
        FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout:
        print("locked")
with alone(folder):
    print("free")
"""
    done = python(code, tmp_path)
    assert (done.stdout, done.stderr) == ("locked\nfree\n", "")
