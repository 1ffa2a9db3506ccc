"""What names a run and proves a record: canonical JSON, the digest of a spec, the folder of a run, the checksum.

All of these work on plain JSON, so that a record can be checked where its strategy is not installed.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Any

from hnet_bench.interfaces import Settings


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinities are refused with ValueError."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def checksum(content: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def spec_digest(spec: Settings) -> str:
    """12 hex digits of everything in a spec but its seed."""
    return checksum({key: value for key, value in spec.items() if key != "seed"})[:12]


def folder_of(benchmark: str, scenario: str, strategy: str) -> PurePosixPath:
    """Where records of these names stand below the results folder."""
    # A user's own "some/where/my.py:MyStrategy" stands under "my-MyStrategy".
    return PurePosixPath(_plain(benchmark), scenario, _plain(strategy))


def _plain(name: str) -> str:
    return PurePosixPath(name).name.replace(".py:", "-")
