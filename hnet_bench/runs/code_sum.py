"""One number for all of the project's code, the same with and without git. Imports nothing that takes time."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import hnet_bench


@cache
def code_sum() -> str:
    """`sum_of_files` as it was when this was first asked: a process goes on with the code that it has loaded."""
    return sum_of_files()


def sum_of_files() -> str:
    """SHA-256 over the names and contents of this package's and the baselines' Python files as they are now."""
    package = Path(hnet_bench.__file__).parent
    files = [*package.rglob("*.py"), *(package.parent / "baselines").rglob("*.py")]
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda file: file.relative_to(package.parent).as_posix()):
        digest.update(path.relative_to(package.parent).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
