"""Has the behaviour of a strategy, a benchmark or the protocol changed without its revision, or the other way round?

    python tests/golden/compare.py [COMMIT]

measures the working tree and COMMIT on this machine, with the versions that are installed, and says one sentence for
each that is wrong. Without COMMIT it takes what the branch left main at, or on main itself where it was a day before
its last commit. Exit code 0: revisions say what happened; 1: they do not; 2: the trees cannot be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path("tests/golden/fingerprints.py")
CODE = ("hnet_bench", "baselines")
Measured = dict[str, Any]  # what fingerprints.py prints
# Of a run there. What is made in another way gets another name: two trees, each measured by its own script, are
# compared by what both have. (`fingerprint` is older than the others; of batches it has those of evaluations alone.)
PARTS = ("fingerprint", "training_batches")


def problems(before: Measured, after: Measured) -> list[str]:
    """What is wrong, one sentence each; both as `fingerprints.py` prints it."""
    known = {run["name"]: run for run in before["runs"]}
    both = [run for run in after["runs"] if _same_settings(known.get(run["name"]), run)]
    changed = [run for run in both if _differ(known[run["name"]], run)]
    raised = set(_raised(before["revisions"], after["revisions"]))
    unexplained = [run for run in changed if not raised.intersection(_parts(run))]
    return [
        *_without_revision(unexplained, both),
        *(_without_change(part, changed) for part in sorted(raised) if not any(part in _parts(run) for run in changed)),
    ]


def _same_settings(before: dict[str, Any] | None, after: dict[str, Any]) -> bool:
    """Whether both trees have this run: its name says which settings are set, and a table may set other values now.

    Scripts older than that key said no values: of theirs, the runs by the defaults alone are known to be the same.
    """
    return before is not None and before.get("hyperparameters", {}) == after.get("hyperparameters", {})


def _differ(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether two runs gave something else, in what was measured of both."""
    return any(before[part] != after[part] for part in PARTS if part in before and part in after)


def _parts(run: dict[str, Any]) -> set[tuple[str, str]]:
    """What a run depends on, as `_raised` names it."""
    return {("strategy", run["strategy"]), ("benchmark", run["benchmark"]), ("protocol", "")}


def _raised(before: Measured, after: Measured) -> Iterator[tuple[str, str]]:
    for part in ("strategy", "benchmark"):
        for name, revision in after[part].items():
            if revision != before[part].get(name, revision):
                yield part, name
    if before["protocol"] != after["protocol"]:
        yield "protocol", ""


def _without_revision(changed: list[dict[str, Any]], every: list[dict[str, Any]]) -> Iterator[str]:
    of_all, of_changed = (_by_part(runs) for runs in (every, changed))
    for (part, name), runs in of_changed.items():
        scenarios = ", ".join(sorted({run["scenario"] for run in runs}))
        among = len(of_all[part, name])
        shown = f"{scenarios}; {len(runs)} of {among} runs" + (
            "" if len(runs) == among else f": {runs[0]['name']}, ..."
        )
        yield f"The behaviour of the {part} {name} has changed ({shown}), but its revision was not raised."
    if of_changed and all(part in of_changed for part in of_all if part[0] == "strategy"):
        yield (
            "All strategies have changed: if the cause is what all runs share, raise TrainingProtocol.revision in "
            "place of theirs."
        )


def _by_part(runs: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        found.setdefault((run["of"], run[run["of"]]), []).append(run)
    return found


def _without_change(part: tuple[str, str], changed: list[dict[str, Any]]) -> str:
    what = "protocol" if part[0] == "protocol" else f"{part[0]} {part[1]}"
    return f"The revision of the {what} was raised, but no fingerprint of it has changed."


def measure(root: Path) -> subprocess.Popen[str]:
    """Starts the fingerprints of one tree, by its own script if it has one."""
    script = root / SCRIPT if (root / SCRIPT).is_file() else ROOT / SCRIPT
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", script, root], cwd=root, env=environment, stdout=subprocess.PIPE, text=True
    )


def default_commit() -> str:
    """Where the branch left main; on main, where it was a day before its last commit."""
    left = _git("merge-base", "HEAD", "origin/main") or _git("merge-base", "HEAD", "main")
    if left and left != _git("rev-parse", "HEAD"):
        return left
    last = _git("show", "--no-patch", "--format=%ct", "HEAD")
    return _git("rev-list", "-1", "--first-parent", f"--before={int(last or 0) - 86400}", "HEAD")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def main() -> int:
    """Prints the sentences; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("commit", nargs="?", default=None, metavar="COMMIT")
    commit = parser.parse_args().commit or default_commit()
    if not commit or not _git("rev-parse", "--verify", f"{commit}^{{commit}}"):
        if _git("rev-parse", "--is-shallow-repository") == "true":
            print("Not compared: this clone is shallow, and the commit to compare with is not in it.")
            return 0
        print(f"There is no commit '{commit}' to compare with: name one, such as HEAD~1.")
        return 2
    if not _git("diff", "--name-only", commit, "--", *CODE, str(SCRIPT)):
        print(f"Nothing to compare: the code is that of commit {commit[:8]}.")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        old = Path(folder).resolve() / "before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", old, commit], check=True)
        try:
            processes = [measure(old), measure(ROOT)]
            outputs = [process.communicate()[0] for process in processes]
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", old], check=True)
    if any(process.returncode for process in processes):
        print("The fingerprints of one of the trees could not be made, as printed above.")
        return 2
    before, after = (json.loads(output) for output in outputs)
    for one in after["skipped"]:
        print(f"Not compared: {one}.")
    found = problems(before, after)
    print(
        "\n".join(found) if found else f"{len(after['runs'])} runs compared with commit {commit[:8]}: as revisions say."
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
