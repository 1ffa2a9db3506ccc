"""Permuted MNIST: all ten digits in every experience, their zero-padded pixels in an order of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from hnet_bench.benchmarks.legacy_seed import check_draw, check_legacy_seed
from hnet_bench.interfaces import ADDED_LATER, BenchmarkFacts, Scenario, UserError

if TYPE_CHECKING:
    import numpy

    from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark

_FIXED_SEED = 42  # the authors' data_random_seed
_CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class PermutedMnist:
    """60,000 training and 10,000 test images of MNIST in each experience, none held out; pixels in [0, 1]."""

    name: ClassVar[str] = "permuted_mnist"
    revision: ClassVar[int] = 1
    datasets: ClassVar[tuple[str, ...]] = ("mnist",)

    experiences: int = 10  # each with an order of pixels of its own
    padding: int = 2  # zeros on each side of an image, permuted with it
    # fixed: the same for every seed, the first experience not permuted (von Oswald et al. 2020); per_seed: drawn with
    # the run's seed, the first experience permuted too (van de Ven & Tolias 2019).
    permutations: Literal["fixed", "per_seed"] = "fixed"
    # The seed that they are drawn with instead of the run's: for runs that share a draw and nothing else.
    draw_seed: int | None = field(default=None, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        for name, least in (("experiences", 1), ("padding", 0)):
            if getattr(self, name) < least:
                raise UserError(f"'{name}' of permuted_mnist must be at least {least}, found {getattr(self, name)}.")
        check_draw(self.draw_seed, drawn=self.permutations == "per_seed", needs="permutations = per_seed")

    @property
    def facts(self) -> BenchmarkFacts:
        """Ten classes per experience, images of 28 + 2 * padding pixels each way."""
        side = 28 + 2 * self.padding
        return BenchmarkFacts(
            experiences=self.experiences, classes_per_experience=_CLASSES, input_shape=(1, side, side)
        )

    def pixel_orders(self, seed: int) -> numpy.ndarray[Any, numpy.dtype[numpy.int64]]:
        """Permutations (T, pixels): pixel i of experience t is pixel [t, i] of the padded image.

        Drawn as in the authors' codes, from NumPy's legacy generator, one by one in the order of the experiences:
        these orders are part of the benchmark, not one of our streams. Where the first experience is not permuted,
        none is drawn for it: in chrhenning/hypercl (mnist/train_utils.py) always, in GMvandeVen/continual-learning
        (data/load.py) for seed 0; the papers' seeds start at 1.
        """
        import numpy

        fixed, seed = self.permutations == "fixed", self._draw(seed)
        generator = numpy.random.RandomState(_FIXED_SEED if fixed else seed)
        pixels = self.facts.inputs
        first = numpy.arange(pixels) if fixed or seed == 0 else generator.permutation(pixels)
        others = [generator.permutation(pixels) for _ in range(self.experiences - 1)]
        return numpy.stack([first, *others])

    def check(self, *, scenario: Scenario, seed: int) -> None:
        """Raises UserError for a seed that no permutations can be drawn with."""
        if self.permutations == "per_seed":
            check_legacy_seed(self._draw(seed), f"A seed of {self.name} with permutations = per_seed")

    def build(self, *, scenario: Scenario, seed: int, folder: Path | None = None) -> InMemoryBenchmark:
        """The stream; its experiences share one copy of the images. Raises UserError if MNIST is neither at hand nor
        to be fetched."""
        import torch

        from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
        from hnet_bench.data.load import load

        self.check(scenario=scenario, seed=seed)
        mnist = load(self.datasets[0], folder=folder)
        orders = torch.from_numpy(self.pixel_orders(seed)).unbind()
        parts = []
        for images, labels in ((mnist.x_train, mnist.y_train), (mnist.x_test, mnist.y_test)):
            x = torch.nn.functional.pad(torch.from_numpy(images).unsqueeze(1), [self.padding] * 4)
            y = torch.from_numpy(labels).long()
            first_label = _CLASSES if scenario is Scenario.CLASS else 0
            parts.append([Samples(x, y + first_label * index, order) for index, order in enumerate(orders)])
        return in_memory_benchmark(
            facts=self.facts,
            scenario=scenario,
            train=parts[0],
            test=parts[1],
            data_sums={mnist.name: mnist.fingerprint},
        )

    def _draw(self, seed: int) -> int:
        return seed if self.draw_seed is None else self.draw_seed
