"""READ FIRST: the words of the project and the two extension points, on one page.

A *strategy* (a method with its hyperparameters) learns a *benchmark* (a stream of experiences) in a *scenario*.
One such learning, with one seed, is a *run*; it leaves one *record*.

Both extension points are frozen dataclasses whose fields are their settings, so a class is its own configuration
and schema. Import torch and Avalanche inside `build`, never at the top of the file: `hnet-bench status` and
`report` read the settings of every strategy and must answer at once, also where torch is not installed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from avalanche.training.templates import SupervisedTemplate

# Settings as they stand in TOML and JSON: numbers, strings, booleans, lists, tables of those.
Settings: TypeAlias = "dict[str, Any]"

# What a benchmark asks for: the class of an input, or values; `avalanche_adapter.objective` has what follows from it.
ProblemType: TypeAlias = Literal["classification", "regression"]

# When a run evaluates: on all experiences after each; or on the present one alone, and on all of them after the last.
EvaluationSchedule: TypeAlias = Literal["all", "diagonal_and_final"]

# The network that solves the tasks: a perceptron with the protocol's hidden units, or one of fixed architecture, see
# `nets.resnet` and `nets.zenke`.
NetworkName: TypeAlias = Literal["mlp", "resnet32", "zenke"]

OptimiserName: TypeAlias = Literal["Adam", "AdamW", "SGD"]

_LONGEST = 1200  # characters of a `UserError`

# Of any number that is set, measured or reported: squares of its squares, as of a variance, are finite.
LARGEST = 1e50

# Metadata of a field that was added when records existed: it is left out of specs while it has its default, so that
# their run ids stay. Hence that default must never change.
ADDED_LATER = {"left_out_by_default": True}


class UserError(Exception):
    """Something the user can mend; shown as one sentence, without a traceback, with exit code 2.

    Its text is one line that can be read at a glance, whatever it quotes: what is very long loses its middle.
    """

    def __str__(self) -> str:
        text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in super().__str__())
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} [...] {text[-_LONGEST // 3 :]}"


class Scenario(str, Enum):
    """What is known about the task at test time (van de Ven & Tolias 2019).

    TASK: the task identity is given. DOMAIN: it is not given and not asked for. CLASS: it must be inferred, because
    the classes of all tasks must be told apart.
    """

    TASK = "task"
    DOMAIN = "domain"
    CLASS = "class"

    @property
    def label(self) -> str:
        """The name printed in tables: CL1, CL2 or CL3."""
        return {"task": "CL1", "domain": "CL2", "class": "CL3"}[self.value]

    @classmethod
    def parse(cls, text: str) -> Scenario:
        """Scenario of "CL1" or "task" (any case). Raises UserError for anything else."""
        for scenario in cls:
            if text.lower() in (scenario.value, scenario.label.lower()):
                return scenario
        raise UserError(f"Unknown scenario '{text}': expected CL1 (task), CL2 (domain) or CL3 (class).")


@dataclass(frozen=True, kw_only=True)
class TrainingProtocol:
    """How every strategy of a table is trained, so that rows of one table can be compared."""

    # Raised when what all runs share computes something else: training loop, evaluation, metrics (`runs.revisions`).
    revision: ClassVar[int] = 1

    iterations: int  # optimiser steps per experience; see also `later_iterations`
    batch_size: int = 128  # samples of the current experience per step
    learning_rate: float = 1e-3  # of the optimiser
    hidden_units: tuple[int, ...] = (400, 400)  # widths of the classifier's hidden layers
    # Outputs that compete in the softmax of CL3 while an ordinary classifier trains: those of the classes seen so far
    # (van de Ven & Tolias 2019) or all (van de Ven et al. 2022).
    active_classes: Literal["seen", "all"] = "seen"
    # After each hidden layer of the network that solves the tasks, whether its weights are its own or generated.
    activation: Literal["relu", "sigmoid"] = field(default="relu", metadata=ADDED_LATER)
    # Of networks that hold their own weights. torch: its default for linear layers; xavier: uniform, biases 0, as in
    # the code of von Oswald et al.
    initialisation: Literal["torch", "xavier"] = field(default="torch", metadata=ADDED_LATER)
    # What of the score matrix is measured, see `evaluated`. With many experiences, evaluating on all of them after each
    # costs more than training, while a mean "during" and a mean "final" need the diagonal and the last row alone.
    evaluation: EvaluationSchedule = field(default="all", metadata=ADDED_LATER)
    # That solves the tasks, whether its weights are its own or generated; `mlp` has `hidden_units`.
    network: NetworkName = field(default="mlp", metadata=ADDED_LATER)
    # Optimiser steps on every experience but the first, where these are smaller; None: as many as on the first.
    later_iterations: int | None = field(default=None, metadata=ADDED_LATER)
    # (share of an experience's steps, factor): once that share is over, the learning rate is the factor times
    # `learning_rate`. In ascending order.
    learning_rate_steps: tuple[tuple[float, float], ...] = field(default=(), metadata=ADDED_LATER)
    # Share of the training samples of each experience that is held out and evaluated on in place of the test data
    # (`avalanche_adapter.benchmark.held_out`); 0: all are trained on. Only trials of a search have one.
    validation: float = field(default=0.0, metadata=ADDED_LATER)
    beta1: float = field(default=0.9, metadata=ADDED_LATER)  # of Adam and AdamW
    # Class in `torch.optim` of what `Setup.optimiser` makes, with which `runs.departures` compares what a run used.
    optimiser: OptimiserName = field(default="Adam", metadata=ADDED_LATER)
    momentum: float = field(default=0.0, metadata=ADDED_LATER)  # of SGD
    weight_decay: float = field(default=0.0, metadata=ADDED_LATER)  # an L2 penalty; of AdamW apart from the gradient

    def __post_init__(self) -> None:
        for name in ("iterations", "batch_size", "learning_rate"):
            if not getattr(self, name) > 0:
                raise UserError(f"The protocol's {name} must be positive, found {getattr(self, name)}.")
        if min(self.hidden_units, default=1) < 1:
            raise UserError(f"The protocol's hidden_units must be positive, found {list(self.hidden_units)}.")
        if self.later_iterations is not None and self.later_iterations < 1:
            raise UserError(f"The protocol's later_iterations must be positive, found {self.later_iterations}.")
        shares = [0.0, *(share for share, _ in self.learning_rate_steps), 1.0]
        if shares != sorted(set(shares)) or not all(factor > 0 for _, factor in self.learning_rate_steps):
            raise UserError(
                "The protocol's learning_rate_steps must be pairs of a share, ascending between 0 and 1, and a "
                f"positive factor, found {[list(step) for step in self.learning_rate_steps]}."
            )
        if not 0 <= self.beta1 < 1:
            raise UserError(f"The protocol's beta1 must be at least 0 and below 1, found {self.beta1}.")
        if not 0 <= self.validation < 1:
            raise UserError(f"The protocol's validation must be at least 0 and below 1, found {self.validation}.")
        if not 0 <= self.momentum < 1:
            raise UserError(f"The protocol's momentum must be at least 0 and below 1, found {self.momentum}.")
        if self.weight_decay < 0:
            raise UserError(f"The protocol's weight_decay must not be negative, found {self.weight_decay}.")
        of_others = {"momentum": 0.0} if self.optimiser != "SGD" else {"beta1": 0.9}
        for name, default in of_others.items():
            if getattr(self, name) != default:
                raise UserError(f"The protocol's {name} is of no use to {self.optimiser}: leave it out.")

    def steps(self, experience: int) -> int:
        """Optimiser steps on this experience, counted from 0."""
        return self.iterations if experience == 0 or self.later_iterations is None else self.later_iterations

    def all_steps(self, experiences: int) -> int:
        """Optimiser steps on so many experiences together."""
        return sum(map(self.steps, range(experiences)))

    def learning_rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0, on an experience of so many."""
        factor = 1.0
        for share, then in self.learning_rate_steps:
            if step > round(share * steps):
                factor = then
        return factor * self.learning_rate


