"""What a method keeps and takes, as measured, is what one computes by hand from its definition."""

import os
import subprocess
import sys

import pytest

from hnet_bench.avalanche_adapter import operations
from hnet_bench.avalanche_adapter.benchmark import Samples
from hnet_bench.avalanche_adapter.images import ImageSamples
from hnet_bench.avalanche_adapter.operations import counter, operations_of_a_step
from hnet_bench.interfaces import Scenario
from hnet_bench.runs.run import run
from hnet_bench.runs.spec import resolve

# Inputs, hidden units and outputs of the network, samples of a batch, of a class, and of an experience.
INPUTS, HIDDEN, OUTPUTS, BATCH, OF_CLASS, GIVEN = 12, 24, 6, 16, 100, 200
NETWORK = INPUTS * HIDDEN + HIDDEN + HIDDEN * OUTPUTS + OUTPUTS
WEIGHTS, LAST = INPUTS * HIDDEN + HIDDEN * OUTPUTS, HIDDEN * OUTPUTS
# Forward, and backward by the weights of both layers and by the inputs of the last, a multiplication and an addition
# each.
STEP = 2 * BATCH * (2 * WEIGHTS + LAST)


def measured(strategy, scenario=Scenario.CLASS, iterations=12, **hyperparameters):
    spec = resolve(
        benchmark={"name": "synthetic"},
        scenario=scenario,
        protocol={"iterations": iterations, "batch_size": BATCH, "hidden_units": [HIDDEN]},
        strategy=strategy,
        hyperparameters=hyperparameters,
        seed=1,
        where="a test",
    )
    found = run(spec).measured
    assert (found["network"], found["step_operations"], found["given"]) == (NETWORK, STEP, 3 * [GIVEN])
    return found


def stored(count):
    """What keeping so many samples of each experience takes, in samples and bytes."""
    return [count, 2 * count, 3 * count], [4 * INPUTS * number for number in (count, 2 * count, 3 * count)]


# Numbers beside the network after an experience, stored samples apart; those that are held while the third is learnt
# beside all that; samples stored of each experience.
PENALTY = 2 * NETWORK + 1  # importances, the weights that they are about, and the constant of the quadratic
KEPT = {
    "finetune": (0, 0, 0),
    "ewc": (PENALTY, 0, 0),
    "online_ewc": (PENALTY, 0, 0),
    "mas": (PENALTY, 0, 0),
    "si": (PENALTY, 2 * NETWORK, 0),  # the weights that an experience begins with, and what moving each has gained
    "lwf": (0, NETWORK, 0),  # the old classifier
    "joint": (0, 0, GIVEN),
    "icarl": (2 * HIDDEN, None, 100),  # means of the features of 2, 4 and 6 classes
}


@pytest.mark.parametrize("strategy", KEPT)
def test_memory_of_methods_is_what_their_definitions_say(strategy):
    beside, held, samples = KEPT[strategy]
    found = measured(strategy, **({"per_class": 50} if strategy == "icarl" else {}))
    numbers = [beside * (seen if strategy == "icarl" else 1) for seen in (1, 2, 3)]
    of_samples, sample_bytes = stored(samples)
    assert [one["samples"] for one in found["kept"]] == of_samples
    assert [one["sample_bytes"] for one in found["kept"]] == sample_bytes
    expected = [4 * (NETWORK + more) + stored for more, stored in zip(numbers, sample_bytes, strict=True)]
    assert [one["bytes"] for one in found["kept"]] == expected
    if held is not None:
        assert found["held_bytes"][2] == expected[2] + 4 * held


def test_a_generator_is_kept_and_its_decoder_copied_for_each_experience():
    found = measured("dgr")
    latent = 100
    encoder = INPUTS * HIDDEN + HIDDEN + HIDDEN * latent + latent + HIDDEN * latent
    decoder = latent * HIDDEN + HIDDEN + HIDDEN * INPUTS + INPUTS
    kept = 4 * (NETWORK + encoder + decoder)
    assert [one["bytes"] for one in found["kept"]] == 3 * [kept]
    # The old classifier and decoder, and 8 batches that were generated at once, with the old classifier's outputs.
    held = kept + 4 * (NETWORK + decoder + 8 * BATCH * (INPUTS + OUTPUTS))
    assert found["held_bytes"] == [kept, held, held]


