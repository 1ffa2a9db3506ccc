"""Multi-task learning mixes all tasks in a batch where one head serves them."""

import torch

from baselines.multi_task import MultiTask
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol


class Batches:
    def __init__(self):
        self.inputs = []

    def before_forward(self, strategy, **kwargs):
        self.inputs.append(strategy.mb_x.clone())


def learnt(scenario, incremental=False, iterations=400):
    torch.manual_seed(0)
    benchmark = Regression1d().build(scenario=scenario, seed=1)
    protocol = TrainingProtocol(iterations=iterations, batch_size=32, learning_rate=1e-2, hidden_units=(10, 10))
    setup = Setup(scenario=scenario, facts=benchmark.facts, protocol=protocol, seed=1)
    template, batches = MultiTask(incremental=incremental).build(setup), Batches()
    template.plugins.append(batches)
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
    return template, batches, benchmark


def test_batches_have_the_protocols_size_and_mix_the_tasks_at_random():
    _, batches, _ = learnt(Scenario.TASK, iterations=50)
    assert len(batches.inputs) == 3 * 50
    assert {len(x) for x in batches.inputs} == {32}
    # The tasks lie in intervals of their own: below -1.5, about 0, above 1.5.
    shares = torch.tensor([[(x < -1.5).sum(), (x.abs() < 1.5).sum(), (x > 1.5).sum()] for x in batches.inputs])
    assert shares.sum(dim=0).tolist() == [1600, 1600, 1600]  # 16 passes over 100 samples of each
    assert shares.float().std(dim=0).min() > 1


def test_without_heads_the_task_label_makes_no_difference():
    with_label, _, _ = learnt(Scenario.TASK, iterations=30)
    without, _, _ = learnt(Scenario.DOMAIN, iterations=30)
    pairs = zip(with_label.model.parameters(), without.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_one_network_learns_all_functions():
    template, _, benchmark = learnt(Scenario.TASK)
    assert max(Evaluator(benchmark).evaluate(template).score) < 0.05


def test_incremental_training_goes_on_with_what_was_seen():
    _, batches, _ = learnt(Scenario.TASK, incremental=True, iterations=10)
    assert len(batches.inputs) == 30
    assert max(float(x.max()) for x in batches.inputs[:10]) < -1.5
