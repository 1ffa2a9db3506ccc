"""The cost of a run from two short ones, for what no record tells of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hnet_bench.runs.cost import Estimate
from hnet_bench.runs.run import run
from hnet_bench.runs.spec import RunSpec

_FEW, _MORE = 10, 40
# Steps may become dearer with the experiences in another way than over so few of them, and machines have other work.
_LOW, _HIGH = 1 / 1.5, 2.0


def probe(spec: RunSpec, *, device: str, folder: Path | None) -> Estimate:
    """Trains the run's strategy for a few iterations, twice, and draws the line to the planned number.

    Stores nothing. Raises UserError as `run` does.
    """
    few, more = (_seconds(spec, iterations, device, folder) for iterations in (_FEW, _MORE))
    step = max(more[0] - few[0], 0.0) / (_MORE - _FEW)
    if step == 0.0:  # the clock or other work hides the difference
        step = more[0] / _MORE
    planned = _planned(spec)
    seconds = more[1] + more[0] + step * (planned - _MORE)
    seconds = max(seconds, few[0] + few[1]) if planned > _FEW else few[0] + few[1]
    return Estimate(seconds=seconds, low=seconds * _LOW, high=seconds * _HIGH, basis="a probe")


def _planned(spec: RunSpec) -> float:
    """Iterations per experience, on average."""
    experiences = spec.build_benchmark().facts.experiences
    return sum(spec.protocol.steps(experience) for experience in range(experiences)) / experiences


def _seconds(spec: RunSpec, iterations: int, device: str, folder: Path | None) -> tuple[float, float]:
    """Seconds of training, and of everything else."""
    short = replace(spec, protocol=replace(spec.protocol, iterations=iterations, later_iterations=None))
    seconds = run(short, device=device, folder=folder).seconds
    training = sum(seconds["train"])
    return training, max(seconds["total"] - training, 0.0)
