"""Split MNIST: five experiences of two digits each, 28 x 28 inputs in [0, 1], no normalisation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from hnet_bench.benchmarks.legacy_seed import check_draw, check_legacy_seed
from hnet_bench.interfaces import ADDED_LATER, BenchmarkFacts, Scenario, UserError

if TYPE_CHECKING:
    from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark


@dataclass(frozen=True, kw_only=True)
class SplitMnist:
    """60,000 training and 10,000 test images of MNIST, none held out."""

    name: ClassVar[str] = "split_mnist"
    revision: ClassVar[int] = 1
    datasets: ClassVar[tuple[str, ...]] = ("mnist",)

    # fixed: (0, 1), (2, 3), ... for every seed (von Oswald et al. 2020); per_seed: drawn with the run's seed
    # (van de Ven & Tolias 2019).
    class_order: Literal["fixed", "per_seed"] = "fixed"
    # The seed that the order is drawn with instead of the run's: for runs that share a draw and nothing else.
    draw_seed: int | None = field(default=None, metadata=ADDED_LATER)
    # Digits of each experience: 1 is learning class by class, for CL3 alone.
    classes_per_experience: int = field(default=2, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        if self.classes_per_experience not in (1, 2, 5):
            raise UserError(
                f"'classes_per_experience' of {self.name} must be 1, 2 or 5, which split ten digits evenly, found "
                f"{self.classes_per_experience}."
            )
        check_draw(self.draw_seed, drawn=self.class_order == "per_seed", needs="class_order = per_seed")

    @property
    def facts(self) -> BenchmarkFacts:
        """Five experiences of two classes, unless the settings say otherwise."""
        classes = self.classes_per_experience
        return BenchmarkFacts(experiences=10 // classes, classes_per_experience=classes, input_shape=(1, 28, 28))

    def digits(self, seed: int) -> tuple[tuple[int, ...], ...]:
        """The digits of each experience, in the order of their labels."""
        order = list(range(10)) if self.class_order == "fixed" else van_de_ven_class_order(self._draw(seed))
        classes = self.classes_per_experience
        return tuple(tuple(order[first : first + classes]) for first in range(0, 10, classes))

    def check(self, *, scenario: Scenario, seed: int) -> None:
        """Raises UserError for a seed that no class order can be drawn with, and where one class is to be told from
        none."""
        if self.classes_per_experience == 1 and scenario is not Scenario.CLASS:
            raise UserError(
                f"With one class in each experience {self.name} is for CL3: in {scenario.label} nothing is to be told "
                "apart."
            )
        if self.class_order == "per_seed":
            check_legacy_seed(self._draw(seed), f"A seed of {self.name} with class_order = per_seed")

    def build(self, *, scenario: Scenario, seed: int, folder: Path | None = None) -> InMemoryBenchmark:
        """The stream; its experiences share the images. Raises UserError if MNIST is neither at hand nor to be
        fetched."""
        import torch

        from hnet_bench.avalanche_adapter.benchmark import in_memory_benchmark, subset_by_classes
        from hnet_bench.data.load import load

        self.check(scenario=scenario, seed=seed)
        mnist = load(self.datasets[0], folder=folder)
        parts = []
        for images, labels in ((mnist.x_train, mnist.y_train), (mnist.x_test, mnist.y_test)):
            x = torch.from_numpy(images).unsqueeze(1)
            y = torch.from_numpy(labels)
            parts.append(
                [
                    subset_by_classes(
                        x, y, digits, first_label=index * len(digits) if scenario is Scenario.CLASS else 0
                    )
                    for index, digits in enumerate(self.digits(seed))
                ]
            )
        return in_memory_benchmark(
            facts=self.facts,
            scenario=scenario,
            train=parts[0],
            test=parts[1],
            data_sums={mnist.name: mnist.fingerprint},
        )

    def _draw(self, seed: int) -> int:
        return seed if self.draw_seed is None else self.draw_seed


def van_de_ven_class_order(seed: int) -> list[int]:
    """Digits in the order of their new labels: the first draw of NumPy's legacy generator relabels the digits.

    Seed 0 keeps the digits in order, as in the authors' code; the papers' seeds start at 1.
    """
    import numpy

    if seed == 0:
        return list(range(10))
    # The generator is seeded as the authors do: this order is part of the benchmark, not one of our streams.
    new_label_of = numpy.random.RandomState(seed).permutation(10)
    return [int(digit) for digit in numpy.argsort(new_label_of)]