@dataclass(frozen=True, kw_only=True)
class BenchmarkFacts:
    """What a strategy may know about a benchmark before it sees any sample."""

    experiences: int  # T
    classes_per_experience: int  # K; in regression the number of values to predict
    input_shape: tuple[int, ...]  # (channels, height, width) or (features,)
    problem_type: ProblemType = "classification"
    unit_range: bool = True  # whether the values of images lie in [0, 1], as generative models of pixels want them

    @property
    def inputs(self) -> int:
        """Number of values in one flattened input."""
        return math.prod(self.input_shape)

    def heads(self, scenario: Scenario) -> int:
        """Groups of K outputs that serve the scenario: one in DOMAIN, else one per task. In regression one, since every
        task asks for the same values."""
        return 1 if scenario is Scenario.DOMAIN or self.problem_type == "regression" else self.experiences

    def outputs(self, scenario: Scenario) -> int:
        """Width of an output layer that serves the scenario: K for each head."""
        return self.classes_per_experience * self.heads(scenario)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """All that a strategy is given when it is built."""

    scenario: Scenario
    facts: BenchmarkFacts
    protocol: TrainingProtocol
    seed: int
    device: str = "cpu"

    @property
    def outputs(self) -> int:
        """Width of the output layer that serves this scenario."""
        return self.facts.outputs(self.scenario)

    def generator(self, stream: str) -> torch.Generator:
        """A random generator of its own for one purpose ("replay", "data_order"), derived from the run's seed."""
        import torch

        return torch.Generator().manual_seed(stream_seed(self.seed, stream))

    def optimiser(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """The protocol's optimiser, new, over these parameters: whatever a strategy trains takes its steps with one."""
        import torch

        protocol = self.protocol
        own = {"momentum": protocol.momentum} if protocol.optimiser == "SGD" else {"betas": (protocol.beta1, 0.999)}
        make: Any = getattr(torch.optim, protocol.optimiser)
        optimiser: torch.optim.Optimizer = make(
            list(parameters), lr=protocol.learning_rate, weight_decay=protocol.weight_decay, fused=True, **own
        )
        return optimiser


@dataclass(frozen=True, kw_only=True)
class File:
    """A file that a benchmark reads itself (`hnet_bench.data.load.load_file`), of any format, and what it must be."""

    name: str  # in the data folder
    sha256: str  # of its bytes, in hex
    url: str = ""  # from where it is fetched where the folder lacks it; "": it must be put there

    def __post_init__(self) -> None:
        if not self.name or any(letter in self.name for letter in "/\\"):
            raise UserError(f"The name of a file of data must be that of no folder, found '{self.name}'.")


class Benchmark(Protocol):
    """A frozen keyword-only dataclass; its fields are the settings of the benchmark.

    Where `build` would refuse a scenario or a seed, a method `check(*, scenario, seed)` that raises the same UserError
    lets a sweep say so before its first run.
    """

    name: ClassVar[str]
    revision: ClassVar[int]  # raised when what it computes changes; only ours needs one, see `runs.revisions`
    datasets: ClassVar[tuple[str | File, ...]]  # that `build` will load: names in `hnet_bench.data`, or files

    @property
    def facts(self) -> BenchmarkFacts: ...

    def build(self, *, scenario: Scenario, seed: int, folder: Path | None = None) -> Any:
        """The stream, an `avalanche_adapter.benchmark.InMemoryBenchmark` or a benchmark of Avalanche's, which is
        converted (`avalanche_adapter.conversion`), drawn with the run's seed; `folder` holds the data sets (default:
        the user's data folder)."""
        ...


class Strategy(Protocol):
    """A frozen keyword-only dataclass; its fields are the hyperparameters of the method.

    A method `trainings(setup)`, of the class itself, may tell the trainings of a run apart which other strategies, or
    other scenarios, have in common with it: for each name the settings that it depends on, beside benchmark, protocol
    and seed, and no others (`runs.trainings`). It imports no torch.
    """

    name: ClassVar[str]
    revision: ClassVar[int]  # raised when what it computes changes; only ours needs one, see `runs.revisions`
    scenarios: ClassVar[tuple[Scenario, ...]]  # those that the method can learn

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run: an `avalanche_adapter.template.InMemoryTemplate`, which is Avalanche's
        SupervisedTemplate, trained for a number of iterations."""
        ...


def evaluated(schedule: EvaluationSchedule, after: int, experiences: int) -> list[int]:
    """Experiences, from 0, that are evaluated after training on one of them. What is not is None in a record.

    >>> [evaluated("diagonal_and_final", after, 3) for after in range(3)]
    [[0], [1], [0, 1, 2]]
    """
    return list(range(experiences)) if schedule == "all" or after == experiences - 1 else [after]


def stream_seed(seed: int, stream: str) -> int:
    """Seed (63 bits) of the random stream with this name: independent between names and between seeds.

    Of these, torch's generator on the CPU and NumPy's take the low 32 bits alone. So two streams of a run are the same
    by chance in one of 2**32 cases; tests hold those of this project apart.
    """
    digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
