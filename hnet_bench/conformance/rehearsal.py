"""Small runs of one strategy on the synthetic benchmark, varied in one respect at a time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark, Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.checkpoint import kept_attributes, restore_state, save_state, trusted_packages
from hnet_bench.avalanche_adapter.evaluation import Evaluation, Evaluator
from hnet_bench.avalanche_adapter.object_graph import NotKept, flatten
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, Strategy, TrainingProtocol
from hnet_bench.runs.run import build_template

PROTOCOL = TrainingProtocol(iterations=60, batch_size=16, learning_rate=1e-2, hidden_units=(24,))


@dataclass(frozen=True)
class Outcome:
    """What a rehearsal left."""

    template: InMemoryTemplate
    initial: list[Tensor]  # trainable parameters before training, found anywhere in the template
    final: list[Tensor]  # and after it
    evaluations: list[Evaluation]  # one after each experience, unless nothing was evaluated

    def same_parameters(self, other: Outcome) -> bool:
        """Whether both ended with the same parameters, bit for bit."""
        return len(self.final) == len(other.final) and all(map(torch.equal, self.final, other.final))


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """A strategy in one scenario; change a field with `dataclasses.replace`."""

    strategy: Strategy
    scenario: Scenario
    seed: int = 1
    stream: Synthetic = field(default_factory=Synthetic)
    protocol: TrainingProtocol = PROTOCOL
    evaluate: bool = True
    other_test_data: bool = False
    stop_after: Sequence[int] = ()  # experiences after which a fresh template goes on from a saved state

    def benchmark(self) -> InMemoryBenchmark:
        """The stream; always the same training data, so that a seed changes the strategy alone."""
        built = self.stream.build(scenario=self.scenario, seed=0)
        if not self.other_test_data:
            return built
        test = [Samples(1 - samples.x, samples.y) for samples in built.test]
        return in_memory_benchmark(
            facts=built.facts, scenario=built.scenario, train=built.train, test=test, data_sums={}
        )

    def built(self) -> InMemoryTemplate:
        """The template, as a run would build it."""
        setup = Setup(scenario=self.scenario, facts=self.stream.facts, protocol=self.protocol, seed=self.seed)
        return build_template(self.strategy, setup)

    def play(self) -> Outcome:
        """Learns the whole stream. What the strategy prints is not shown."""
        with redirect_stdout(io.StringIO()):
            return self._play()

    def _play(self) -> Outcome:
        benchmark = self.benchmark()
        template = self.built()
        evaluator = Evaluator(benchmark)
        initial = [parameter.clone() for parameter in trainable_parameters(template)]
        if self.evaluate:
            evaluator.evaluate(template)
        evaluations = []
        for index, experience in enumerate(benchmark.avalanche.train_stream):
            template.train(experience, eval_streams=[])
            if self.evaluate:
                evaluations.append(evaluator.evaluate(template))
            if index in self.stop_after:
                content = save_state(template)
                # Another seed, so that whatever a checkpoint forgot shows.
                template = replace(self, seed=self.seed + 1).built()
                template.setup = replace(template.setup, seed=self.seed)
                restore_state(template, content)
        return Outcome(template, initial, trainable_parameters(template), evaluations)


def trainable_parameters(template: InMemoryTemplate) -> list[Tensor]:
    """Every parameter that a template holds somewhere and that needs gradients; of its model alone if that is all that
    can be searched."""
    try:
        held = [kept_attributes(template), [vars(plugin) for plugin in template.method_plugins]]
        data, tensors = flatten(held, trusted_packages(template))
    except NotKept:
        return [parameter.detach() for parameter in template.model.parameters() if parameter.requires_grad]
    objects = data["objects"]
    return [tensors[one["parameter"]] for one in objects if "parameter" in one and one["requires_grad"]]
