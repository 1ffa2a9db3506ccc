"""Multi-task learning mixes all tasks in a batch where one head serves them."""

import torch

from baselines.joint import MultiTask
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.regression_1d import Regression1d
from hnet_bench.interfaces import Scenario

CURVES = Regression1d()
OPTIONS = {"stream": CURVES, "batch_size": 32, "hidden_units": (10, 10)}


def test_batches_have_the_protocols_size_and_mix_the_tasks_at_random(built, recorded, stream_of):
    template = built(MultiTask(incremental=False), Scenario.TASK, iterations=50, **OPTIONS)
    steps = recorded(template)
    template.train(stream_of(Scenario.TASK, CURVES), eval_streams=[])
    assert len(steps) == 3 * 50
    assert {len(step.x) for step in steps} == {32}
    # The tasks lie in intervals of their own: below -1.5, about 0, above 1.5.
    shares = torch.tensor([[(s.x < -1.5).sum(), (s.x.abs() < 1.5).sum(), (s.x > 1.5).sum()] for s in steps])
    assert shares.sum(dim=0).tolist() == [1600, 1600, 1600]  # 16 passes over 100 samples of each
    assert shares.float().std(dim=0).min() > 1


def test_without_heads_the_task_label_makes_no_difference(learnt):
    models = [
        learnt(MultiTask(incremental=False), scenario, iterations=30, **OPTIONS).model.parameters()
        for scenario in (Scenario.TASK, Scenario.DOMAIN)
    ]
    assert all(torch.equal(one, other) for one, other in zip(*models, strict=True))


def test_one_network_learns_all_functions(learnt):
    template = learnt(MultiTask(incremental=False), Scenario.TASK, iterations=400, **OPTIONS)
    assert max(Evaluator(CURVES.build(scenario=Scenario.TASK, seed=1)).evaluate(template).score) < 0.05


def test_incremental_training_goes_on_with_what_was_seen(built, recorded, stream_of):
    template = built(MultiTask(incremental=True), Scenario.TASK, iterations=10, **OPTIONS)
    steps = recorded(template)
    template.train(stream_of(Scenario.TASK, CURVES), eval_streams=[])
    assert len(steps) == 30
    assert max(float(step.x.max()) for step in steps[:10]) < -1.5
