"""A tiny benchmark for tests and checks: Gaussian clusters in the unit cube, learnt in seconds, no data to fetch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError, stream_seed

if TYPE_CHECKING:
    from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Every class is one cluster of its own, with independent training and test samples."""

    name: ClassVar[str] = "synthetic"
    datasets: ClassVar[tuple[str, ...]] = ()

    experiences: int = 3
    classes_per_experience: int = 2
    features: int = 12
    train_per_class: int = 100
    test_per_class: int = 40
    noise: float = 0.08  # standard deviation within a class; cluster centres are uniform in [0.2, 0.8]

    def __post_init__(self) -> None:
        for name in ("experiences", "classes_per_experience", "features", "train_per_class", "test_per_class"):
            if getattr(self, name) < 1:
                raise UserError(f"'{name}' of the synthetic benchmark must be at least 1, found {getattr(self, name)}.")

    @property
    def facts(self) -> BenchmarkFacts:
        """As the settings say; inputs are vectors."""
        return BenchmarkFacts(
            experiences=self.experiences,
            classes_per_experience=self.classes_per_experience,
            input_shape=(self.features,),
        )

    def build(self, *, scenario: Scenario, seed: int, folder: Path | None = None) -> InMemoryBenchmark:
        """The stream, drawn with the run's seed; `folder` is not used."""
        import torch

        from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark

        generator = torch.Generator().manual_seed(stream_seed(seed, "synthetic"))
        classes = self.experiences * self.classes_per_experience
        centres = 0.2 + 0.6 * torch.rand(classes, self.features, generator=generator)

        def draw(experience: int, per_class: int) -> Samples:
            local = torch.arange(self.classes_per_experience).repeat_interleave(per_class)
            overall = local + experience * self.classes_per_experience
            noise = self.noise * torch.randn(len(local), self.features, generator=generator)
            x = (centres[overall] + noise).clamp_(0, 1)
            return Samples(x, overall if scenario is Scenario.CLASS else local)

        experiences = range(self.experiences)
        return in_memory_benchmark(
            facts=self.facts,
            scenario=scenario,
            train=[draw(index, self.train_per_class) for index in experiences],
            test=[draw(index, self.test_per_class) for index in experiences],
            data_sums={},
        )
