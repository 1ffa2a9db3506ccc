"""What a benchmark builds, as a run takes it: in memory. A benchmark of Avalanche's, such as `nc_benchmark` or those of
`avalanche.benchmarks.classic` give, is converted.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark, Samples, content_sum, in_memory_benchmark
from hnet_bench.avalanche_adapter.objective import objective_of
from hnet_bench.interfaces import Benchmark, BenchmarkFacts, Scenario, UserError

_SAMPLES_AT_ONCE = 1000
# Of each experience, by which it shows whether training samples are transformed in another way. Random crops of images
# differ in one of hundreds.
_COMPARED = 5


def in_memory(benchmark: Benchmark, *, scenario: Scenario, seed: int, folder: Path | None = None) -> InMemoryBenchmark:
    """The stream that a benchmark builds. Raises UserError if it builds something else, or as its `build` does."""
    built = benchmark.build(scenario=scenario, seed=seed, folder=folder)
    if isinstance(built, InMemoryBenchmark):
        return built
    if hasattr(built, "train_stream") and hasattr(built, "test_stream"):
        return converted(built, benchmark.facts, scenario, type(benchmark).name)
    raise UserError(
        f"{type(benchmark).__name__} builds a {type(built).__name__}: expected what in_memory_benchmark of "
        "hnet_bench.avalanche_adapter.benchmark gives, or a benchmark of Avalanche's with a train_stream and a "
        "test_stream."
    )


def converted(benchmark: Any, facts: BenchmarkFacts, scenario: Scenario, name: str) -> InMemoryBenchmark:
    """A benchmark of Avalanche's with its samples as tensors, `name` being that of its data in records.

    Labels become those of the scenario, whatever they were: the classes of an experience, in ascending order, are
    0..K-1, in CLASS i*K..(i+1)*K-1 in experience i; so a class that comes back in a later experience, as in permuted
    MNIST, is another one there. Inputs are transformed once, for evaluation. Its task labels play no part.
    Raises UserError if the streams are not what the facts say, if inputs are no tensors, or if training samples are
    transformed in another way, as random crops are.
    """
    parts: list[list[Samples]] = []
    for stream in (benchmark.train_stream, benchmark.test_stream):
        experiences = list(stream)
        if len(experiences) != facts.experiences:
            raise UserError(
                f"The facts of {name} say {facts.experiences} experiences, and the {stream.name} stream of its "
                f"Avalanche benchmark has {len(experiences)}."
            )
        parts.append([_samples(experience, facts, name) for experience in experiences])
    if objective_of(facts).has_classes:
        for index, (train, test) in enumerate(zip(*parts, strict=True)):
            first = index * facts.classes_per_experience if scenario is Scenario.CLASS else 0
            classes = torch.unique(torch.cat([train.y, test.y]))
            if len(classes) != facts.classes_per_experience:
                raise UserError(
                    f"The facts of {name} say {facts.classes_per_experience} classes in each experience, and number "
                    f"{index + 1} of its Avalanche benchmark has {len(classes)}."
                )
            for part in (train, test):
                part.y = first + torch.searchsorted(classes, part.y)
    sums = {name: content_sum([*parts[0], *parts[1]])}
    return in_memory_benchmark(facts=facts, scenario=scenario, train=parts[0], test=parts[1], data_sums=sums)


def _samples(experience: Any, facts: BenchmarkFacts, name: str) -> Samples:
    """The samples of an experience as they are evaluated, with the labels that they have there."""
    dataset = experience.dataset.eval()
    if not len(dataset):
        raise UserError(f"Experience {experience.current_experience + 1} of {name} has no samples.")
    _check_inputs(dataset, experience.dataset.train(), facts, name)
    batches: Iterable[Any] = DataLoader(dataset, batch_size=_SAMPLES_AT_ONCE)
    inputs, targets = zip(*((batch[0].float(), batch[1]) for batch in batches), strict=True)
    y = torch.cat(targets)
    return Samples(torch.cat(inputs), y.long() if objective_of(facts).has_classes else y.float())


def _check_inputs(dataset: Any, trained_on: Any, facts: BenchmarkFacts, name: str) -> None:
    for position in range(min(_COMPARED, len(dataset))):
        x = dataset[position][0]
        if not isinstance(x, Tensor):
            raise UserError(
                f"The inputs of {name} must be tensors, found a {type(x).__name__}: give its Avalanche benchmark "
                "transforms that end in one, such as torchvision's ToTensor()."
            )
        if tuple(x.shape) != facts.input_shape:
            raise UserError(f"The facts of {name} say inputs of shape {facts.input_shape}, found {tuple(x.shape)}.")
        if not torch.equal(x, trained_on[position][0]):
            raise UserError(
                f"The training samples of {name} are transformed in another way than those to evaluate, and here they "
                "are transformed once: give its Avalanche benchmark the same train_transform and eval_transform."
            )
