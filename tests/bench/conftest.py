"""What the benchmarks share: the experiments' sizes, hypnettorch doing the same work, timing in turns, a summary.

hypnettorch (PyPI) is the library that the authors made of their code; it is measured in the same process, on the same
data, with the same weights.
"""

import ctypes
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch.nn import functional

from hnet_bench.interfaces import BenchmarkFacts, Scenario, Setup, TrainingProtocol
from hnet_bench.nets.products import product
from hnet_bench.strategies.hnet import Hnet


@dataclass(frozen=True)
class Experiment:
    """Sizes and hyperparameters of one experiment."""

    facts: BenchmarkFacts
    protocol: TrainingProtocol
    settings: Hnet

    def setup(self, scenario=Scenario.TASK, iterations=2):
        return Setup(
            scenario=scenario, facts=self.facts, protocol=replace(self.protocol, iterations=iterations), seed=1
        )

    def classifier(self):
        """Our target network and hypernetwork, newly initialised."""
        torch.manual_seed(0)
        return self.settings.build(self.setup()).classifier


def permuted_mnist(tasks, settings):
    return Experiment(
        facts=BenchmarkFacts(experiences=tasks, classes_per_experience=10, input_shape=(1, 32, 32)),
        protocol=TrainingProtocol(iterations=2, hidden_units=(1000, 1000), learning_rate=1e-4),
        settings=settings,
    )


EXPERIMENTS = {
    "tiny": Experiment(
        facts=BenchmarkFacts(experiences=4, classes_per_experience=2, input_shape=(5,)),
        protocol=TrainingProtocol(iterations=2, hidden_units=(7, 6), learning_rate=1e-2),
        settings=Hnet(chunk_size=30, hidden_units=(6, 5), task_embedding_size=4, chunk_embedding_size=3),
    ),
    "split MNIST": Experiment(
        facts=BenchmarkFacts(experiences=5, classes_per_experience=2, input_shape=(1, 28, 28)),
        protocol=TrainingProtocol(iterations=2),
        settings=Hnet(),
    ),
    "permuted MNIST-10": permuted_mnist(
        10,
        Hnet(
            chunk_size=78_000,
            hidden_units=(25, 25),
            activation="elu",
            task_embedding_size=24,
            chunk_embedding_size=8,
            regularisation_strength=0.1,
        ),
    ),
    "permuted MNIST-100": permuted_mnist(
        100,
        Hnet(
            chunk_size=7_500, hidden_units=(200, 250, 350), task_embedding_size=128, chunk_embedding_size=12
        ),  # 404 chunks of 3,027,000 parameters
    ),
}


@pytest.fixture(scope="session")
def experiments():
    return EXPERIMENTS


class Theirs:
    """A classifier of ours in hypnettorch, with the same weights, and what the authors' training loop does with it."""

    def __init__(self, classifier):
        from hypnettorch.hnets import ChunkedHMLP
        from hypnettorch.mnets.mlp import MLP

        ours, widths = classifier.hypernetwork, classifier.target.shape.widths
        shape = ours.shape
        self.network = MLP(
            n_in=widths[0],
            n_out=widths[-1],
            hidden_layers=list(widths[1:-1]),
            activation_fn=torch.nn.ReLU(),
            no_weights=True,
            verbose=False,
        )
        self.hypernetwork = ChunkedHMLP(
            self.network.param_shapes,
            shape.chunk_size,
            chunk_emb_size=shape.chunk_embedding_size,
            cond_in_size=shape.task_embedding_size,
            layers=shape.hidden_units,
            activation_fn={"relu": torch.nn.ReLU(), "elu": torch.nn.ELU()}[shape.activation],
            num_cond_embs=shape.tasks,
            verbose=False,
        ).to(ours.output.dtype)
        self._task_embedding_size = shape.task_embedding_size
        with torch.no_grad():
            for parameter, value in zip(self.theta, self.in_their_order(ours.theta), strict=True):
                parameter.copy_(value)
            for parameter, value in zip(self.hypernetwork.conditional_params, ours.task_embeddings, strict=True):
                parameter.copy_(value)

    @property
    def theta(self):
        return list(self.hypernetwork.unconditional_params)

    def in_their_order(self, theta):
        """Values of our theta as theirs: W1, b1, ..., chunk embeddings last; chunk before task embedding in W1."""
        chunk_embeddings, *hidden, output = theta
        layers = len(hidden) // 2
        weights = [*hidden[:layers], output[:-1].t()]
        biases = [*hidden[layers:], output[-1]]
        size = self._task_embedding_size
        weights[0] = torch.cat([weights[0][:, size:], weights[0][:, :size]], dim=1)
        return [tensor for layer in zip(weights, biases, strict=True) for tensor in layer] + [chunk_embeddings]

    def targets(self, old_tasks):
        """What the regulariser holds on to: the generated parameters of every old task."""
        from hypnettorch.utils.hnet_regularizer import get_current_targets

        return get_current_targets(old_tasks, self.hypernetwork)

    def add_regulariser_gradient(self, targets, delta, strength):
        """Adds the gradient at theta + delta to the gradients of theta."""
        from hypnettorch.utils.hnet_regularizer import calc_fix_target_reg

        loss = calc_fix_target_reg(self.hypernetwork, len(targets), targets=targets, dTheta=delta)
        (strength * loss).backward()

    def training_step(self, task, head, *, learning_rate, strength, epsilon=1e-8):
        """A step on task `task`, which trains the outputs `head`, as a function of a batch; `epsilon` is Adam's."""
        from hypnettorch.utils.optim_step import calc_delta_theta

        optimiser = torch.optim.Adam(self.theta, lr=learning_rate, eps=epsilon)
        embedding = self.hypernetwork.conditional_params[task]
        embedding_optimiser = torch.optim.Adam([embedding], lr=learning_rate, eps=epsilon)
        targets = self.targets(task) if task else None

        def step(x, y):
            optimiser.zero_grad()
            embedding_optimiser.zero_grad()
            outputs = self.outputs(x, task)[:, head]
            functional.cross_entropy(outputs, y).backward(retain_graph=task > 0)  # retained by the authors as well
            embedding_optimiser.step()
            if targets:
                self.add_regulariser_gradient(targets, calc_delta_theta(optimiser, False), strength)
            optimiser.step()

        return step

    def outputs(self, x, task):
        """Outputs (batch, widths[-1]) of one task's network, whose parameters are generated anew."""
        return self.network.forward(x.flatten(1), weights=self.hypernetwork.forward(cond_id=task))


