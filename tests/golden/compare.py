"""Has the behaviour of a strategy, a benchmark or the protocol changed without its revision, or the other way round?

    python tests/golden/compare.py [COMMIT]

measures the working tree and COMMIT on this machine, with the versions that are installed, and says one sentence for
each that is wrong. Without COMMIT it takes what the branch left main at, or on main itself where it was a day before
its last commit. That may lie between a change and its revision, so what is said there must be true of where main was a
day earlier as well. Exit code 0: revisions say what happened; 1: they do not; 2: the trees cannot be compared.
"""

from __future__ import annotations

import argparse
import contextlib
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


def problems(before: Measured, after: Measured) -> dict[str, str]:
    """What is wrong, a sentence for each part of which it is; both as `fingerprints.py` prints it."""
    known = {run["name"]: run for run in before["runs"]}
    both = [run for run in after["runs"] if _same_settings(known.get(run["name"]), run)]
    changed = [run for run in both if _differ(known[run["name"]], run)]
    raised = set(_raised(before["revisions"], after["revisions"]))
    unexplained = [run for run in changed if not raised.intersection(_parts(run))]
    idle = (part for part in sorted(raised) if not any(part in _parts(run) for run in changed))
    return dict([*_without_revision(unexplained, both), *map(_without_change, idle)])


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


def _without_revision(changed: list[dict[str, Any]], every: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    of_all, of_changed = (_by_part(runs) for runs in (every, changed))
    for (part, name), runs in of_changed.items():
        scenarios = ", ".join(sorted({run["scenario"] for run in runs}))
        among = len(of_all[part, name])
        shown = f"{scenarios}; {len(runs)} of {among} runs" + (
            "" if len(runs) == among else f": {runs[0]['name']}, ..."
        )
        what = f"{part} {name}"
        yield what, f"The behaviour of the {what} has changed ({shown}), but its revision was not raised."
    if of_changed and all(part in of_changed for part in of_all if part[0] == "strategy"):
        yield (
            "all strategies",
            "All strategies have changed: if the cause is what all runs share, raise TrainingProtocol.revision in "
            "place of theirs.",
        )


def _by_part(runs: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        found.setdefault((run["of"], run[run["of"]]), []).append(run)
    return found


def _without_change(part: tuple[str, str]) -> tuple[str, str]:
    what = " ".join(part).strip()
    return what, f"The revision of the {what} was raised, but no fingerprint of it has changed."


@contextlib.contextmanager
def commit_tree(commit: str) -> Iterator[Path]:
    """The tree of a commit, for as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder).resolve() / "before"
        subprocess.run(["git", "-C", ROOT, "worktree", "add", "--quiet", "--detach", tree, commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "-C", ROOT, "worktree", "remove", "--force", tree], check=True)


def measured(*trees: Path) -> list[Measured]:
    """The fingerprints of these trees, made at once, by the script of each if it has one; of a tree that has no
    fingerprints nothing, and a sentence is printed."""
    processes = [_measure(tree) for tree in trees]
    outputs = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        print("The fingerprints of one of the trees could not be made, as printed above.")
    return [
        {} if process.returncode else json.loads(output) for process, output in zip(processes, outputs, strict=True)
    ]


def _measure(root: Path) -> subprocess.Popen[str]:
    script = root / SCRIPT if (root / SCRIPT).is_file() else ROOT / SCRIPT
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", script, root], cwd=root, env=environment, stdout=subprocess.PIPE, text=True
    )


def default_commits() -> list[str]:
    """Where the branch left main; on main, where it was a day before its last commit, and a day before that one, or
    when it had its first fingerprints: runs that it did not have then are younger, and may have begun in between."""
    left = _git("merge-base", "HEAD", "origin/main") or _git("merge-base", "HEAD", "main")
    if left and left != _git("rev-parse", "HEAD"):
        return [left]
    found = ["HEAD"]
    while len(found) < 3 and (time := _git("show", "--no-patch", "--format=%ct", found[-1])):
        found.append(_git("rev-list", "-1", "--first-parent", f"--before={int(time) - 86400}", found[-1]))
    if len(found) == 3 and not _git("ls-tree", "--name-only", found[2], "--", str(SCRIPT)):
        found[2] = _git("log", "--reverse", "--diff-filter=A", "--format=%H", "--", str(SCRIPT)).partition("\n")[0]
    return [one for one in found[1:] if one]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def main() -> int:
    """Prints the sentences; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("commit", nargs="?", default=None, metavar="COMMIT")
    named = parser.parse_args().commit
    commit, *earlier = [named] if named else default_commits() or [""]
    if not commit or not _git("rev-parse", "--verify", f"{commit}^{{commit}}"):
        if _git("rev-parse", "--is-shallow-repository") == "true":
            print("Not compared: this clone is shallow, and the commit to compare with is not in it.")
            return 0
        print(f"There is no commit '{commit}' to compare with: name one, such as HEAD~1.")
        return 2
    if not _git("diff", "--name-only", commit, "--", *CODE, str(SCRIPT)):
        print(f"Nothing to compare: the code is that of commit {commit[:8]}.")
        return 0
    with commit_tree(commit) as old:
        before, after = measured(old, ROOT)
    if not before or not after:
        return 2
    for one in after["skipped"]:
        print(f"Not compared: {one}.")
    found = problems(before, after)
    for older in earlier if found else []:
        with commit_tree(older) as old:
            (before,) = measured(old)
        if not before:  # what the newer commit says stands
            continue
        confirmed = problems(before, after)
        for what in [what for what in found if what not in confirmed]:
            print(f"Not true of commit {older[:8]}, and so not counted: {found.pop(what)}")
    print(
        "\n".join(found.values())
        if found
        else f"{len(after['runs'])} runs compared with commit {commit[:8]}: as revisions say."
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
