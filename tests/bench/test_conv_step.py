"""A step of HNET on split CIFAR's sizes with ResNet-32, without old tasks and with five, and what it is made of.

The authors' code takes 110 ms without old tasks and 232 ms with five, with two threads and the same batch of 32, where
it was measured (an AMD processor, Zen 4). Here there is one thread.
"""

import itertools

import pytest
import torch
from torch.nn import functional

from hnet_bench.avalanche_adapter.batches import InfiniteBatches
from hnet_bench.avalanche_adapter.benchmark import in_memory_benchmark
from hnet_bench.avalanche_adapter.images import ImageSamples
from hnet_bench.interfaces import BenchmarkFacts, Scenario, Setup, TrainingProtocol
from hnet_bench.strategies.hnet_conv import HnetConv

FACTS = BenchmarkFacts(experiences=6, classes_per_experience=10, input_shape=(3, 32, 32))
BATCH = 32
STEPS = 8


def setup_of(iterations):
    protocol = TrainingProtocol(iterations=iterations, batch_size=BATCH, network="resnet32", hidden_units=())
    return Setup(scenario=Scenario.TASK, facts=FACTS, protocol=protocol, seed=1)


@pytest.fixture(scope="module")
def samples():
    torch.manual_seed(0)
    images = torch.randint(256, (2000, 32, 32, 3), dtype=torch.uint8)
    return ImageSamples(images, torch.randint(10, (2000,)), augmented=True)


@pytest.mark.parametrize("task", [0, 5])
def test_resnet_step(in_turns, samples, task):
    tiny = ImageSamples(torch.zeros(10, 32, 32, 3, dtype=torch.uint8), torch.arange(10))
    stream = in_memory_benchmark(
        facts=FACTS, scenario=Scenario.TASK, train=[samples] * 6, test=[tiny] * 6, data_sums={}
    ).avalanche.train_stream
    torch.manual_seed(0)
    settings = {"chunk_size": 7000, "hidden_units": (), "task_embedding_size": 32, "chunk_embedding_size": 32}
    template = HnetConv(**settings, regularisation_strength=0.05).build(setup_of(1))
    for experience in list(stream)[:task]:
        template.train(experience, eval_streams=[])
    model, parameters = template.classifier, torch.randn(template.classifier.target.layout.parameters)
    flat = (0.1 * parameters).requires_grad_()
    x, y = samples.take(torch.arange(BATCH)), samples.y[:BATCH]
    batches = InfiniteBatches(
        samples, task_label=0, batch_size=BATCH, generator=torch.Generator(), device=torch.device("cpu")
    )

    def trained():
        template.tasks_seen = task  # the same task once more
        del template.classes_of[task:]
        template.setup = setup_of(STEPS)
        template.train(stream[task], eval_streams=[])

    def target_network():
        for _ in range(STEPS):
            loss = functional.cross_entropy(model.target(x, flat, task)[:, :10], y)
            torch.autograd.grad(loss, flat)

    in_turns.add("Avalanche template", trained, steps=STEPS)
    in_turns.add("target network, there and back", target_network, steps=STEPS, baseline="target network")
    in_turns.add("batches, augmented", lambda: list(itertools.islice(batches, STEPS)), steps=STEPS)
    in_turns.run(f"HNET step of split CIFAR with ResNet-32, {task} old tasks", rounds=3)
