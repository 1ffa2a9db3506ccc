"""A sound benchmark in few lines, and benchmarks that have one fault each."""

from dataclasses import dataclass

import torch

from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError

PER_CLASS = 150


@dataclass(frozen=True, kw_only=True)
class Sound:
    """Two experiences of two classes, uniform values."""

    name = "sound"
    datasets = ()

    @property
    def facts(self):
        return BenchmarkFacts(experiences=2, classes_per_experience=2, input_shape=(4,))

    def inputs(self, index, what, generator):
        return torch.rand(2 * PER_CLASS, 4, generator=generator)

    def labels(self, index, what, scenario):
        return torch.arange(2 * PER_CLASS) % 2 + (2 * index if scenario is Scenario.CLASS else 0)

    def sums(self):
        return {}

    def build(self, *, scenario, seed, folder=None):
        generator = self.generator(seed)
        parts = {
            what: [
                Samples(self.inputs(index, what, generator), self.labels(index, what, scenario)) for index in range(2)
            ]
            for what in ("train", "test")
        }
        return in_memory_benchmark(facts=self.facts, scenario=scenario, data_sums=self.sums(), **parts)

    def generator(self, seed):
        return torch.Generator().manual_seed(seed)


class ForgetsTheSeed(Sound):
    def generator(self, seed):
        return torch.Generator().manual_seed(torch.seed() % 2**32)


class TestsOnTrainingData(Sound):
    def generator(self, seed):
        return None

    def inputs(self, index, what, generator):
        return torch.rand(2 * PER_CLASS, 4, generator=torch.Generator().manual_seed(index))


class SharesThreeOfAHundred(Sound):
    def inputs(self, index, what, generator):
        x = super().inputs(index, what, generator)
        x[:9] = torch.arange(9.0)[:, None] / 9 if index == 0 else x[:9]
        return x


class SharesOneOfAHundred(Sound):
    """No fault: real data sets have a few."""

    def inputs(self, index, what, generator):
        x = super().inputs(index, what, generator)
        x[:3] = torch.arange(3.0)[:, None] / 3 if index == 0 else x[:3]
        return x


class LabelsFromZero(Sound):
    def labels(self, index, what, scenario):
        return torch.arange(2 * PER_CLASS) % 2


class LacksAClassInTest(Sound):
    def labels(self, index, what, scenario):
        labels = super().labels(index, what, scenario)
        return torch.full_like(labels, int(labels.min())) if what == "test" and index == 1 else labels


class SameInputsInEveryExperience(Sound):
    def inputs(self, index, what, generator):
        return torch.rand(2 * PER_CLASS, 4, generator=torch.Generator().manual_seed(int(what == "test")))


class PixelsUpTo255(Sound):
    def inputs(self, index, what, generator):
        return 255 * super().inputs(index, what, generator)


class OtherShape(Sound):
    def inputs(self, index, what, generator):
        return super().inputs(index, what, generator).view(-1, 2, 2)


class Doubles(Sound):
    def inputs(self, index, what, generator):
        return super().inputs(index, what, generator).double()


class NotANumber(Sound):
    def inputs(self, index, what, generator):
        return super().inputs(index, what, generator) / 0


class NoTestSamples(Sound):
    def inputs(self, index, what, generator):
        return super().inputs(index, what, generator)[: 0 if what == "test" else None]

    def labels(self, index, what, scenario):
        return super().labels(index, what, scenario)[: 0 if what == "test" else None]


class BytesAsLabels(Sound):
    def labels(self, index, what, scenario):
        return super().labels(index, what, scenario).to(torch.uint8)


class OtherFacts(Sound):
    @property
    def facts(self):
        return BenchmarkFacts(
            experiences=2, classes_per_experience=2, input_shape=(4,), unit_range=bool(torch.rand(1) * 0)
        )

    def build(self, *, scenario, seed, folder=None):
        return Sound().build(scenario=scenario, seed=seed)


class OneExperience(Sound):
    @property
    def facts(self):
        return BenchmarkFacts(experiences=1, classes_per_experience=2, input_shape=(4,))


class NamelessData(Sound):
    datasets = ("mnist",)


class NoName(Sound):
    name = ""


class TaskAlone(Sound):
    def check(self, *, scenario, seed):
        if scenario is not Scenario.TASK:
            raise UserError(f"This is for CL1, found {scenario.label}.")


class ForNobody(Sound):
    def check(self, *, scenario, seed):
        raise UserError("This is for nobody.")
