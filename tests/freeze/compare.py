"""What a rebuild has changed of what users see: compare.py COMMIT prints it as a diff against that commit.

Forty commands and the text of all reports, of both trees from the same records on this machine. To it belong
`tox -e golden` (what is computed), tests/freeze/test_run_ids.py (which run a record is of), and before a release
`hnet-bench rerun --draw 20 --draw-seed 1`. Exit code 0 if nothing has changed, else 1.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def measured(root: Path) -> subprocess.Popen[str]:
    """Starts `frozen.py`, always that of this tree, on the code of another."""
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    command = [sys.executable, "-W", "ignore", Path(__file__).with_name("frozen.py"), root, ROOT / "results"]
    return subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)


def differences(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """A unified diff of everything that is not the same."""
    texts = [
        {
            **{f"hnet-bench {name}": _lines(one) for name, one in tree["commands"].items()},
            **{f"reports/{name}": text for name, text in tree["reports"].items()},
        }
        for tree in (before, after)
    ]
    for name in sorted(texts[0].keys() | texts[1].keys()):
        old, new = (tree.get(name, "").splitlines() for tree in texts)
        yield from difflib.unified_diff(old, new, f"before: {name}", f"after: {name}", lineterm="", n=1)


def _lines(said: dict[str, Any]) -> str:
    return f"exit code {said['exit']}\n--- out\n{said['out']}\n--- err\n{said['err']}"


def main(commit: str) -> int:
    """Prints the diff; the exit code."""
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder).resolve() / "before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", old, commit], check=True)
        try:
            processes = [measured(old), measured(ROOT)]
            before, after = (json.loads(process.communicate()[0]) for process in processes)
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", old], check=True)
    found = list(differences(before, after))
    print("\n".join(found) if found else f"Nothing that users see has changed since {commit}.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "HEAD"))
