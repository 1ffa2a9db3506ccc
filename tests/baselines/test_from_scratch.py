"""Separate networks: one for each task, none of which the others change."""

import pytest
import torch

from baselines.from_scratch import FromScratch
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol


def built(benchmark=None):
    protocol = TrainingProtocol(iterations=60, batch_size=16, hidden_units=(10, 5), learning_rate=1e-2)
    torch.manual_seed(0)
    facts = (benchmark or Synthetic()).facts
    return FromScratch().build(Setup(scenario=Scenario.TASK, facts=facts, protocol=protocol, seed=1))


def weights(template):
    return [torch.cat([values.detach().flatten() for values in net.parameters()]) for net in template.model.networks]


def test_each_experience_trains_its_own_network_alone_with_an_adam_of_its_own():
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche.train_stream
    template = built()
    before = weights(template)
    assert not torch.equal(before[0], before[1])
    for index, experience in enumerate(stream):
        template.train(experience, eval_streams=[])
        after = weights(template)
        moved = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
        assert moved == [task == index for task in range(3)]
        assert {int(state["step"]) for state in template.optimizer.state.values()} == {60}
        before = after


def test_every_sample_goes_through_the_network_of_its_task():
    model = built().model
    x, tasks = torch.rand(10, 12), torch.tensor([2, 0, 0, 1, 2, 1, 0, 2, 1, 1])
    expected = torch.stack([model.networks[task](sample[None])[0] for sample, task in zip(x, tasks, strict=True)])
    torch.testing.assert_close(model(x, tasks), expected)
    torch.testing.assert_close(model(x, 1), model.networks[1](x))
    torch.testing.assert_close(model(x, None)[2], model.networks[2](x))


def test_nothing_is_forgotten():
    benchmark = Synthetic().build(scenario=Scenario.TASK, seed=1)
    template, evaluator = built(), Evaluator(benchmark)
    after = []
    for experience in benchmark.avalanche.train_stream:
        template.train(experience, eval_streams=[])
        after.append(evaluator.evaluate(template).score)
    assert [after[index][index] for index in range(3)] == after[-1]
    assert min(after[-1]) > 0.9


@pytest.mark.parametrize("experiences", [1, 4])
def test_all_networks_count_as_trained(experiences):
    one = (12 * 10 + 10) + (10 * 5 + 5) + (5 * 2 + 2)
    counts = built(Synthetic(experiences=experiences)).parameter_counts()
    assert counts == {"trained": experiences * one, "target": one}