@pytest.fixture(scope="session")
def theirs():
    """Makes hypnettorch's twin of a classifier of ours."""
    return Theirs


@pytest.fixture(scope="session")
def matrix_products():
    """Makes a function that computes nothing but products of (m, k) and (k, n) matrices, for triples m, k, n."""

    def make(*sizes, multiply=product):
        operands = [(torch.rand(m, k), torch.rand(k, n)) for m, k, n in sizes]

        def compute():
            for left, right in operands:
                multiply(left, right)

        return compute

    return make


@dataclass
class Way:
    """One way to do the work that a group of timings compares."""

    label: str
    work: Callable[[], object]
    steps: int
    rounds: int | None
    baseline: str | None
    seconds: list[float] = field(default_factory=list)  # per step, one for each round


def pytest_collection_modifyitems(items):
    """Where ways are timed in turns, on one thread, pytest-benchmark too counts the processor's time: what other
    processes take of the machine is then no part of it."""
    for item in items:
        if "in_turns" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.benchmark(timer=time.process_time))


class InTurns:
    """Times several ways to do the same work in turns, so that whatever else the machine does meets all of them.

    pytest-benchmark times and stores the way that was added first; the times of the others go into its `extra_info`.
    """

    def __init__(self, benchmark):
        self._benchmark = benchmark
        self._ways = []

    def add(self, label, work, *, steps=1, rounds=None, baseline=None):
        """`work` does `steps` steps. With `rounds` it has so many rounds alone, and no warm-up: for slow ones.

        All others in the group are compared with a `baseline`, which gives its name in the summary.
        """
        self._ways.append(Way(label, work, steps, rounds, baseline))

    def run(self, group, *, rounds):
        for way in self._ways:
            if way.rounds is None:
                way.work()
        first, *others = self._ways

        def turn_of_the_others():
            for way in others:
                if way.rounds is None or len(way.seconds) < way.rounds:
                    start = time.process_time()
                    way.work()
                    way.seconds.append((time.process_time() - start) / way.steps)

        self._benchmark.group = group
        self._benchmark.pedantic(first.work, setup=turn_of_the_others, rounds=rounds)
        self._benchmark.extra_info.update(
            label=first.label,
            steps=first.steps,
            others=[{"label": way.label, "baseline": way.baseline, "seconds": way.seconds} for way in others],
        )

    def note(self, line):
        """A line to stand under the timings."""
        self._benchmark.extra_info.setdefault("notes", []).append(line)


@pytest.fixture
def in_turns(benchmark):
    keep_freed_memory()
    return InTurns(benchmark)


def keep_freed_memory():
    """Lets glibc keep what is freed, instead of handing it to the kernel and asking for it anew at every step.

    Whether it does so by default hangs on the layout of the heap, and page faults then cost hypnettorch about a quarter
    of a training step, ours a tenth. That lottery is not what is to be compared.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # elsewhere than with glibc there is none
    if mallopt:
        trim_threshold, mmap_threshold = -1, -3
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(mmap_threshold, 2**30)


@pytest.fixture(autouse=True)
def one_thread():
    """Two threads wait for each other at barriers, so anything else that runs would distort the timing."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_terminal_summary(terminalreporter, config):
    """Prints, under pytest-benchmark's own table, how the timings of a group compare with its baselines."""
    session = getattr(config, "_benchmarksession", None)
    for timing in session.benchmarks if session else []:
        info = timing.extra_info
        if not timing.stats.rounds or "others" not in info:
            continue
        first = [seconds / info["steps"] for seconds in timing.stats.data]
        ways = [{"label": info["label"], "baseline": None, "seconds": first}, *info["others"]]
        terminalreporter.section(f"{timing.group}: ms and ratios, from minima / from medians")
        for way in ways:
            line = f"{way['label']:<36} {_both(way['seconds'], 1e3):>19} ms"
            for other in ways:
                if other["baseline"] and other is not way:
                    line += f"; {_both(way['seconds'], 1, other['seconds'])} x {other['baseline']}"
            terminalreporter.write_line(line)
        for note in info.get("notes", []):
            terminalreporter.write_line(note)


def _both(seconds, unit, baseline=(1,)):
    of = [choose(seconds) / choose(baseline) * unit for choose in (min, statistics.median)]
    return " / ".join(f"{value:#.3g}".rstrip(".") for value in of)
