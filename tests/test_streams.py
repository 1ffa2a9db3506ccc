"""The random streams of a run: their seeds are what they always were, and no two are the same on the CPU."""

from __future__ import annotations

import re
from pathlib import Path

import hnet_bench
from hnet_bench.interfaces import stream_seed

ROOT = Path(hnet_bench.__file__).parent.parent
SOURCES = [path for name in ("hnet_bench", "baselines") for path in (ROOT / name).rglob("*.py")]
NAMED = re.compile(r'(?:\.generator|stream_seed|_seed_everything)\((?:[\w.]+, )?"(\w+)"\)')


def streams() -> set[str]:
    """The names of all streams that our code draws from."""
    return {name for path in SOURCES for name in NAMED.findall(path.read_text(encoding="utf-8"))}


def test_the_streams_of_a_run_differ_in_the_bits_that_a_generator_takes() -> None:
    names = streams()
    assert {"initialisation", "training", "data_order", "replay", "synthetic"} <= names
    assert len(names) >= 15
    for seed in range(2000):
        assert len({stream_seed(seed, name) % 2**32 for name in names}) == len(names), seed


def test_the_seeds_of_streams_stay() -> None:
    # From SHA-256 of "1/training" and "20/data_order", as all records have them.
    assert stream_seed(1, "training") == 3_795_930_115_039_880_689
    assert stream_seed(20, "data_order") == 2_365_851_812_418_723_741
