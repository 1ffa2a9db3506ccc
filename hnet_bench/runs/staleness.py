"""Whether the code behind a record has changed since it was made.

A record made since schema 2 names its modules with a hash of each. For an earlier one the commit that it names is asked
instead, where this package stands in a git checkout that has it. Otherwise nobody can tell.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import hnet_bench
from hnet_bench import catalog
from hnet_bench.interfaces import Settings
from hnet_bench.runs.code import Code, belongs_to_harness, code_of, source_of, syntax_hash
from hnet_bench.runs.record import Record

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is known of a record's code: `current`, `stale` (its strategy, nets or benchmark changed) or `unknown`."""

    state: Literal["current", "stale", "unknown"]
    strategy: tuple[str, ...] = ()  # modules that changed
    harness: tuple[str, ...] = ()  # modules that all strategies share and that changed; they make no record stale


class Judge:
    """Compares records with the code as it is now. Loads none of it."""

    def __init__(self, checkout: Path | None = None) -> None:
        """`checkout` is the git checkout of this package (default: the folder that holds it)."""
        self._commits = _Commits(checkout or Path(hnet_bench.__file__).parent.parent)
        self._code: dict[tuple[str, ...], Code] = {}
        self._verdicts: dict[tuple[str, ...], Verdict] = {}

    def verdict(self, record: Record, files: Mapping[str, Path] | None = None) -> Verdict:
        """Whether the code behind a record has changed; `files` is that of its spec, and says where a user's own is."""
        spec, made = record.spec, record.provenance
        strategy, benchmark = spec["strategy"]["name"], spec["benchmark"]["name"]
        code = made.get("code")
        key = (strategy, benchmark, *([f"{name} {code[name]}" for name in code] if code else [str(made.get("commit"))]))
        places = tuple(f"{name} {path}" for name, path in (files or {}).items())
        key = (*key, str(made.get("dirty")), *places)
        if key not in self._verdicts:
            self._verdicts[key] = self._compare(strategy, benchmark, made, files or {})
        return self._verdicts[key]

    def is_stale(self, record: Record, files: Mapping[str, Path] | None = None) -> bool:
        """Whether it is known that the strategy's code has changed."""
        return self.verdict(record, files).state == "stale"

    def _compare(self, strategy: str, benchmark: str, made: Settings, files: Mapping[str, Path]) -> Verdict:
        if not all(_is_here(name, files) for name in (strategy, benchmark)):
            return Verdict(state="unknown")
        key = (strategy, benchmark, *map(str, files.values()))
        now = self._code.setdefault(key, code_of(strategy, benchmark, files))
        changed = _since_record(now, made["code"]) if made.get("code") else self._since_commit(now, made)
        if changed is None:
            return Verdict(state="unknown")
        harness = tuple(name for name in changed if belongs_to_harness(name))
        deciding = tuple(name for name in changed if not belongs_to_harness(name))
        return Verdict(state="stale" if deciding else "current", strategy=deciding, harness=harness)

    def _since_commit(self, now: Code, made: Settings) -> list[str] | None:
        commit = made.get("commit")
        # A checkout with changes held some other code than its commit; of a user's own file git knows nothing.
        if not isinstance(commit, str) or made.get("dirty") is not False or not all("." in name for name in now.start):
            return None
        if not self._commits.has(commit):
            return None
        return [name for name, source in sorted(now.modules().items()) if self._differs(commit, name, source)]

    def _differs(self, commit: str, name: str, source: bytes) -> bool:
        before = source_of(_AtCommit(self._commits, commit), name)
        return before is None or (before != source and syntax_hash(before) != syntax_hash(source))


def _since_record(now: Code, hashes: dict[str, str]) -> list[str]:
    # If none of the modules has changed, neither has what they import: the list is complete.
    sources = {name: source_of(now.tree, name) for name in hashes}
    return [name for name, source in sorted(sources.items()) if source is None or syntax_hash(source) != hashes[name]]


def _is_here(name: str, files: Mapping[str, Path]) -> bool:
    if ".py:" in name:
        return catalog.plain_name(name) in files or catalog.user_file(name) is not None
    return catalog.is_known("strategies", name) or catalog.is_known("benchmarks", name)


class _Commits:
    """Files at commits of a checkout, read through one git process that starts when it is first asked."""

    def __init__(self, checkout: Path) -> None:
        self._checkout = checkout
        self._git: subprocess.Popen[bytes] | None = None
        self._known: dict[str, bytes | None] = {}

    def has(self, commit: str) -> bool:
        return _COMMIT.fullmatch(commit) is not None and self.read(commit) is not None

    def read(self, name: str) -> bytes | None:
        """Content of an object such as "<commit>:hnet_bench/metrics.py", None if there is none."""
        if name not in self._known:
            try:
                self._known[name] = self._ask(name)
            except (OSError, ValueError):
                self._known[name] = None
        return self._known[name]

    def _ask(self, name: str) -> bytes | None:
        # An installed copy may lie inside somebody else's repository.
        if self._git is None:
            if not (self._checkout / ".git").exists():
                return None
            command = ["git", "-C", str(self._checkout), "cat-file", "--batch"]
            self._git = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        asked, answer = _pipes(self._git)
        asked.write(name.encode() + b"\n")
        asked.flush()
        header = answer.readline().split()
        if len(header) != 3:  # "<name> missing", or nothing if git itself failed
            return None
        return answer.read(int(header[2]) + 1)[:-1]

    def __del__(self) -> None:
        if self._git is not None:
            for pipe in _pipes(self._git):
                pipe.close()
            self._git.wait()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    assert process.stdin is not None
    assert process.stdout is not None
    return process.stdin, process.stdout


@dataclass(frozen=True)
class _AtCommit:
    """A tree of modules as they were at a commit."""

    commits: _Commits
    commit: str

    def read(self, place: str) -> bytes | None:
        return self.commits.read(f"{self.commit}:{place}")
