"""The cost of a run from a short walk through its stream, for what no record tells of.

Steps may become dearer with every old task, so the walk goes through all experiences: with many steps, whose time is
taken, on some of them, and one step on the others, which hold a few samples alone so that passes over all samples, such
as for a Fisher matrix, take no time there. Such passes are timed on two whole experiences. If the walk takes too long
it ends, and the last stretch is drawn on as a straight line.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy
import numpy.typing
import torch

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark, Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.resumable import after_every_step
from hnet_bench.interfaces import Setup, evaluated
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.learning import build_template
from hnet_bench.runs.spec import RunSpec

# The first step is not timed. What replays makes its samples for eight steps at a time.
_FEW_STEPS, _MANY_STEPS = 1 + 8, 1 + 40
_SECONDS_OF_STEPS = 2.0  # that the many may take
_SECONDS_OF_WALK = 60.0
_SAMPLES = 20  # of each class on average, in experiences that are not whole
# Machines have other work; and the cost of what was not reached is a guess.
_RANGE, _RANGE_BEYOND = (1 / 1.5, 2.0), (1 / 2.0, 3.0)

Array: TypeAlias = "numpy.typing.NDArray[numpy.float64]"


def probe(spec: RunSpec, *, device: str, folder: Path | None) -> Estimate:
    """Walks through the run's stream for about a minute at most, and adds up what the planned iterations would take.

    Stores nothing. Raises UserError as `run` does.
    """
    torch.set_num_threads(1)
    walk = _Walk(spec, device, folder)
    walk.go()
    experiences = walk.experiences
    every = numpy.arange(experiences, dtype=numpy.float64)
    steps = numpy.array([spec.protocol.steps(experience) for experience in range(experiences)])
    training = (steps * along(walk.step, every)).sum() + along(walk.once, every).sum()
    counts = [len(evaluated(spec.protocol.evaluation, after, experiences)) for after in range(experiences)]
    evaluation = (along(walk.evaluation, every) * counts).sum()
    if spec.protocol.evaluation == "all":  # also before training
        evaluation += walk.evaluation[0] * experiences
    seconds = float(walk.to_build + training + evaluation)
    low, high = _RANGE if experiences - 1 in walk.step else _RANGE_BEYOND
    return Estimate(seconds=seconds, low=seconds * low, high=seconds * high, basis="a probe")


def along(known: dict[int, float], at: Array) -> Array:
    """Values at the places `at`, between known ones and, beyond the last, along a line through those of the last half.

    The line does not fall. One known value holds everywhere.
    """
    places = numpy.array(sorted(known), dtype=numpy.float64)
    values = numpy.array([known[int(place)] for place in places])
    found: Array = numpy.interp(at, places, values)
    last = places >= max(1.0, places[-1] / 2)
    if last.sum() >= 2:
        slope = max(0.0, float(numpy.polyfit(places[last], values[last], 1)[0]))
        found = found + slope * numpy.maximum(0.0, at - places[-1])
    return found


@dataclass
class Steps:
    """Moments after the steps of one experience."""

    moments: list[float] = field(default_factory=list)

    def per_iteration(self, iterations: int) -> float:
        """Seconds that one more iteration would take: a step in each of the phases, `iterations` of each being here.

        The first step of a phase is left out.
        """
        gaps = [after - before for before, after in pairwise(self.moments)]
        within = [gap for index, gap in enumerate(gaps, start=1) if index % iterations]
        phases = len(self.moments) / iterations
        return phases * sum(within) / len(within) if within else 0.0


class _Walk:
    """What was timed, in seconds, each by the number of the experience."""

    def __init__(self, spec: RunSpec, device: str, folder: Path | None) -> None:
        self._begun = time.perf_counter()
        whole = spec.build_benchmark().build(scenario=spec.scenario, seed=spec.seed, folder=folder)
        setup = Setup(scenario=spec.scenario, facts=whole.facts, protocol=spec.protocol, seed=spec.seed, device=device)
        self._template = build_template(spec.build_strategy(), setup)
        self._whole, self._small = whole, _small(whole)
        self._evaluator = Evaluator(whole)
        self._steps = Steps()
        after_every_step(self._template, lambda: self._steps.moments.append(self._now()))
        self.experiences = whole.facts.experiences
        self.to_build = time.perf_counter() - self._begun
        self.step: dict[int, float] = {}  # of an iteration
        self.once: dict[int, float] = {}  # of what is done once for an experience
        self.evaluation: dict[int, float] = {}  # on one experience

    def go(self) -> None:
        """Goes as far as time allows, and through the first two experiences in any case."""
        timed, last = timed_experiences(self.experiences), self.experiences - 1
        # In the last experience what would serve later ones is not done.
        whole = {0, max(0, last - 1)}
        for index in range(self.experiences):
            iterations = self._iterations() if index in timed or index in whole else 1
            self._learn(index, iterations, whole=index in whole)
            far = time.perf_counter() - self._begun - self.to_build > _SECONDS_OF_WALK
            if index in (0, last) or far:
                begun = self._now()
                self._evaluator.evaluate(self._template, [index])
                self.evaluation[index] = self._now() - begun
            if far and index > 0:
                return

    def _learn(self, index: int, iterations: int, *, whole: bool) -> None:
        template, setup = self._template, self._template.setup
        protocol = replace(setup.protocol, iterations=iterations, later_iterations=None)
        template.setup = replace(setup, protocol=protocol)
        self._steps.moments.clear()
        begun = self._now()
        template.train((self._whole if whole else self._small).training(index), eval_streams=[])
        seconds = self._now() - begun
        if iterations > 1:
            step = self.step[index] = self._steps.per_iteration(iterations)
            if whole:
                self.once[index] = max(0.0, seconds - iterations * step)

    def _iterations(self) -> int:
        """Few steps until it is known that many take no time."""
        known = list(self.step.values())[-1:]
        return _MANY_STEPS if known and known[0] * _MANY_STEPS < _SECONDS_OF_STEPS else _FEW_STEPS

    def _now(self) -> float:
        if self._template.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def timed_experiences(experiences: int) -> set[int]:
    """The first ones, then at doubling distances, and the last."""
    return {*range(min(3, experiences)), *(2**power for power in range(experiences.bit_length())), experiences - 1} & {
        *range(experiences)
    }


def _small(whole: InMemoryBenchmark) -> InMemoryBenchmark:
    """The same experiences with a few samples each, evenly spread over theirs."""
    most = _SAMPLES * whole.facts.classes_per_experience
    parts = []
    for samples in whole.train:
        count = min(len(samples), most)
        positions = torch.arange(count) * len(samples) // count
        parts.append(Samples(samples.take(positions), samples.y[positions]))
    return in_memory_benchmark(facts=whole.facts, scenario=whole.scenario, train=parts, test=parts, data_sums={})
