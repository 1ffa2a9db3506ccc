"""Tensors in memory as a genuine Avalanche benchmark, with what the harness needs beside its two streams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from avalanche.benchmarks import CLScenario, benchmark_from_datasets, with_classes_timeline, with_task_labels
from avalanche.benchmarks.utils import _make_taskaware_tensor_classification_dataset
from torch import Tensor

from hnet_bench.interfaces import BenchmarkFacts, Scenario


@dataclass(frozen=True)
class Samples:
    """Inputs (N, *input_shape), float32 in [0, 1], and labels (N,), int64."""

    x: Tensor
    y: Tensor

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"Inputs and labels must have one length, found {len(self.x)} and {len(self.y)}.")


@dataclass(frozen=True)
class InMemoryBenchmark:
    """A stream of experiences as tensors, and the same stream for Avalanche.

    Labels are those of the scenario: 0..K-1 within each experience in TASK and DOMAIN, 0..TK-1 in CLASS.
    """

    facts: BenchmarkFacts
    scenario: Scenario
    train: tuple[Samples, ...]
    test: tuple[Samples, ...]
    data_sums: dict[str, str]  # name of a data set -> SHA-256 of its content
    avalanche: CLScenario  # train_stream and test_stream


def in_memory_benchmark(
    *,
    facts: BenchmarkFacts,
    scenario: Scenario,
    train: Sequence[Samples],
    test: Sequence[Samples],
    data_sums: dict[str, str],
) -> InMemoryBenchmark:
    """Benchmark of these experiences. Only in TASK do samples carry a task label; elsewhere all labels are 0.

    Raises ValueError if the number of experiences is not that of the facts.
    """
    if len(train) != facts.experiences or len(test) != facts.experiences:
        raise ValueError(
            f"Expected {facts.experiences} experiences, found {len(train)} for training, {len(test)} for test."
        )
    avalanche = with_task_labels(
        with_classes_timeline(benchmark_from_datasets(train=_datasets(train, scenario), test=_datasets(test, scenario)))
    )
    for stream, parts in ((avalanche.train_stream, train), (avalanche.test_stream, test)):
        for experience, samples in zip(stream, parts, strict=True):
            # Avalanche's multi-head modules index by position, which its own set of classes does not allow.
            experience.classes_in_this_experience = sorted(experience.classes_in_this_experience)
            experience.in_memory = samples
    return InMemoryBenchmark(facts, scenario, tuple(train), tuple(test), data_sums, avalanche)


def in_memory_samples(experience: object) -> Samples | None:
    """The tensors of an experience of ours, None for any other experience."""
    return getattr(experience, "in_memory", None)


def _datasets(parts: Sequence[Samples], scenario: Scenario) -> list[object]:
    return [
        _make_taskaware_tensor_classification_dataset(
            samples.x, samples.y, task_labels=index if scenario is Scenario.TASK else 0
        )
        for index, samples in enumerate(parts)
    ]


def subset_by_classes(x: Tensor, y: Tensor, classes: Sequence[int], first_label: int) -> Samples:
    """The samples of these classes in their order in the data, labelled first_label, first_label + 1, ..."""
    new_labels = torch.full((256,), -1, dtype=torch.int64)
    for position, digit in enumerate(classes):
        new_labels[digit] = first_label + position
    chosen = new_labels[y.long()]
    kept = chosen >= 0
    return Samples(x[kept], chosen[kept])
