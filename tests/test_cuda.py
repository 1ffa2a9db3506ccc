"""The same code on a GPU: every strategy learns there what it learns on the CPU, and goes on from a checkpoint."""

import pytest
import torch

from hnet_bench import catalog
from hnet_bench.avalanche_adapter.checkpoint import restore_state, save_state
from hnet_bench.benchmarks.permuted_mnist import PermutedMnist
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.conformance.smoke_run import PROTOCOL
from hnet_bench.interfaces import Scenario, Setup
from hnet_bench.nets.hypernetwork import ChunkedHypernetwork, HypernetworkShape
from hnet_bench.nets.regulariser import GramRegulariser, plain_loss
from hnet_bench.runs.learning import build_template
from hnet_bench.runs.run import run

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no CUDA device here.")

CASES = [
    (name, scenario) for name in catalog.names("strategies") for scenario in catalog.strategy_class(name).scenarios
]


@pytest.mark.parametrize(("name", "scenario"), CASES)
def test_scores_are_those_of_the_cpu_up_to_rounding(name, scenario, spec_of):
    protocol = {"iterations": 60, "batch_size": 16, "learning_rate": 0.01, "hidden_units": [24]}
    spec = spec_of(scenario=scenario, protocol=protocol, strategy=name)
    on_cpu, on_gpu = run(spec, device="cpu"), run(spec, device="cuda")
    # What is learnt first has had little time to part; later scores may differ by more than rounding.
    assert on_gpu.score[0][0] == pytest.approx(on_cpu.score[0][0], abs=0.05)


@pytest.mark.parametrize(("name", "scenario"), CASES)
def test_everything_stays_on_the_device_and_goes_on_from_a_checkpoint(name, scenario):
    stream = Synthetic()
    setup = Setup(scenario=scenario, facts=stream.facts, protocol=PROTOCOL, seed=1, device="cuda")
    benchmark = stream.build(scenario=scenario, seed=1)
    first = build_template(catalog.strategy_class(name)(), setup)
    first.train(benchmark.avalanche.train_stream[0], eval_streams=[])
    assert all(parameter.is_cuda for parameter in first.model.parameters())
    second = build_template(catalog.strategy_class(name)(), setup)
    restore_state(second, save_state(first))
    for template in (first, second):
        torch.cuda.manual_seed_all(0)
        template.train(benchmark.avalanche.train_stream[1], eval_streams=[])
    pairs = zip(first.model.parameters(), second.model.parameters(), strict=True)
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_the_regulariser_equals_the_plain_formula():
    torch.manual_seed(0)
    shape = HypernetworkShape(
        generated=25,
        tasks=4,
        chunk_size=10,
        hidden_units=(6,),
        activation="elu",
        task_embedding_size=5,
        chunk_embedding_size=4,
    )
    hypernetwork = ChunkedHypernetwork(shape).double().cuda()
    targets = [hypernetwork(task).detach() for task in range(3)]
    regulariser = GramRegulariser(hypernetwork, 3, 0.3)
    theta = [tensor.detach() + 0.1 * torch.randn_like(tensor) for tensor in hypernetwork.theta]
    gradients = [torch.zeros_like(tensor) for tensor in theta]
    regulariser.add_gradient(theta, gradients)
    reference = [tensor.clone().requires_grad_() for tensor in theta]
    expected = torch.autograd.grad(plain_loss(hypernetwork, reference, targets, 0.3), reference)
    for found, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


def test_permuted_experiences_share_one_copy_of_the_images_on_the_device(mnist_folder):
    benchmark = PermutedMnist(experiences=3).build(scenario=Scenario.DOMAIN, seed=1, folder=mnist_folder)
    device = torch.device("cuda")
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    on_device = [samples.to(device) for samples in benchmark.train]
    grown = torch.cuda.memory_allocated() - before
    assert grown < 1.1 * (60_000 * 1024 * 4 + 60_000 * 8)
    assert all(samples.take(torch.arange(5, device=device)).is_cuda for samples in on_device)
