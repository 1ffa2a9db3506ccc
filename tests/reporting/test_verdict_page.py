"""The numbers of docs/verdicts.md are what a simulation of the test finds, and its margins those of the tables."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy
import pytest

from hnet_bench.reporting.statistics import ErrorOfMean, half_width
from hnet_bench.reporting.verdicts import MINIMUM_TO_REPRODUCE

PAGE = (Path(__file__).parent.parent.parent / "docs" / "verdicts.md").read_text()
SEEDS, MARGINS = (3, 5, 10, 20), (0.5, 1.0, 2.0, 4.0)
REPETITIONS = 40_000


def shares(difference: float, *, seeds: int, margin: float) -> tuple[float, float]:
    """How often the verdict is *reproduced* and *below*, in percent; the spread over seeds is 1, the paper has 20."""
    random = numpy.random.default_rng(1)
    ours = random.normal(-difference, 1, (REPETITIONS, seeds))
    theirs = random.normal(0, 1, (REPETITIONS, 20))
    errors = [
        ErrorOfMean(values.var(axis=1, ddof=1) / values.shape[1], values.shape[1] - 1.0) for values in (ours, theirs)
    ]
    found, width = ours.mean(axis=1) - theirs.mean(axis=1), half_width(errors)
    inside = (found - width > -margin) & (found + width < margin)
    reproduced = inside & (seeds >= MINIMUM_TO_REPRODUCE)
    return 100 * float(reproduced.mean()), 100 * float((found + width < -margin).mean())


def table_after(heading: str, rows: int = len(SEEDS)) -> list[list[int]]:
    """The whole numbers of the first rows of the table below a heading, less the first column."""
    lines = PAGE.partition(f"{heading}\n")[2].strip().splitlines()
    found = [line.split("|")[2:-1] for line in lines[2:] if line.startswith("|")][:rows]
    return [[int(field) for field in row] for row in found]


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


FAILING, SEEDS_OF_FAILING = (0.5, 0.2, 0.1, 0.05), (3, 5, 10, 20, 30)


def test_the_page_says_how_often_a_method_that_fails_on_single_seeds_is_called_reproduced() -> None:
    said = table_after("though on average it is far off:", rows=len(SEEDS_OF_FAILING))
    assert len(said) == len(SEEDS_OF_FAILING)
    random = numpy.random.default_rng(2)
    for seeds, row in zip(SEEDS_OF_FAILING, said, strict=True):
        ours = random.normal(0, 1, (len(FAILING), REPETITIONS, seeds))
        ours -= 175 * (random.random(ours.shape) < numpy.reshape(FAILING, (-1, 1, 1)))  # 0.7 falls to half
        theirs = random.normal(0, 0.1, (REPETITIONS, 20))  # a paper that hardly adds to the error
        assert row == pytest.approx([within(one, theirs, 5.0, 19.0) for one in ours], abs=1.2)


UNKNOWN = ((1, 1.0, None), (3, 1.0, None), (2, 1.0, math.inf), (2, 3.0, math.inf))
SEEDS_OF_UNKNOWN = (5, 10, 20)


def test_the_page_says_what_it_costs_that_a_paper_keeps_its_error_to_itself() -> None:
    said = table_after("standard deviations, twice that in the last).", rows=len(SEEDS_OF_UNKNOWN))
    assert len(said) == len(SEEDS_OF_UNKNOWN)
    random = numpy.random.default_rng(3)
    for seeds, row in zip(SEEDS_OF_UNKNOWN, said, strict=True):
        ours = random.normal(0, 1, (REPETITIONS, seeds))
        found = []
        for runs, spread, freedom in UNKNOWN:
            margin = 4.0 if spread > 1 else 2.0
            found.append(within(ours, random.normal(margin, spread, (REPETITIONS, runs)), margin, freedom))
        assert row == pytest.approx(found, abs=1.2)


def within(ours: Any, theirs: Any, margin: float, freedom: float | None) -> float:
    """How often the interval lies within the margin, in percent; without `freedom` the reported mean is exact."""
    errors = [ErrorOfMean(ours.var(axis=1, ddof=1) / ours.shape[1], ours.shape[1] - 1.0)]
    if freedom is not None:
        errors.append(ErrorOfMean(theirs.var(axis=1, ddof=1) / theirs.shape[1], numpy.full(len(theirs), freedom)))
    difference, width = ours.mean(axis=1) - theirs.mean(axis=1), half_width(errors)
    return 100 * float(((difference - width > -margin) & (difference + width < margin)).mean())


def test_the_page_names_the_margins_of_the_shipped_tables() -> None:
    rows = re.findall(r"^\| (?:up to ([\d.]+)|more) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert rows == [("0.05", "0.5"), ("0.25", "1"), ("1", "3"), ("", "5")]
