"""Three functions of one variable, each on an interval of its own: the toy experiment of von Oswald et al. 2020.

Figure 2 there; chrhenning/hypercl, toy_example/train_utils.py and regression1d_data.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from hnet_bench.benchmarks.legacy_seed import check_legacy_seed
from hnet_bench.interfaces import BenchmarkFacts, Scenario, UserError

if TYPE_CHECKING:
    import numpy
    from torch import Tensor

    from hnet_bench.avalanche_adapter.benchmark import InMemoryBenchmark

    Array: TypeAlias = numpy.ndarray[Any, numpy.dtype[numpy.float64]]


# The functions in the order of the experiences, with the interval of their inputs.
TASKS: tuple[tuple[Callable[[Array], Array], tuple[float, float]], ...] = (
    (lambda x: x + 3, (-4.0, -2.0)),
    (lambda x: 2 * x**2 - 1, (-1.0, 1.0)),
    (lambda x: (x - 3) ** 3, (2.0, 4.0)),
)


@dataclass(frozen=True, kw_only=True)
class Regression1d:
    """Noisy training targets at random inputs, true test targets at even ones, the ends of the interval included."""

    name: ClassVar[str] = "regression_1d"
    revision: ClassVar[int] = 1
    datasets: ClassVar[tuple[str, ...]] = ()

    train_samples: int = 100  # of each experience, uniform in its interval
    test_samples: int = 50  # of each experience, evenly spaced in its interval
    noise: float = 0.05  # standard deviation, of training targets alone
    # The authors' data_random_seed: the same data for every seed of a run, and, since every experience begins anew with
    # it, the same places within all intervals and the same noise.
    data_seed: int = 42

    def __post_init__(self) -> None:
        for name, least in (("train_samples", 1), ("test_samples", 2), ("noise", 0), ("data_seed", 0)):
            if not getattr(self, name) >= least:
                raise UserError(f"'{name}' of regression_1d must be at least {least}, found {getattr(self, name)}.")
        check_legacy_seed(self.data_seed, "'data_seed' of regression_1d")

    @property
    def facts(self) -> BenchmarkFacts:
        """Three experiences, one value in, one value out."""
        return BenchmarkFacts(
            experiences=len(TASKS), classes_per_experience=1, input_shape=(1,), problem_type="regression"
        )

    def training_data(self) -> list[tuple[Array, Array]]:
        """Inputs and noisy targets (train_samples,) of each experience; all inputs are drawn before the noise."""
        import numpy

        drawn = []
        for function, (start, end) in TASKS:
            # NumPy's legacy generator, as in the authors' code: these draws are part of the benchmark.
            generator = numpy.random.RandomState(self.data_seed)
            x = generator.uniform(start, end, self.train_samples)
            drawn.append((x, function(x) + generator.normal(0, self.noise, self.train_samples)))
        return drawn

    def test_data(self) -> list[tuple[Array, Array]]:
        """Inputs and true targets (test_samples,) of each experience."""
        import numpy

        inputs = [numpy.linspace(start, end, self.test_samples) for _, (start, end) in TASKS]
        return [(x, function(x)) for x, (function, _) in zip(inputs, TASKS, strict=True)]

    def check(self, *, scenario: Scenario, seed: int) -> None:
        """Raises UserError in CLASS, since there are no classes."""
        if scenario is Scenario.CLASS:
            raise UserError("regression_1d has no classes to tell apart: choose CL1 or CL2, not CL3.")

    def build(self, *, scenario: Scenario, seed: int, folder: Path | None = None) -> InMemoryBenchmark:
        """The stream; neither `seed` nor `folder` matters. Raises UserError in CLASS, since there are no classes."""
        from hnet_bench.avalanche_adapter.benchmark import in_memory_benchmark

        self.check(scenario=scenario, seed=seed)
        return in_memory_benchmark(
            facts=self.facts,
            scenario=scenario,
            train=[_samples(*data) for data in self.training_data()],
            test=[_samples(*data) for data in self.test_data()],
            data_sums={},
            keep=self.fitted,
        )

    def fitted(self, answers: Sequence[Tensor]) -> dict[str, Array]:
        """What `reporting.figures.regression` draws: answers (test_samples, 1) to the test inputs of each task."""
        import numpy

        data = self.test_data()
        return {
            "regression_x": numpy.stack([x for x, _ in data]),
            "regression_true": numpy.stack([y for _, y in data]),
            "regression_fit": numpy.stack([answer[:, 0].double().numpy() for answer in answers]),
            "regression_range": numpy.array([interval for _, interval in TASKS]),
        }


def _samples(x: Array, y: Array) -> Any:
    import torch

    from hnet_bench.avalanche_adapter.benchmark import Samples

    return Samples(*(torch.from_numpy(values).float().unsqueeze(1) for values in (x, y)))
