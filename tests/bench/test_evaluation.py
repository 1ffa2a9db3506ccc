"""Evaluation with inferred task (HNET+ENT on split MNIST in CL3): ours, the authors' way with hypnettorch, the floor.

The authors test with batch size 1 and generate every task's parameters anew for every sample. The floor are the matrix
products of every task's network on all samples.
"""

import itertools

import torch

from hnet_bench.avalanche_adapter.benchmark import Samples, in_memory_benchmark
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.avalanche_adapter.template import EVALUATION_BATCH, head_columns
from hnet_bench.interfaces import Scenario
from hnet_bench.strategies.hnet_ent import HnetEnt

THEIR_SAMPLES = 20


def test_inferred_task(in_turns, experiments, theirs, matrix_products):
    experiment = experiments["split MNIST"]
    tasks = experiment.facts.experiences
    setup = experiment.setup(Scenario.CLASS)
    torch.manual_seed(0)
    template = HnetEnt().build(setup)
    template.tasks_seen = tasks
    parts = [Samples(torch.rand(2000, 1, 28, 28), torch.randint(0, 10, (2000,))) for _ in range(tasks)]
    evaluator = Evaluator(
        in_memory_benchmark(facts=experiment.facts, scenario=Scenario.CLASS, train=parts, test=parts, data_sums={})
    )
    twin = theirs(template.classifier)

    @torch.no_grad()
    def sample_by_sample():
        for index in range(THEIR_SAMPLES):
            x = parts[0].x[index : index + 1]
            heads = torch.cat([twin.outputs(x, task)[:, head_columns(setup, task)] for task in range(tasks)])
            probabilities = heads.softmax(dim=1)
            inferred = int(-(probabilities * probabilities.log()).sum(dim=1).argmin())
            heads[inferred].argmax()

    widths = itertools.pairwise(template.classifier.target.shape.widths)
    products = matrix_products(*((EVALUATION_BATCH, fan_in, fan_out) for fan_in, fan_out in widths))

    def floor():
        for _ in range(tasks):
            products()

    in_turns.add("batched, through the Evaluator", lambda: evaluator.evaluate(template), steps=10_000)
    in_turns.add("hypnettorch, sample by sample", sample_by_sample, steps=THEIR_SAMPLES, baseline="hypnettorch")
    in_turns.add("floor: matrix products", floor, steps=EVALUATION_BATCH, baseline="floor")
    in_turns.run("evaluation of HNET+ENT, 5 tasks, per sample", rounds=3)
