"""A tiny benchmark for tests and checks: Gaussian clusters in the unit cube, learnt in seconds, no data to fetch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from hnet_bench.interfaces import ADDED_LATER, BenchmarkFacts, Scenario, UserError, stream_seed

if TYPE_CHECKING:
    from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark


@dataclass(frozen=True, kw_only=True)
class Synthetic:
    """Every class is one cluster of its own, with independent training and test samples."""

    name: ClassVar[str] = "synthetic"
    revision: ClassVar[int] = 1
    datasets: ClassVar[tuple[str, ...]] = ()

    experiences: int = 3  # which have no class in common
    classes_per_experience: int = 2  # clusters, each of which is a class
    features: int = 12  # entries of an input
    train_per_class: int = 100  # training samples
    test_per_class: int = 40  # test samples
    noise: float = 0.08  # standard deviation within a class; cluster centres are uniform in [0.2, 0.8]
    # Colour images with so many pixels each way, as bytes and augmented, in place of vectors of `features`; 0: vectors.
    image_side: int = field(default=0, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        for name in ("experiences", "classes_per_experience", "features", "train_per_class", "test_per_class"):
            if getattr(self, name) < 1:
                raise UserError(f"'{name}' of the synthetic benchmark must be at least 1, found {getattr(self, name)}.")
        for name in ("image_side", "noise"):
            if not getattr(self, name) >= 0:
                raise UserError(
                    f"'{name}' of the synthetic benchmark must not be negative, found {getattr(self, name)}."
                )

    @property
    def facts(self) -> BenchmarkFacts:
        """As the settings say."""
        return BenchmarkFacts(
            experiences=self.experiences,
            classes_per_experience=self.classes_per_experience,
            input_shape=(3, self.image_side, self.image_side) if self.image_side else (self.features,),
        )

    def build(self, *, scenario: Scenario, seed: int, folder: Path | None = None) -> InMemoryBenchmark:
        """The stream, drawn with the run's seed; `folder` is not used."""
        import torch

        from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
        from hnet_bench.avalanche_adapter.images import ImageSamples

        inputs, side = self.facts.inputs, self.image_side
        generator = torch.Generator().manual_seed(stream_seed(seed, "synthetic"))
        classes = self.experiences * self.classes_per_experience
        # Images of a class have a colour in common, which crops and mirrors keep.
        centres = 0.2 + 0.6 * torch.rand(classes, 3 if side else inputs, generator=generator)
        centres = centres.repeat(1, side * side) if side else centres

        def draw(experience: int, per_class: int, *, training: bool) -> Samples:
            local = torch.arange(self.classes_per_experience).repeat_interleave(per_class)
            overall = local + experience * self.classes_per_experience
            noise = self.noise * torch.randn(len(local), inputs, generator=generator)
            x = (centres[overall] + noise).clamp_(0, 1)
            y = overall if scenario is Scenario.CLASS else local
            if not side:
                return Samples(x, y)
            images = (255 * x).round().to(torch.uint8).view(-1, side, side, 3)
            return ImageSamples(images, y, augmented=training)

        experiences = range(self.experiences)
        return in_memory_benchmark(
            facts=self.facts,
            scenario=scenario,
            train=[draw(index, self.train_per_class, training=True) for index in experiences],
            test=[draw(index, self.test_per_class, training=False) for index in experiences],
            data_sums={},
        )
