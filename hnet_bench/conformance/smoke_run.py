"""Small runs of one strategy on the synthetic benchmark, varied in one respect at a time."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from hnet_bench.avalanche_adapter.benchmark import (
    InMemoryBenchmark,
    Samples,
    held_out,
    in_memory_benchmark,
    stored_tensors,
)
from hnet_bench.avalanche_adapter.checkpoint import (
    CheckpointError,
    kept_attributes,
    restore_state,
    save_state,
)
from hnet_bench.avalanche_adapter.evaluation import Evaluation, Evaluator
from hnet_bench.avalanche_adapter.measured import Meter
from hnet_bench.avalanche_adapter.reachable import reached
from hnet_bench.avalanche_adapter.resumable import after_every_step
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Settings, Setup, Strategy, TrainingProtocol
from hnet_bench.runs.learning import build_template

PROTOCOL = TrainingProtocol(iterations=60, batch_size=16, learning_rate=1e-2, hidden_units=(24,))


@dataclass(frozen=True)
class SmokeRunResult:
    """What a smoke run left."""

    template: InMemoryTemplate
    initial: list[Tensor]  # trainable parameters before training, found anywhere in the template
    final: list[Tensor]  # and after it
    evaluations: list[Evaluation]  # one after each experience, unless nothing was evaluated
    measured: Settings | None = None  # as in a record, if that was asked for

    def same_parameters(self, other: SmokeRunResult) -> bool:
        """Whether both ended with the same parameters, bit for bit."""
        return len(self.final) == len(other.final) and all(map(torch.equal, self.final, other.final))

    @property
    def answers(self) -> list[Tensor]:
        """Predictions for the test samples of each experience, in the last evaluation."""
        return list(self.evaluations[-1].predictions)


@dataclass(frozen=True, kw_only=True)
class SmokeRun:
    """A strategy in one scenario; change a field with `dataclasses.replace`."""

    strategy: Strategy
    scenario: Scenario
    seed: int = 1
    stream: Synthetic = field(default_factory=Synthetic)
    protocol: TrainingProtocol = PROTOCOL
    evaluate: bool = True
    measure: bool = False
    other_test_data: bool = False
    stop_after: Sequence[int] = ()  # experiences after which a fresh template goes on from a saved state
    stop_every: int | None = None  # steps within an experience after which one does, if the state can be saved there

    def benchmark(self) -> InMemoryBenchmark:
        """The stream; always the same training data, so that a seed changes the strategy alone. Where the protocol has
        validation data, these are its test data."""
        built = self.stream.build(scenario=self.scenario, seed=0)
        if self.protocol.validation:
            built = held_out(built, self.protocol.validation, seed=0)
        if not self.other_test_data:
            return built
        test = [Samples(1 - samples.x, samples.y) for samples in built.test]
        return in_memory_benchmark(
            facts=built.facts, scenario=built.scenario, train=built.train, test=test, data_sums={}
        )

    def built(self) -> InMemoryTemplate:
        """The template, as a run would build it."""
        return build_template(self.strategy, self.setup)

    @property
    def setup(self) -> Setup:
        """What the strategy is given."""
        return Setup(scenario=self.scenario, facts=self.stream.facts, protocol=self.protocol, seed=self.seed)

    def run(self) -> SmokeRunResult:
        """Learns the whole stream. What the strategy prints is not shown."""
        with redirect_stdout(io.StringIO()):
            return self._run()

    def _run(self) -> SmokeRunResult:
        benchmark = self.benchmark()
        template = self.built()
        evaluator = Evaluator(benchmark)
        initial = [parameter.clone() for parameter in trainable_parameters(template)]
        if self.evaluate:
            evaluator.evaluate(template)
        evaluations = []
        meter = Meter()
        if self.measure:
            after_every_step(template, lambda: _count(meter, template))
        for index in range(benchmark.facts.experiences):
            with meter.training(template) if self.measure else nullcontext():
                template = self._learnt(template, benchmark.training(index), benchmark)
            if self.measure:
                meter.experience_is_over(template, benchmark.train[: index + 1])
            if self.evaluate:
                evaluations.append(evaluator.evaluate(template))
            if index in self.stop_after:
                template = self._restored(save_state(template), {})
        measured = meter.outcome(template, evaluator, self.setup) if self.measure else None
        return SmokeRunResult(template, initial, trainable_parameters(template), evaluations, measured)

    def answers_of(self, template: InMemoryTemplate) -> list[Tensor]:
        """Predictions of a template that has learnt for the test samples of each experience."""
        with redirect_stdout(io.StringIO()):
            return list(Evaluator(self.benchmark()).evaluate(template).predictions)

    def _learnt(self, template: InMemoryTemplate, experience: Any, benchmark: InMemoryBenchmark) -> InMemoryTemplate:
        """The template, or the last of those that went on from it, when the experience is learnt."""
        data = stored_tensors(benchmark.train, template.device)
        while True:
            if self.stop_every:
                _stop_after(self.stop_every, template, data)
            try:
                template.train(experience, eval_streams=[])
            except _Stopped as stopped:
                template = self._restored(stopped.state, data)
            else:
                return template

    def _restored(self, content: bytes, data: Mapping[str, Tensor]) -> InMemoryTemplate:
        # Built with another seed, so that whatever a checkpoint forgot shows.
        template = replace(self, seed=self.seed + 1).built()
        template.setup = replace(template.setup, seed=self.seed)
        restore_state(template, content, data)
        return template


def _count(meter: Meter, template: InMemoryTemplate) -> None:
    with meter.between_steps(template):
        pass


class _Stopped(Exception):
    def __init__(self, state: bytes) -> None:
        super().__init__("stopped within an experience")
        self.state = state


def _stop_after(steps: int, template: InMemoryTemplate, data: Mapping[str, Tensor]) -> None:
    """Ends training with _Stopped after so many steps."""
    taken = itertools.count(1)

    def count() -> None:
        if next(taken) == steps:
            # Plugins of Avalanche's may hold what cannot be saved here; between experiences they must not.
            with suppress(CheckpointError):
                raise _Stopped(save_state(template, data))

    after_every_step(template, count)


def parameters_of(template: InMemoryTemplate) -> list[nn.Parameter]:
    """Every parameter that a template or its plugins hold somewhere."""
    held = reached(kept_attributes(template), *map(vars, template.method_plugins), without=[template])
    return [one for one in held if isinstance(one, nn.Parameter)]


def trainable_parameters(template: InMemoryTemplate) -> list[Tensor]:
    """Those of them that need gradients."""
    return [one.detach() for one in parameters_of(template) if one.requires_grad]
