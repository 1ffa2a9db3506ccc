"""The checks of a benchmark, each a question about its stream; the answer is None or a sentence: what to change.

They are asked of the data themselves, all of them, as a run would have them with seed 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark, Samples, content_sum
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.conversion import in_memory
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.measured import hashes
from hnet_bench.avalanche_adapter.objective import objective_of
from hnet_bench.conformance.checks import FEW_STEPS, round_trip
from hnet_bench.interfaces import Benchmark, BenchmarkFacts, Scenario, Setup, TrainingProtocol

SEED = 1
# Of samples that may be the same as others. Data sets that people collected have a few: one in 800 test images of
# CIFAR-100's first 50 classes is a training image, and one image there has two labels.
_FEW = 0.01
_ROWS_AT_ONCE = 4096


class BenchmarkUnderTest:
    """A benchmark in one of its scenarios, built once for all checks."""

    def __init__(self, benchmark: Benchmark, scenario: Scenario) -> None:
        self.benchmark, self.scenario = benchmark, scenario

    @cached_property
    def built(self) -> InMemoryBenchmark:
        """The stream with seed 1."""
        return in_memory(self.benchmark, scenario=self.scenario, seed=SEED)

    @cached_property
    def train(self) -> list[Tensor]:
        """A number for each training sample (N,) of each experience, by its content."""
        return [torch.cat([hashes(x.flatten(1)) for x in chunks(part)]) for part in self.built.train]

    @cached_property
    def test(self) -> list[Tensor]:
        """The same for test samples."""
        return [torch.cat([hashes(x.flatten(1)) for x in chunks(part)]) for part in self.built.test]

    def parts(self) -> list[tuple[str, int, Samples]]:
        """Samples of all experiences, each with what they are for and the number of the experience, from 0."""
        both = (("training", self.built.train), ("test", self.built.test))
        return [(what, index, part) for what, parts in both for index, part in enumerate(parts)]


def chunks(samples: Samples) -> Iterator[Tensor]:
    """Inputs (n, *input_shape), some at a time."""
    for positions in torch.arange(len(samples)).split(_ROWS_AT_ONCE):
        yield samples.take(positions)


def declaration(name: str, benchmark: Benchmark) -> str | None:
    """Whether the class is what `hnet_bench.interfaces` asks for."""
    kind: Any = type(benchmark)
    if not kind.__dataclass_params__.frozen:
        return "Make the class a @dataclass(frozen=True, kw_only=True), so that its fields can stand in a record."
    if not isinstance(getattr(kind, "name", None), str) or not kind.name:
        return 'Give the class a name: name = "my_benchmark".'
    if not isinstance(kind.datasets, tuple):
        return f"Set datasets to a tuple of names and files, () if there are none, found {kind.datasets!r}."
    facts: Any = benchmark.facts
    if not isinstance(facts, BenchmarkFacts):
        return f"Let facts be BenchmarkFacts of hnet_bench.interfaces, found {facts!r}."
    return None


def builds(subject: BenchmarkUnderTest) -> str | None:
    """Whether it can be built for the scenario."""
    built, facts = subject.built, subject.benchmark.facts
    if built.facts != facts:
        return f"It builds a stream with other facts than its own: {built.facts}, and its own are {facts}."
    if built.scenario is not subject.scenario:
        return f"It builds a stream for {built.scenario.label}: give in_memory_benchmark the scenario of build."
    return None


def fits_its_facts(subject: BenchmarkUnderTest) -> str | None:
    """Whether inputs are as the facts say."""
    facts = subject.built.facts
    pixels = facts.unit_range and objective_of(facts).has_classes
    for what, index, part in subject.parts():
        where = f"the {what} samples of experience {index + 1}"
        for x in chunks(part):
            if x.dtype != torch.float32 or tuple(x.shape[1:]) != facts.input_shape:
                return (
                    f"Inputs must be float32 of shape {facts.input_shape}, as its facts say; {where} are "
                    f"{str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape[1:])}."
                )
            if not torch.isfinite(x).all():
                return f"Some inputs of {where} are not finite."
            if pixels and (x.min() < 0 or x.max() > 1):
                return (
                    f"Inputs of {where} lie between {x.min():.3g} and {x.max():.3g}, and its facts say 0 and 1: "
                    "scale them, or give the facts unit_range=False."
                )
    return None


def labels_fit_the_scenario(subject: BenchmarkUnderTest) -> str | None:
    """Whether every experience has the labels that the scenario asks for, in training and in test."""
    facts = subject.built.facts
    classes = facts.classes_per_experience
    for what, index, part in subject.parts():
        where = f"the {what} samples of experience {index + 1}"
        if not objective_of(facts).has_classes:
            if part.y.dtype != torch.float32 or tuple(part.y.shape[1:]) != (classes,):
                return f"The values to predict of {where} must be float32 (N, {classes}), found {tuple(part.y.shape)}."
            continue
        first = index * classes if subject.scenario is Scenario.CLASS else 0
        found = torch.unique(part.y).tolist()
        if part.y.dtype != torch.int64 or found != list(range(first, first + classes)):
            return (
                f"In {subject.scenario.label} the labels of {where} must be {first} to {first + classes - 1}, all of "
                f"them, as int64; found {_some(found)} as {str(part.y.dtype).removeprefix('torch.')}."
            )
    return None


def keeps_test_data_apart(subject: BenchmarkUnderTest) -> str | None:
    """Whether no test input is a training input too, of any experience."""
    known = torch.cat(subject.train).unique()
    for index, test in enumerate(subject.test):
        count = int(torch.isin(test, known).sum())
        if count > _FEW * len(test):
            return (
                f"Of the {len(test)} test inputs of experience {index + 1} {count} are training inputs, too: test on "
                "samples that no experience is trained on."
            )
    return None


def has_one_label_for_an_input(subject: BenchmarkUnderTest) -> str | None:
    """Whether no training input has two labels where all classes must be told apart."""
    if subject.scenario is not Scenario.CLASS or not objective_of(subject.built.facts).has_classes:
        return None
    inputs, labels = torch.cat(subject.train), torch.cat([part.y for part in subject.built.train])
    pairs = torch.unique(torch.stack([inputs, labels]), dim=1)
    values, times = torch.unique(pairs[0], return_counts=True)
    count = int(torch.isin(inputs, values[times > 1]).sum())
    if count <= _FEW * len(inputs):
        return None
    return (
        f"Of the {len(inputs)} training inputs {count} occur with two labels, such as in two experiences: in "
        f"{subject.scenario.label} nobody can learn them."
    )


def repeats(subject: BenchmarkUnderTest) -> str | None:
    """Whether the same seed gives the same data."""
    again = in_memory(subject.benchmark, scenario=subject.scenario, seed=SEED)
    both = [content_sum([*built.train, *built.test]) for built in (subject.built, again)]
    if both[0] == both[1]:
        return None
    return "The same seed gives other data the second time: draw all that is random with the seed that build is given."


def names_its_data(subject: BenchmarkUnderTest) -> str | None:
    """Whether records will say which data these were."""
    sums = subject.built.data_sums
    missing = [name for one in subject.benchmark.datasets if (name := getattr(one, "name", one)) not in sums]
    if missing:
        return f"The content of {missing[0]} is in no record: give in_memory_benchmark its SHA-256 sum in data_sums."
    return None


def is_learnt_from(subject: BenchmarkUnderTest) -> str | None:
    """Whether a classifier can be trained and evaluated on it for a few steps."""
    built = subject.built
    protocol = TrainingProtocol(iterations=FEW_STEPS, hidden_units=(10,))
    template = ClassifierTemplate(
        setup=Setup(scenario=subject.scenario, facts=built.facts, protocol=protocol, seed=SEED)
    )
    for index in range(built.facts.experiences):
        template.train(built.training(index), eval_streams=[])
    Evaluator(built).evaluate(template)
    return None


def _some(found: Sequence[Any]) -> str:
    shown = ", ".join(map(str, found[:10]))
    return f"{shown}, ..." if len(found) > 10 else shown or "none"


FOR_THE_CLASS: dict[str, Callable[[str, Any], str | None]] = {
    "is declared as a frozen dataclass": declaration,
    "settings survive JSON and pickle": round_trip,
}
FOR_EACH_SCENARIO: dict[str, Callable[[BenchmarkUnderTest], str | None]] = {
    "is built": builds,
    "sizes and values are those of its facts": fits_its_facts,
    "labels fit the scenario": labels_fit_the_scenario,
    "no test data in training": keeps_test_data_apart,
    "one label for an input": has_one_label_for_an_input,
    "same seed, same data": repeats,
    "records name its data": names_its_data,
    "a classifier learns and answers": is_learnt_from,
}

# Without these nothing else is asked.
NECESSARY = ("is built", "sizes and values are those of its facts", "labels fit the scenario")
