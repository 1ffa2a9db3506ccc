"""How many seeds it takes to decide whether a number is reproduced: the power analysis of `verdicts`."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from hnet_bench.reporting.mean_tests import Part, critical_value, satterthwaite

POWER = 0.8
MOST = 1000

# A number, or words where no number can be given. "no number": the reported mean is too uncertain for the margin, so
# that even endlessly many seeds of ours would not do.
SeedsNeeded: TypeAlias = "int | Literal['more than 1000', 'no number']"


def seeds_to_decide(difference: float, reported: Part, *, spread: float, margin: float, least: int) -> SeedsNeeded:
    """The smallest number of seeds, at least `least`, that decides in at least 80 % of cases.

    To decide is to find *reproduced* if the true `difference` lies within the margin, and else *above* or *below*.
    `spread` is the standard deviation over seeds.
    """
    import numpy

    seeds = numpy.arange(least, MOST + 1)
    enough = chance_to_decide(seeds, difference, reported, spread=spread, margin=margin) >= POWER
    if enough.any():
        return int(seeds[enough.argmax()])
    limit = chance_to_decide(numpy.array([1e12]), difference, reported, spread=spread, margin=margin)
    return "more than 1000" if limit[0] >= POWER else "no number"


def chance_to_decide(seeds: Any, difference: float, reported: Part, *, spread: float, margin: float) -> Any:
    """Probability (array) of the right outcome with these numbers of seeds (array) if `difference` is the true one.

    From the noncentral t distribution, taking the standard error as what it is on average; an underestimate where the
    chance is small, since two tests that both fail are counted twice.
    """
    import numpy
    from scipy import special

    parts = [Part(spread**2 / seeds, seeds - 1.0), Part(numpy.full(seeds.shape, reported.square), reported.freedom)]
    # A spread of nothing would divide by zero; what is this much smaller than the margin decides at once.
    error = numpy.maximum(numpy.sqrt(sum(part.square for part in parts)), 1e-9 * margin)
    needed, freedom = critical_value(parts), satterthwaite(parts)

    def rejects(distance: float) -> Any:
        return 1 - special.nctdtr(freedom, distance / error, needed)

    if abs(difference) > margin:
        return rejects(abs(difference) - margin)
    return numpy.maximum(rejects(margin - difference) + rejects(margin + difference) - 1, 0)
