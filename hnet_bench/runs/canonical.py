"""What names a run and proves a record: canonical JSON, the digest of a spec, the folder of a run, the checksum.

All of these work on plain JSON, so that a record can be checked where its strategy is not installed.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hnet_bench.interfaces import Settings

_NAMED = ("benchmark", "strategy")


def canonical_json(content: Any) -> str:
    """JSON with sorted keys and no spaces; NaN and infinities are refused with ValueError."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def checksum(content: Any) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def spec_digest(spec: Settings) -> str:
    """12 hex digits of everything in a spec but its seed."""
    return checksum({key: value for key, value in spec.items() if key != "seed"})[:12]


def run_id_of(spec: Settings) -> str:
    """Name of a run, unique among those of one strategy on one benchmark in one scenario."""
    return f"seed{spec['seed']}-{spec_digest(spec)}"


def folder_of(spec: Settings) -> str:
    """Where the record of a spec stands below the results folder."""
    # A user's own "some/where/my.py:MyStrategy" stands under "my-MyStrategy".
    benchmark, strategy = (spec[part]["name"].rpartition("/")[2].replace(".py:", "-") for part in _NAMED)
    return f"{benchmark}/{spec['scenario']}/{strategy}"
