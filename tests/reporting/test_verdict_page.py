"""The numbers of docs/verdicts.md are what a simulation of the test finds, and its margins those of the tables."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest

from hnet_bench.reporting.mean_tests import Part, half_width

PAGE = (Path(__file__).parent.parent.parent / "docs" / "verdicts.md").read_text()
SEEDS, MARGINS = (3, 5, 10, 20), (0.5, 1.0, 2.0, 4.0)
REPETITIONS = 40_000


def shares(difference: float, *, seeds: int, margin: float) -> tuple[float, float]:
    """How often the verdict is *reproduced* and *below*, in percent; the spread over seeds is 1, the paper has 20."""
    random = numpy.random.default_rng(1)
    ours = random.normal(-difference, 1, (REPETITIONS, seeds))
    theirs = random.normal(0, 1, (REPETITIONS, 20))
    parts = [Part(values.var(axis=1, ddof=1) / values.shape[1], values.shape[1] - 1.0) for values in (ours, theirs)]
    found, width = ours.mean(axis=1) - theirs.mean(axis=1), half_width(parts)
    inside = (found - width > -margin) & (found + width < margin)
    return 100 * float(inside.mean()), 100 * float((found + width < -margin).mean())


def table_after(heading: str) -> list[list[int]]:
    """The whole numbers of the table below a heading, less the first column."""
    lines = PAGE.partition(f"{heading}\n")[2].strip().splitlines()
    rows = [line.split("|")[2:-1] for line in lines[2:] if line.startswith("|")][: len(SEEDS)]
    return [[int(field) for field in row] for row in rows]


@pytest.mark.parametrize(
    ("heading", "factor", "which"),
    [
        ("**Equal in truth: called *reproduced***", 0, 0),
        ("**Off by exactly the margin: called *reproduced***", 1, 0),
        ("**Off by twice the margin: called *below***", 2, 1),
    ],
)
def test_the_page_says_how_often_a_verdict_is_right(heading: str, factor: int, which: int) -> None:
    said = table_after(heading)
    assert len(said) == len(SEEDS)
    for seeds, row in zip(SEEDS, said, strict=True):
        found = [shares(factor * margin, seeds=seeds, margin=margin)[which] for margin in MARGINS]
        assert row == pytest.approx(found, abs=1.2)


def test_the_page_names_the_margins_of_the_shipped_tables() -> None:
    rows = re.findall(r"^\| (?:up to ([\d.]+)|more) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert rows == [("0.05", "0.5"), ("0.25", "1"), ("1", "3"), ("", "5")]
