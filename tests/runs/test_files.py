"""Files that are whole or not there, also on systems that lack a part of what Linux has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

# What Python lacks on Windows. Libraries that have other code there are loaded before.
WITHOUT = "import sys, psutil; sys.modules.update(fcntl=None, resource=None)\n"


def test_commands_need_no_module_that_windows_lacks(tmp_path: Path) -> None:
    code = """
from pathlib import Path
from hnet_bench.cli import main
import hnet_bench.runs.process
from hnet_bench.runs.files import alone
with alone(Path("made")):
    Path("made/file").touch()
sys.exit(main(["status", "quick"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT + code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "quick" in done.stdout
    assert (tmp_path / "made" / "file").exists()
