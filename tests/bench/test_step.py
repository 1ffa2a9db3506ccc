"""A training step of split MNIST at the paper's sizes: through Avalanche's template, in a bare loop, and the floor.

The floor are the matrix products that no implementation can avoid.
"""

import itertools

import pytest
import torch
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import EndlessBatches
from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate, Mlp
from hnet_bench.benchmarks.split_mnist import SplitMnist
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol
from hnet_bench.nets.lookahead import AdamLookahead
from hnet_bench.nets.regulariser import GramRegulariser, plain_loss
from hnet_bench.nets.target import mlp_from_chunks
from hnet_bench.strategies.hnet import Hnet

STEPS = 40
ROUNDS = 9
FACTS = SplitMnist().facts
CPU = torch.device("cpu")


def setup_of(scenario, iterations=STEPS):
    return Setup(scenario=scenario, facts=FACTS, protocol=TrainingProtocol(iterations=iterations), seed=1)


@pytest.fixture(scope="module")
def samples():
    """As many random images as an experience of split MNIST has."""
    torch.manual_seed(0)
    return Samples(torch.rand(12_000, 1, 28, 28), torch.randint(0, 2, (12_000,)))


def stream_of(samples, scenario):
    tiny = Samples(samples.x[:10], samples.y[:10])
    built = in_memory_benchmark(facts=FACTS, scenario=scenario, train=[samples] * 5, test=[tiny] * 5, data_sums={})
    return list(built.avalanche.train_stream)


def batches_of(samples):
    return EndlessBatches(samples, task_label=0, batch_size=128, generator=torch.Generator(), device=CPU)


def measure(benchmark, function, group, label, baseline=None):
    benchmark.group = group
    benchmark.extra_info.update(label=label, steps=STEPS)
    if baseline:
        benchmark.extra_info["baseline"] = baseline
    benchmark.pedantic(function, rounds=ROUNDS, warmup_rounds=2)


def hypernetwork_on(samples, task):
    """A template that has begun task `task` (counted from 0)."""
    template = Hnet().build(setup_of(Scenario.TASK, iterations=2))
    stream = stream_of(samples, Scenario.TASK)
    for experience in stream[: task + 1]:
        template.train(experience, eval_streams=[])
    return template, stream


@pytest.mark.parametrize("task", [0, 4])
class TestHypernetworkStep:
    def test_template(self, benchmark, samples, task):
        template, stream = hypernetwork_on(samples, task)
        template.setup = setup_of(Scenario.TASK)

        def train():
            template.tasks_seen = task  # the same experience again
            template.train(stream[task], eval_streams=[])

        measure(benchmark, train, f"HNET step, {task} old tasks", "Avalanche template")

    def test_bare_loop(self, benchmark, samples, task):
        template, _ = hypernetwork_on(samples, task)
        model, batches = template.classifier, batches_of(samples)
        theta = model.hypernetwork.theta
        optimiser = torch.optim.Adam([*theta, model.hypernetwork.task_embeddings[task]], lr=1e-3, fused=True)
        lookahead = AdamLookahead(optimiser, theta)
        regulariser = GramRegulariser(model.hypernetwork, task, 0.01) if task else None

        def train():
            for x, y, _ in itertools.islice(batches, STEPS):
                optimiser.zero_grad()
                functional.cross_entropy(model.head(x, task), y).backward()
                if regulariser:
                    regulariser.add_gradient(lookahead.parameters(), [parameter.grad for parameter in theta])
                optimiser.step()

        measure(benchmark, train, f"HNET step, {task} old tasks", "bare loop", baseline="bare loop")

    def test_plain_autograd(self, benchmark, samples, task):
        template, _ = hypernetwork_on(samples, task)
        model, batches = template.classifier, batches_of(samples)
        hypernetwork = model.hypernetwork
        theta = hypernetwork.theta
        optimiser = torch.optim.Adam([*theta, hypernetwork.task_embeddings[task]], lr=1e-3)
        lookahead = AdamLookahead(optimiser, theta)
        targets = [hypernetwork(old).detach() for old in range(task)]

        def train():
            for x, y, _ in itertools.islice(batches, STEPS):
                optimiser.zero_grad()
                functional.cross_entropy(model.head(x, task), y).backward()
                if targets:
                    at = [tensor.clone().requires_grad_() for tensor in lookahead.parameters()]
                    extra = torch.autograd.grad(plain_loss(hypernetwork, at, targets, 0.01), at)
                    for parameter, gradient in zip(theta, extra, strict=True):
                        parameter.grad.add_(gradient)
                optimiser.step()

        measure(benchmark, train, f"HNET step, {task} old tasks", "plain regulariser by autograd")

    def test_floor(self, benchmark, task):
        x, h1, h2 = torch.rand(128, 784), torch.rand(128, 400), torch.rand(128, 400)
        w1, w2 = torch.rand(400, 784), torch.rand(400, 400)

        def products():
            for _ in range(STEPS):
                x @ w1.t(), h1 @ w2.t(), h2 @ w2, h2.t() @ h1, h1.t() @ x

        measure(benchmark, products, f"HNET step, {task} old tasks", "floor: target network's products", "floor")


class TestClassifierStep:
    def test_template(self, benchmark, samples):
        template = ClassifierTemplate(setup=setup_of(Scenario.DOMAIN))
        stream = stream_of(samples, Scenario.DOMAIN)

        def train():
            template.tasks_seen = 0
            template.train(stream[0], eval_streams=[])

        measure(benchmark, train, "ordinary classifier step", "Avalanche template")

    def test_bare_loop(self, benchmark, samples):
        model, batches = Mlp(setup_of(Scenario.DOMAIN)), batches_of(samples)
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

        def train():
            for x, y, _ in itertools.islice(batches, STEPS):
                optimiser.zero_grad()
                functional.cross_entropy(model(x), y).backward()
                optimiser.step()

        measure(benchmark, train, "ordinary classifier step", "bare loop", baseline="bare loop")