def test_a_hypernetwork_is_kept_with_its_embeddings_and_an_old_copy_while_it_learns():
    sizes = {"chunk_size": 100, "hidden_units": [10], "task_embedding_size": 8, "chunk_embedding_size": 7}
    found = measured("hnet", Scenario.TASK, **sizes)
    chunks = -(-NETWORK // 100)
    theta = (8 + 7) * 10 + 10 + 10 * 100 + 100 + chunks * 7
    kept = 4 * (theta + 3 * 8)
    assert [one["bytes"] for one in found["kept"]] == 3 * [kept]
    assert all(one["samples"] == 0 for one in found["kept"])
    assert found["held_bytes"][0] == kept
    # At least the old last layer, twice over, and the parameters at which the regulariser is taken.
    assert found["held_bytes"][1] >= kept + 4 * (2 * 11 * 100 + theta)


@pytest.mark.parametrize(
    ("strategy", "of_later_step", "beside"),
    [
        ("finetune", STEP, 0),
        ("er", 2 * STEP, 0),
        ("lwf", STEP + 2 * BATCH * WEIGHTS, 0),  # the old classifier's forward pass
        # For the Fisher matrix, after all but the last: forward, backward by layers' outputs, a product of squares.
        ("ewc", STEP, 2 * GIVEN * (2 * WEIGHTS + LAST)),
    ],
)
def test_operations_are_those_of_all_matrix_products(strategy, of_later_step, beside):
    found = measured(strategy, iterations=15)
    assert found["operations"] == [15 * STEP + beside, 15 * of_later_step + beside, 15 * of_later_step]


def test_the_steps_that_are_counted_stand_for_the_others(monkeypatch):
    # A method that replays generates inputs for 8 steps at a time: at steps 1, 9, 17 and 25.
    some = measured("dgr", iterations=25)
    monkeypatch.setattr(operations, "SAMPLED", 100)
    assert measured("dgr", iterations=25)["operations"] == some["operations"]


def test_products_are_counted_whatever_computes_them():
    import torch

    from hnet_bench.nets import products

    small, large = torch.ones(4, 5), torch.ones(300, 300)
    for compute, expected in (
        (lambda: products.product(small, small.t()), 2 * 4 * 5 * 4),
        (lambda: products.product(large, large), 2 * 300**3),
        (lambda: products.affine(large, large, torch.ones(300), relu=True), 2 * 300**3),
        (lambda: products.add_product(large.clone(), large, large), 2 * 300**3),
        (lambda: products.add_product(torch.ones(4, 4), small, small.t()), 2 * 4 * 5 * 4),
        (lambda: large.mv(large[0]), 2 * 300**2),
        (lambda: torch.addmv(large[0], large, large[0]), 2 * 300**2),
        (lambda: large[0].dot(large[0]), 2 * 300),
        (lambda: torch.nn.functional.conv2d(torch.ones(1, 2, 5, 5), torch.ones(3, 2, 3, 3)), 2 * 3 * 9 * 2 * 9),
        (lambda: large + large, 0),
    ):
        with counter() as found:
            compute()
        assert found.get_total_flops() == expected


@pytest.mark.parametrize("network", ["resnet32", "zenke"])
def test_a_step_of_a_network_of_fixed_architecture_is_counted_without_its_data(setup_of, network):
    from hnet_bench.benchmarks.synthetic import Synthetic

    one, two = (
        operations_of_a_step(setup_of(stream=Synthetic(image_side=12), network=network, batch_size=size))
        for size in (8, 16)
    )
    assert 0 < 2 * one == two


def test_bytes_of_images_are_those_in_which_they_are_stored():
    import torch

    y = torch.zeros(2, dtype=torch.int64)
    assert Samples(torch.zeros(2, 3, 4, 4), y).input_bytes == 4 * 48
    assert ImageSamples(torch.zeros(2, 4, 4, 3, dtype=torch.uint8), y).input_bytes == 48


def test_looking_for_stored_samples_takes_little_memory_however_many_experiences_there_were():
    """In a process as runs have theirs, which takes memory for large arrays from the heap."""
    script = """
import resource, torch
from hnet_bench.avalanche_adapter import measured
from hnet_bench.avalanche_adapter.benchmark import Samples
torch.set_num_threads(1)
samples = Samples(torch.randint(0, 255, (20_000, 1, 32, 32), dtype=torch.uint8), torch.zeros(20_000, dtype=torch.long))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
measured._samples_among([torch.rand(1024 * 100)], [samples] * 4, 1024)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(512 << 20)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], env=environment, capture_output=True, text=True
    )
    assert int(done.stdout) < 150, done.stderr  # MiB; it were 980 before sums had one array
