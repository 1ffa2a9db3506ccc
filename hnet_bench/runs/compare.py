"""A run beside its repetition: are the scores the same?

The same code on the same machine with the same versions gives the same scores, bit for bit. Another processor or
library rounds differently, and training amplifies that: single scores of a method that infers the task can then differ
by points, as they do from seed to seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from hnet_bench.config import flat
from hnet_bench.interfaces import Settings
from hnet_bench.metrics import average_accuracy
from hnet_bench.runs.record import Record

# Largest difference of any score that still counts as rounding, a fraction; where scores are errors, which have no
# scale of their own, a share of the larger of the two.
TOLERANCE = 0.02
_ROUNDING = 1e-12  # of the difference of two fractions itself


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How far the scores of a repetition are from those of a record."""

    verdict: Literal["identical", "within tolerance", "different"]
    largest: float  # difference of any score: that of two fractions, or relative to the larger of two errors
    where: tuple[int, int] | None  # after which experience and on which, from 0; None if the matrices have other sizes
    average: float  # average score of the repetition minus that of the record


def compare(record: Record, again: Record, tolerance: float = TOLERANCE, *, errors: bool = False) -> Comparison:
    """Identical if every score is, within tolerance if none differs by more than `tolerance`; `errors` says that scores
    are no fractions but errors, which are compared in relation to each other."""
    average = average_accuracy(again.score) - average_accuracy(record.score)
    if len(record.score) != len(again.score):
        return Comparison(verdict="different", largest=1.0, where=None, average=average)
    differences = {
        (i, j): _difference(old, new, relative=errors)
        for i, (before, after) in enumerate(zip(record.score, again.score, strict=True))
        for j, (old, new) in enumerate(zip(before, after, strict=True))
        if old is not None and new is not None
    }
    where = max(differences, key=differences.__getitem__)
    same = _scores(record, again) == _scores(again, record)
    near = differences[where] <= tolerance + _ROUNDING
    verdict: Literal["identical", "within tolerance", "different"]
    verdict = "identical" if same else "within tolerance" if near else "different"
    return Comparison(verdict=verdict, largest=differences[where], where=where, average=average)


def different_settings(before: Settings, after: Settings) -> list[str]:
    """Names of the settings in which two specs differ, such as "strategy.strength"."""
    one, two = flat(before), flat(after)
    return sorted(name for name in one.keys() | two.keys() if one.get(name) != two.get(name))


def _difference(old: float, new: float, *, relative: bool) -> float:
    difference = abs(new - old)
    return difference / max(abs(old), abs(new)) if relative and difference else difference


def _scores(one: Record, other: Record) -> tuple[Any, ...]:
    # Early records lack the scores from before training.
    untrained = None if None in (one.untrained, other.untrained) else one.untrained
    return one.score, one.task_inference, untrained
