"""Verdicts: what they say in plain cases, that they say it as rarely by mistake as promised, and how many seeds they
ask for."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy
import pytest
from scipy import stats

from hnet_bench.papers.table import Reported
from hnet_bench.reporting.mean_tests import EXACT, Part
from hnet_bench.reporting.seeds_needed import chance_to_decide, seeds_to_decide
from hnet_bench.reporting.verdicts import MINIMUM_SEEDS, judge, reported_part, verdict

REPETITIONS = 2000
TOLERANCE = 3 * math.sqrt(0.05 * 0.95 / REPETITIONS)  # three standard errors of a simulated rate of 5 %


def paper(mean: float = 0.7, **changes: Any) -> Reported:
    settings = {"mean": mean, "spread": 0.002, "spread_kind": "sem", "n": 20, "margin": 0.01, "known": "verified"}
    return Reported(**{**settings, **changes})


def outcome(values: list[float], reported: Reported) -> str:
    judged = judge(values, reported)
    assert judged is not None
    return judged.outcome


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.700, 0.701, 0.699], "reproduced"),
        ([0.705, 0.706, 0.704], "reproduced"),  # off, yet by less than the margin
        ([0.750, 0.751, 0.749], "above"),
        ([0.650, 0.651, 0.649], "below"),
        ([0.710, 0.711, 0.709], "inconclusive"),  # on the margin
        ([0.600, 0.700, 0.800], "inconclusive"),
        ([0.7, 0.7, 0.7], "reproduced"),
        ([0.6, 0.6, 0.6], "below"),
        ([0.9], "inconclusive"),
        ([0.9, 0.9], "inconclusive"),  # two seeds can agree by chance
        ([], "not run"),
    ],
)
def test_the_outcome_of_plain_cases(values: list[float], expected: str) -> None:
    assert outcome(values, paper()) == expected


def test_difference_and_interval_are_those_of_the_formula() -> None:
    judged = judge([0.71, 0.73, 0.72], paper())
    assert judged is not None
    # Variance 1e-4 over 3 seeds with t(2) = 2.9200, and 0.002 squared with t(19) = 1.7291.
    ours, theirs = 1e-4 / 3, 4e-6
    width = (ours * 2.9200 + theirs * 1.7291) / math.sqrt(ours + theirs)
    assert judged.difference == pytest.approx(0.02)
    assert judged.interval == pytest.approx((0.02 - width, 0.02 + width), abs=1e-6)


def test_with_an_exact_number_it_is_the_pair_of_t_tests_of_scipy() -> None:
    values, reported = [0.71, 0.69, 0.705, 0.7], paper(spread=None, spread_kind=None, n=None)
    judged = judge(values, reported)
    assert judged is not None
    above = stats.ttest_1samp(values, 0.69, alternative="greater").pvalue
    below = stats.ttest_1samp(values, 0.71, alternative="less").pvalue
    assert judged.p_reproduced == pytest.approx(max(above, below))
    assert judged.reported_exactly
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert judged.interval == pytest.approx((interval.low - 0.7, interval.high - 0.7))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({}, Part(4e-6, 19)),
        ({"spread_kind": "sd"}, Part(4e-6 / 20, 19)),
        ({"n": None}, Part(4e-6, EXACT)),
        ({"spread_kind": "sd", "n": None}, Part(0.0, EXACT)),
        ({"spread_kind": None}, Part(0.0, EXACT)),
        ({"spread": None}, Part(0.0, EXACT)),
    ],
)
def test_the_spread_of_a_paper_is_read_as_what_it_is(changes: dict[str, Any], part: Part) -> None:
    assert reported_part(paper(**changes)) == part


def test_without_a_margin_there_is_no_verdict() -> None:
    assert verdict([0.7, 0.7, 0.7], paper(margin=None)) is None


def test_how_the_reported_number_is_known_is_kept() -> None:
    judged = verdict([0.7, 0.7, 0.7], paper(known="recalled"))
    assert judged is not None
    assert judged.known == "recalled"


def test_a_margin_is_no_matter_of_the_last_digit() -> None:
    assert outcome([0.51] * 3, paper(0.5, spread=0.0)) == "inconclusive"
    assert outcome([0.51 - 1e-9] * 3, paper(0.5, spread=0.0)) == "reproduced"


def rates(difference: float, *, seeds: int, spread: float, sem: float, margin: float = 0.01) -> Counter[str]:
    """Share of each outcome where measured and reported differ by `difference` in truth; the paper has 20 seeds."""
    random = numpy.random.default_rng(seeds)
    ours = random.normal(0.7 + difference, spread, (REPETITIONS, seeds))
    means = random.normal(0.7, sem, REPETITIONS)
    sems = sem * numpy.sqrt(random.chisquare(19, REPETITIONS) / 19)
    counts: Counter[str] = Counter()
    for values, mean, one_sem in zip(ours.tolist(), means.tolist(), sems.tolist(), strict=True):
        counts[outcome(values, paper(mean, spread=one_sem, margin=margin))] += 1 / REPETITIONS
    return counts


# Seeds, their standard deviation, and the paper's standard error; measured and reported weigh alike in the last two.
DESIGNS = [(3, 0.002, 0.001), (3, 0.004, 0.002), (5, 0.006, 0.0025), (20, 0.011, 0.0025)]


@pytest.mark.parametrize(("seeds", "spread", "sem"), DESIGNS)
def test_what_is_off_by_the_margin_is_called_reproduced_in_at_most_five_per_cent(
    seeds: int, spread: float, sem: float
) -> None:
    found = rates(-0.01, seeds=seeds, spread=spread, sem=sem)
    assert found["reproduced"] <= 0.05 + TOLERANCE
    # The margin itself still counts as within it.
    assert found["below"] <= 0.05 + TOLERANCE


@pytest.mark.parametrize(("seeds", "spread", "sem"), DESIGNS)
def test_what_is_equal_is_called_above_or_below_in_at_most_five_per_cent(seeds: int, spread: float, sem: float) -> None:
    found = rates(0.0, seeds=seeds, spread=spread, sem=sem)
    assert found["above"] + found["below"] <= 0.05 + TOLERANCE


def test_what_is_far_off_is_found_out() -> None:
    assert rates(-0.03, seeds=3, spread=0.002, sem=0.001)["below"] > 0.95
    assert rates(0.03, seeds=3, spread=0.002, sem=0.001)["above"] > 0.95


@pytest.mark.parametrize(
    ("difference", "seeds", "spread", "right"),
    [(0.0, 20, 0.011, "reproduced"), (0.0, 5, 0.005, "reproduced"), (0.02, 10, 0.008, "above")],
)
def test_the_chance_to_decide_is_what_a_simulation_finds(
    difference: float, seeds: int, spread: float, right: str
) -> None:
    said = chance_to_decide(numpy.array([seeds]), difference, Part(0.0025**2, 19), spread=spread, margin=0.01)[0]
    assert 0.5 < said < 0.999
    assert rates(difference, seeds=seeds, spread=spread, sem=0.0025)[right] == pytest.approx(said, abs=0.05)


def test_the_number_of_seeds_is_the_first_that_is_enough() -> None:
    reported = Part(0.0025**2, 19)
    needed = seeds_to_decide(0.0, reported, spread=0.011, margin=0.01, least=MINIMUM_SEEDS)
    assert isinstance(needed, int)
    chances = chance_to_decide(numpy.array([needed - 1, needed]), 0.0, reported, spread=0.011, margin=0.01)
    assert chances[0] < 0.8 <= chances[1]


def test_the_number_of_seeds_agrees_with_the_textbook_where_it_is_large() -> None:
    # Normal approximation of a two one-sided test of one mean: n = (sd (z_0.95 + z_0.90) / margin) ** 2.
    textbook = (0.05 * (1.6449 + 1.2816) / 0.01) ** 2
    needed = seeds_to_decide(0.0, Part(0.0, EXACT), spread=0.05, margin=0.01, least=MINIMUM_SEEDS)
    assert needed == pytest.approx(textbook, abs=4)


def test_where_no_number_of_seeds_would_do_it_is_said() -> None:
    arguments = {"margin": 0.01, "least": MINIMUM_SEEDS}
    # 0.01 is less than two standard errors of the paper.
    assert seeds_to_decide(0.0, Part(0.006**2, 19), spread=0.01, **arguments) == "no number"
    assert seeds_to_decide(0.0, Part(0.002**2, 19), spread=0.3, **arguments) == "more than 1000"


def test_an_inconclusive_verdict_asks_for_more_seeds_than_there_are() -> None:
    judged = verdict([0.70, 0.73, 0.67, 0.71], paper())
    assert judged is not None
    assert judged.outcome == "inconclusive"
    assert isinstance(judged.seeds_if_equal, int)
    assert judged.seeds_if_equal > 4
    one = verdict([0.7], paper())
    assert one is not None
    assert (one.difference, one.seeds_if_equal) == (0.0, None)
