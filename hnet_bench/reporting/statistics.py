"""Tests about means that hold their level with three seeds as with twenty, and which of several means is the best.

The squared standard error of a difference is a sum of parts, one for each of the two means, each with degrees of
freedom of its own. The quantile that the difference is held against is the mean of the parts' t quantiles, weighted
by the parts (Cochran & Cox, Experimental Designs, 1950). Welch's test with Satterthwaite's degrees of freedom is the
commoner choice, but with three seeds beside a paper's twenty it errs in up to 6.1 % of cases where it says 5 %, and
with two in 8.2 %; this one never exceeds 5 % where both means are over three seeds or more (docs/verdicts.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import Any, Literal, TypeAlias, TypeVar

from hnet_bench.metrics import Better, Summary, summarise

LEVEL = 0.95  # of each one-sided test; what tables and figures say of it follows from it


def error_rate(level: float) -> str:
    """Of a one-sided test, as text."""
    return f"{round(100 * (1 - level), 6):g} %"


def confidence(level: float) -> str:
    """Of the interval that two of them leave, as text."""
    return f"{round(100 * (2 * level - 1), 6):g} %"


ERROR_RATE = error_rate(LEVEL)
CONFIDENCE = confidence(LEVEL)
INTERVAL = f"{CONFIDENCE} interval"
EXACT = math.inf  # degrees of freedom of what is known without error
POWER = 0.8
MOST_SEEDS = 1000
MINIMUM_TO_RANK = 5
_RANK_LEVEL = 0.05
_LARGEST_DENOMINATOR = 10**6  # of a score that counts as a share of test samples

# A number, or words where no number can be given. "no number": the reported mean is too uncertain for the margin, so
# that even endlessly many seeds of ours would not do. "more than 20": than the last look of a sequential design.
SeedsNeeded: TypeAlias = "int | str"
# best: the best mean. tied: cannot be told from it. untested: too few seeds for a test. "": told apart, or alone.
Rank: TypeAlias = Literal["best", "tied", "untested", ""]
_Test = TypeVar("_Test")


@dataclass(frozen=True)
class ErrorOfMean:
    """What one mean adds to the squared standard error of a difference. Numbers, or arrays of one shape."""

    squared: Any  # standard error of the mean
    df: Any  # degrees of freedom that it was estimated with, EXACT if it was not estimated


@dataclass(frozen=True, kw_only=True)
class SharedDraws:
    """The error of a reported mean whose runs drew their data with known seeds, as ours did with some of the same: what
    a draw does to a score is then in both means. Runs of one draw scatter alike on both sides (docs/verdicts.md)."""

    draws: int  # that the reported mean is over, a run of each
    common: int  # those of them that were measured
    within: float  # variance of runs of the same draw, squared unit of scores
    df: int  # with which that is known


def error_of(summary: Summary) -> ErrorOfMean:
    """The error of a mean of two or more values."""
    assert summary.variance is not None
    return ErrorOfMean(summary.variance / summary.n, summary.n - 1)


def errors_of_difference(
    variance: float, seeds: Any, reported: ErrorOfMean | SharedDraws, common: Any = None
) -> list[ErrorOfMean]:
    """The parts of the squared standard error of a measured minus a reported mean.

    `variance` is that over our seeds; `seeds` and `common`, where that is not what `reported` says, are numbers or
    arrays. With shared draws the variance over seeds counts as far as ours are other draws than those of the paper.
    """
    if isinstance(reported, ErrorOfMean):
        return [ErrorOfMean(variance / seeds, seeds - 1), reported]
    shared = 2 * (reported.common if common is None else common) / (seeds * reported.draws)
    return [
        ErrorOfMean(variance * (1 / seeds + 1 / reported.draws - shared), seeds - 1),
        ErrorOfMean(reported.within * shared, reported.df),
    ]


def level_at(looks: Sequence[int], seeds: int) -> float:
    """The level of each test at one of the looks of a sequential design, numbers of seeds in ascending order.

    Each seed spends the same part of the error rate (the linear spending function of Lan & DeMets 1983), and the parts
    of all looks add up to it, so that it holds whatever their results have to do with each other.
    """
    before = max((look for look in looks if look < seeds), default=0)
    return 1 - (1 - LEVEL) * (seeds - before) / looks[-1]


def half_width(errors: Sequence[ErrorOfMean], level: float = LEVEL) -> Any:
    """Half the width of the interval that each of two one-sided tests at `level` leaves."""
    import numpy

    return critical_value(errors, level) * numpy.sqrt(sum(error.squared for error in errors))


def critical_value(errors: Sequence[ErrorOfMean], level: float = LEVEL) -> Any:
    """Number of standard errors that a difference must exceed, by chance in at most 1 - `level` of cases."""
    import numpy
    from scipy import special

    def quantile(df: Any) -> Any:
        return numpy.where(numpy.isinf(df), special.ndtri(level), special.stdtrit(df, level))

    total = sum(error.squared for error in errors)
    weighted = sum(error.squared * quantile(error.df) for error in errors)
    # Without any spread there is nothing to weight, and the standard error is 0 whatever it is multiplied by.
    return numpy.divide(weighted, total, out=numpy.zeros_like(total * 1.0), where=numpy.asarray(total) > 0)


def tail_probability(distance: float, errors: Sequence[ErrorOfMean]) -> float:
    """One-sided p-value: how often chance alone takes a difference this far above its true value.

    The level at which `half_width` equals `distance`; without any spread 0 or 1, 0.5 for no distance at all.
    """
    from scipy import special

    total = sum(error.squared for error in errors)
    if not total:
        return 0.5 if distance == 0 else float(distance < 0)
    if distance < 0:
        return 1 - tail_probability(-distance, errors)
    weights = [(error.squared / total, error.df) for error in errors if error.squared]
    target, dfs = distance / math.sqrt(total), {df for _, df in weights}
    if len(dfs) == 1:
        df = dfs.pop()
        return float(special.ndtr(-target) if df == EXACT else special.stdtr(df, -target))
    # Quantiles are weighted, not probabilities: found by halving (scipy.optimize takes longer to load than a report
    # has for it), in terms of the logarithm so that small ones are precise.
    low, high = -80.0, math.log(0.5)
    for _ in range(60):
        middle = (low + high) / 2
        tail = math.exp(middle)
        quantiles = (-(special.ndtri(tail) if df == EXACT else special.stdtrit(df, tail)) for _, df in weights)
        weighted = sum(weight * one for (weight, _), one in zip(weights, quantiles, strict=True))
        low, high = (low, middle) if weighted < target else (middle, high)
    return math.exp(high)


def satterthwaite(errors: Sequence[ErrorOfMean]) -> Any:
    """Degrees of freedom of the t distribution that comes nearest to that of the difference (to plan, not to judge;
    Satterthwaite 1946)."""
    import numpy

    total = sum(error.squared for error in errors)
    spent = sum(numpy.where(numpy.isinf(error.df), 0.0, error.squared**2 / error.df) for error in errors)
    return numpy.divide(total**2, spent, out=numpy.full_like(total * 1.0, EXACT), where=numpy.asarray(spent) > 0)


def seeds_to_reproduce(reported: ErrorOfMean | SharedDraws, *, spread: float, margin: float, least: int) -> SeedsNeeded:
    """The smallest number of seeds, at least `least`, with which two one-sided tests find a mean within the margin in
    at least 80 % of cases, if it equals the reported one in truth. `spread` is the standard deviation over seeds; where
    these are draws, they are those of the paper."""
    import numpy

    def enough(seeds: Any) -> Any:
        return chance_to_reproduce(seeds, reported, spread=spread, margin=margin) >= POWER

    draws = reported.draws if isinstance(reported, SharedDraws) else None
    if not enough(numpy.array([draws or 1e12]))[0]:
        return "no number"
    if draws and least > draws:  # all of the paper's draws are measured: others would only add what these two share
        return "no number"
    largest = draws or MOST_SEEDS
    for most in (min(least + 30, largest), largest):  # mostly few seeds do
        seeds = numpy.arange(least, most + 1)
        if (found := enough(seeds)).any():
            return int(seeds[found.argmax()])
    return "no number" if draws else "more than 1000"


def chance_to_reproduce(
    seeds: Any, reported: ErrorOfMean | SharedDraws, *, spread: float, margin: float, level: float = LEVEL
) -> Any:
    """Probability (array) of that with these numbers of seeds (array), by tests of this level.

    From the noncentral t distribution, taking the standard error as what it is on average; an underestimate where the
    chance is small, since two tests that both fail are counted twice.
    """
    import numpy
    from scipy import special

    seeds = seeds * 1.0
    if isinstance(reported, ErrorOfMean):
        reported = ErrorOfMean(numpy.full(seeds.shape, reported.squared), reported.df)
        errors = errors_of_difference(spread**2, seeds, reported)
    else:
        errors = errors_of_difference(spread**2, seeds, reported, numpy.minimum(seeds, reported.draws))
    # A spread of nothing would divide by zero; what is this much smaller than the margin decides at once.
    error = numpy.maximum(numpy.sqrt(sum(one.squared for one in errors)), 1e-9 * margin)
    rejects = 1 - special.nctdtr(satterthwaite(errors), margin / error, critical_value(errors, level))
    return numpy.maximum(2 * rejects - 1, 0)


@dataclass(frozen=True, kw_only=True)
class Competitor:
    """The scores of one cell; those with the same `runs` are the same runs under two names."""

    runs: str  # digest of the spec
    data: str  # what fixes the data of a seed: scenario, benchmark and its settings
    scores: Mapping[int, float]  # seed -> score, at least one


def ranks(competitors: Sequence[Competitor], better: Better, *, step: float | None = None) -> list[Rank]:
    """The rank of each competitor: which have the best mean, and which cannot be told from it. Where all are the same
    runs there is nothing to rank.

    All pairs are tested, two-sided at 5 % with Holm's correction: which one is the best is read off the same scores, so
    any pair might have been asked about. A pair may have few seeds in common, and one that is better by these is not
    told apart, whatever its mean over all. `step` is that of the scores, see `step_of`; None if the scores are those of
    one experience.
    """
    if step is None:
        step = step_of(score for competitor in competitors for score in competitor.scores.values())
    distinct = {competitor.runs: competitor for competitor in competitors}
    if len(distinct) < 2:
        return [""] * len(competitors)
    means = {runs: _summary([*one.scores.values()]).mean for runs, one in distinct.items()}
    best = max(means.values()) if better == "higher" else min(means.values())
    first = next(runs for runs, mean in means.items() if mean == best)
    pairs = {frozenset((one.runs, other.runs)): (one, other) for one, other in combinations(distinct.values(), 2)}
    tests = {pair: test for pair, both in pairs.items() if (test := difference_and_p(*both, step=step))}
    adjusted = holm({pair: p for pair, (_, p) in tests.items()})

    def rank(runs: str) -> Rank:
        pair = frozenset((first, runs))
        if means[runs] == best:
            return "best"
        if pair not in tests:
            return "untested"
        difference, _ = tests[pair]
        higher = pairs[pair][difference < 0].runs
        return "" if adjusted[pair] <= _RANK_LEVEL and (higher == first) == (better == "higher") else "tied"

    return [rank(competitor.runs) for competitor in competitors]


def difference_and_p(one: Competitor, other: Competitor, *, step: float = 0.0) -> tuple[float, float] | None:
    """The difference of two means and the two-sided p-value of none: paired by seed where both learn the same data,
    else of the means. None if there are too few seeds for any test: t has such tails there that a test of many pairs
    either finds nothing or rests on the normal distribution of three numbers.

    Accuracies come in steps, of one answer in so many, so a few seeds may all differ by the same, and a spread of
    nothing would tell apart whatever is not equal. So a score counts as any number within half a step of it, and the
    p-value is the largest for all of these.
    """
    shared = sorted(one.scores.keys() & other.scores.keys())
    if one.data == other.data and len(shared) >= MINIMUM_TO_RANK:
        differences = [one.scores[seed] - other.scores[seed] for seed in shared]
        mean, errors = _summary(differences).mean, [_blurred(differences, step)]
    elif min(len(one.scores), len(other.scores)) >= MINIMUM_TO_RANK:
        scores = [*one.scores.values()], [*other.scores.values()]
        mean = _summary(scores[0]).mean - _summary(scores[1]).mean
        errors = [_blurred(values, step / 2) for values in scores]
    else:
        return None
    # Two means of which each may be off by half a step.
    return mean, 2 * tail_probability(max(abs(mean) - step, 0.0), errors)


def step_of(scores: Iterable[float]) -> float:
    """By how much the score on an experience changes with one answer, from scores on it.

    One over the largest denominator; 0 for scores that are no shares of test samples, such as errors. An average over
    experiences moves by the mean of their steps where one answer changes in each.
    """
    largest = 1
    for score in set(scores):
        share = Fraction(score).limit_denominator(_LARGEST_DENOMINATOR)
        if not 0 <= score <= 1 or share.numerator / share.denominator != score:
            return 0.0
        largest = max(largest, share.denominator)
    return 1 / largest


def _blurred(values: Sequence[float], blur: float) -> ErrorOfMean:
    """The error of a mean of values each of which may be off by `blur`, at the most that it can be.

    Numbers between -blur and blur have a standard deviation of at most blur * sqrt(n / (n - 1)), and that of a sum is
    no larger than the sum of both.
    """
    n, error = len(values), error_of(_summary(values))
    return ErrorOfMean((math.sqrt(error.squared) + blur / math.sqrt(n - 1)) ** 2, error.df)


def holm(p_values: Mapping[_Test, float]) -> dict[_Test, float]:
    """P-values corrected for their number, so that any false rejection among them is as rare as for one test (Holm
    1979)."""
    adjusted: dict[_Test, float] = {}
    highest = 0.0
    for index, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        highest = max(highest, min(1.0, p * (len(p_values) - index)))
        adjusted[name] = highest
    return adjusted


def _summary(values: Sequence[float]) -> Summary:
    summary = summarise(values)
    assert summary is not None
    return summary
