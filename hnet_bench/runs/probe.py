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
from hnet_bench.interfaces import Setup, TrainingProtocol, evaluated
from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.learning import build_stream, build_template
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
    """Walk through the run's stream for about a minute at most, and add up what the planned iterations would take.

    Stores nothing. Raises UserError as `run` does.
    """
    return walk(spec, device=device, folder=folder).estimate(spec.protocol)


@dataclass
class Walk:
    """What was timed, in seconds, each by the number of the experience."""

    experiences: int
    to_build: float
    step: dict[int, float] = field(default_factory=dict)  # of an iteration
    once: dict[int, float] = field(default_factory=dict)  # of what is done once for an experience
    evaluation: dict[int, float] = field(default_factory=dict)  # on one experience

    def estimate(self, protocol: TrainingProtocol) -> Estimate:
        """Return what a whole run takes."""
        every = numpy.arange(self.experiences, dtype=numpy.float64)
        steps = [protocol.steps(experience) for experience in range(self.experiences)]
        counts = [len(evaluated(protocol.evaluation, after, self.experiences)) for after in range(self.experiences)]
        seconds = self.to_build + float(
            (steps * along(self.step, every) + along(self.once, every) + counts * along(self.evaluation, every)).sum()
        )
        if protocol.evaluation == "all":  # also before training
            seconds += self.evaluation[0] * self.experiences
        low, high = _RANGE if self.experiences - 1 in self.step else _RANGE_BEYOND
        return Estimate(seconds=seconds, low=seconds * low, high=seconds * high, basis="a probe")


def walk(spec: RunSpec, *, device: str, folder: Path | None, seconds: float = _SECONDS_OF_WALK) -> Walk:
    """Go as far as time allows, and through the first two experiences in any case."""
    torch.set_num_threads(1)
    begun = time.perf_counter()
    whole = build_stream(spec, folder)
    small, evaluator, experiences = _small(whole), Evaluator(whole), whole.facts.experiences
    setup = Setup(scenario=spec.scenario, facts=whole.facts, protocol=spec.protocol, seed=spec.seed, device=device)
    template = build_template(spec.build_strategy(), setup)
    moments: list[float] = []  # after each step of an experience
    after_every_step(template, lambda: moments.append(now()))

    def now() -> float:
        if template.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    walked, start = Walk(experiences, time.perf_counter() - begun), now()
    last = experiences - 1
    whole_ones = {0, max(0, last - 1)}  # in the last what would serve later ones is not done
    for index in range(experiences):
        iterations = 1
        if index in timed_experiences(experiences) | whole_ones:
            # Few, until it is known that many take no time.
            known = list(walked.step.values())[-1:]
            iterations = _MANY_STEPS if known and known[0] * _MANY_STEPS < _SECONDS_OF_STEPS else _FEW_STEPS
        protocol = replace(setup.protocol, iterations=iterations, later_iterations=None)
        template.setup = replace(setup, protocol=protocol)
        moments.clear()
        before = now()
        template.train((whole if index in whole_ones else small).training(index), eval_streams=[])
        took = now() - before
        if iterations > 1:
            walked.step[index] = seconds_per_iteration(moments, iterations)
            if index in whole_ones:
                walked.once[index] = max(0.0, took - iterations * walked.step[index])
        far = now() - start > seconds
        if index in (0, last) or far:
            before = now()
            evaluator.evaluate(template, [index])
            walked.evaluation[index] = now() - before
        if far and index > 0:
            break
    return walked


def seconds_per_iteration(moments: list[float], iterations: int) -> float:
    """What one more iteration would take, from the moments after the steps of an experience: a step in each of its
    phases, each of so many iterations. The first step of a phase is left out."""
    gaps = [after - before for before, after in pairwise(moments)]
    within = [gap for index, gap in enumerate(gaps, start=1) if index % iterations]
    return len(moments) / iterations * sum(within) / len(within) if within else 0.0


def along(known: dict[int, float], at: Array) -> Array:
    """Return values at the places `at`, between known ones and, beyond the last, along a line through those of the last
    half. The line does not fall. One known value holds everywhere."""
    places = numpy.array(sorted(known), dtype=numpy.float64)
    values = numpy.array([known[int(place)] for place in places])
    found: Array = numpy.interp(at, places, values)
    last = places >= max(1.0, places[-1] / 2)
    if last.sum() >= 2:
        slope = max(0.0, float(numpy.polyfit(places[last], values[last], 1)[0]))
        found = found + slope * numpy.maximum(0.0, at - places[-1])
    return found


def timed_experiences(experiences: int) -> set[int]:
    """The first ones, then at doubling distances, and the last."""
    doubling = {2**power for power in range(experiences.bit_length())}
    return {0, 1, 2, *doubling, experiences - 1} & {*range(experiences)}


def _small(whole: InMemoryBenchmark) -> InMemoryBenchmark:
    """The same experiences with a few samples each, evenly spread over theirs."""
    most = _SAMPLES * whole.facts.classes_per_experience
    parts = []
    for samples in whole.train:
        count = min(len(samples), most)
        positions = torch.arange(count) * len(samples) // count
        parts.append(Samples(samples.take(positions), samples.y[positions]))
    return in_memory_benchmark(facts=whole.facts, scenario=whole.scenario, train=parts, test=parts, data_sums={})
