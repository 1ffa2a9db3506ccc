"""Split CIFAR-10/100: all of CIFAR-10, then five times ten classes of CIFAR-100 (von Oswald et al. 2020, Fig. 5)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError

if TYPE_CHECKING:
    import numpy

    from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark
    from hnet_bench.avalanche_adapter.images import ImageSamples

_CLASSES = 10
_EXPERIENCES = 6
# Of ImageNet, as in the authors' code (chrhenning/hypercl, data/cifar10_data.py).
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class SplitCifar:
    """CIFAR-10 (50,000 training and 10,000 test images), then the fine classes 0-9, 10-19, ..., 40-49 of CIFAR-100
    (5000 and 1000 each). None is held out."""

    name: ClassVar[str] = "split_cifar"
    revision: ClassVar[int] = 1
    datasets: ClassVar[tuple[str, ...]] = ("cifar10", "cifar100-first50")

    # imagenet: less ImageNet's mean of each channel and divided by its deviation; none: pixels in [0, 1].
    normalisation: Literal["imagenet", "none"] = "imagenet"
    augmentation: bool = True  # in training: mirrored with probability 1/2, cropped at random from a border of 4 pixels

    @property
    def facts(self) -> BenchmarkFacts:
        """Six experiences of ten classes."""
        return BenchmarkFacts(
            experiences=_EXPERIENCES,
            classes_per_experience=_CLASSES,
            input_shape=(3, 32, 32),
            unit_range=self.normalisation == "none",
        )

    def check(self, *, scenario: Scenario, seed: int) -> None:
        """Raises UserError in other scenarios than TASK."""
        if scenario is not Scenario.TASK:
            raise UserError(f"split_cifar is for CL1, as in the paper's code: expected CL1, found {scenario.label}.")

    def build(self, *, scenario: Scenario, seed: int, folder: Path | None = None) -> InMemoryBenchmark:
        """The stream, the same for every seed. Raises UserError in other scenarios than TASK, and if the data are
        neither at hand nor to be fetched."""
        from hnet_bench.avalanche_adapter.benchmark import in_memory_benchmark
        from hnet_bench.data.load import load

        self.check(scenario=scenario, seed=seed)
        first, others = (load(name, folder=folder) for name in self.datasets)
        return in_memory_benchmark(
            facts=self.facts,
            scenario=scenario,
            train=[
                self._samples(first.x_train, first.y_train, augmented=self.augmentation),
                *self._tens(others.x_train, others.y_train, augmented=self.augmentation),
            ],
            test=[self._samples(first.x_test, first.y_test), *self._tens(others.x_test, others.y_test)],
            data_sums={arrays.name: arrays.fingerprint for arrays in (first, others)},
        )

    def _tens(self, images: numpy.ndarray, labels: numpy.ndarray, *, augmented: bool = False) -> list[ImageSamples]:
        """The samples of ten classes after the other, labelled 0-9 each time."""
        parts = []
        for start in range(0, _CLASSES * (_EXPERIENCES - 1), _CLASSES):
            (rows,) = ((labels >= start) & (labels < start + _CLASSES)).nonzero()
            parts.append(self._samples(images, labels[rows] - start, rows, augmented=augmented))
        return parts

    def _samples(self, images: Any, labels: Any, rows: Any = None, *, augmented: bool = False) -> ImageSamples:
        import torch

        from hnet_bench.avalanche_adapter.images import ImageSamples

        known = self.normalisation == "imagenet"
        return ImageSamples(
            torch.from_numpy(images),
            torch.from_numpy(labels).long(),
            mean=torch.tensor(_MEAN) if known else None,
            deviation=torch.tensor(_DEVIATION) if known else None,
            augmented=augmented,
            rows=None if rows is None else torch.from_numpy(rows),
        )
