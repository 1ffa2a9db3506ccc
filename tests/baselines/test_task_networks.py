"""XdG, whose tasks gate units of their own, and separate networks: what belongs to each task, one sample at a time."""

import pytest
import torch

from baselines.finetune import Finetune
from baselines.from_scratch import FromScratch
from baselines.training.task_networks import GatedMlp
from baselines.xdg import Xdg
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario


@pytest.fixture
def gated(setup_of):
    """Makes the network of XdG."""

    def make(fraction, *, hidden_units=(30, 7), seed=1, before_bias=True):
        setup = setup_of(Scenario.TASK, hidden_units=hidden_units, seed=seed)
        return GatedMlp(setup, fraction, before_bias=before_bias)

    return make


@pytest.mark.parametrize(
    ("fraction", "units"), [(0.0, [0, 0]), (0.5, [15, 3]), (0.55, [16, 3]), (0.95, [28, 6]), (0.99, [29, 6])]
)
def test_every_task_gates_exactly_so_many_units_of_every_layer(fraction, units, gated):
    gates = gated(fraction).gates
    assert [tuple(layer.shape) for layer in gates] == [(3, 30), (3, 7)]
    for layer, count in zip(gates, units, strict=True):
        assert (layer == 0).sum(1).tolist() == [count] * 3
        assert (layer == 1).sum(1).tolist() == [layer.shape[1] - count] * 3


def test_gates_are_drawn_for_each_task_with_the_seed_alone(gated):
    one, again, other = (gated(0.5, seed=seed).gates[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert len({tuple(row.tolist()) for row in one}) == 3


@pytest.mark.parametrize("before_bias", [True, False])
def test_outputs_are_those_of_a_loop_over_samples_and_units(before_bias, gated):
    """With mixed task labels, with one label for all, and without any."""
    torch.manual_seed(0)
    model = gated(0.4, hidden_units=(9, 5), before_bias=before_bias).double()
    x, tasks = torch.rand(12, 12, dtype=torch.float64), torch.arange(12) % 3
    layers = [layer for layer in model.mlp.hidden if isinstance(layer, torch.nn.Linear)]

    def unit(layer, gate, values, number):
        before = layer.weight[number] @ values
        if before_bias:
            return (gate[number] * before + layer.bias[number]).clamp(min=0)
        return gate[number] * (before + layer.bias[number]).clamp(min=0)

    def plain(sample, task):
        values = sample
        for layer, gates in zip(layers, model.gates, strict=True):
            values = torch.stack([unit(layer, gates[task], values, number) for number in range(len(layer.bias))])
        return (model.mlp.output.weight @ values + model.mlp.output.bias)[2 * task : 2 * task + 2]

    every = torch.stack([torch.stack([plain(sample, task) for sample in x]) for task in range(3)])
    torch.testing.assert_close(model(x, tasks), every[tasks, torch.arange(12)])
    for task in range(3):
        torch.testing.assert_close(model(x, task), every[task])
        torch.testing.assert_close(model(x, None)[task], every[task])


def test_without_gates_it_is_fine_tuning_bit_for_bit(learnt):
    templates = [learnt(strategy, Scenario.TASK) for strategy in (Xdg(gated_fraction=0.0, gate="after"), Finetune())]
    weights = [torch.cat([parameter.flatten() for parameter in one.model.parameters()]) for one in templates]
    assert torch.equal(*weights)


def test_gates_of_other_tasks_make_another_answer(learnt):
    """The evaluation goes through the gates of the task that is asked for."""
    benchmark = Synthetic().build(scenario=Scenario.TASK, seed=1)
    template = learnt(Xdg(gated_fraction=0.5), Scenario.TASK, iterations=30, hidden_units=(30, 7))
    model, x = template.model, benchmark.test[0].x
    expected = [(model(test.x, task).argmax(1) == test.y).float().mean() for task, test in enumerate(benchmark.test)]
    assert Evaluator(benchmark).evaluate(template).score == pytest.approx([float(score) for score in expected])
    before = model(x, 0)
    for gates in model.gates:
        gates[0] = gates[1]
    assert not torch.equal(model(x, 0), before)
    target = 12 * 30 + 30 + 30 * 7 + 7 + 7 * 6 + 6
    assert template.parameter_counts() == {"trained": target, "target": target, "stored_values": 3 * 37}


def weights_of_networks(template):
    return [torch.cat([values.detach().flatten() for values in net.parameters()]) for net in template.model.networks]


def test_each_experience_trains_its_own_network_alone_with_an_adam_of_its_own(built):
    """So nothing is forgotten."""
    benchmark = Synthetic().build(scenario=Scenario.TASK, seed=1)
    template, evaluator = built(FromScratch(), Scenario.TASK, iterations=60), Evaluator(benchmark)
    before, scores = weights_of_networks(template), []
    assert not torch.equal(before[0], before[1])
    for index, experience in enumerate(benchmark.avalanche.train_stream):
        template.train(experience, eval_streams=[])
        after = weights_of_networks(template)
        moved = [not torch.equal(old, new) for old, new in zip(before, after, strict=True)]
        assert moved == [task == index for task in range(3)]
        assert {int(state["step"]) for state in template.optimizer.state.values()} == {60}
        before = after
        scores.append(evaluator.evaluate(template).score)
    assert [scores[index][index] for index in range(3)] == scores[-1]
    assert min(scores[-1]) > 0.9


def test_every_sample_goes_through_the_network_of_its_task(built):
    model = built(FromScratch(), Scenario.TASK).model
    x, tasks = torch.rand(10, 12), torch.tensor([2, 0, 0, 1, 2, 1, 0, 2, 1, 1])
    expected = torch.stack([model.networks[task](sample[None])[0] for sample, task in zip(x, tasks, strict=True)])
    torch.testing.assert_close(model(x, tasks), expected)
    torch.testing.assert_close(model(x, 1), model.networks[1](x))
    torch.testing.assert_close(model(x, None)[2], model.networks[2](x))


@pytest.mark.parametrize("experiences", [1, 4])
def test_all_networks_count_as_trained(experiences, built):
    one = (12 * 10 + 10) + (10 * 5 + 5) + (5 * 2 + 2)
    template = built(FromScratch(), Scenario.TASK, stream=Synthetic(experiences=experiences), hidden_units=(10, 5))
    assert template.parameter_counts() == {"trained": experiences * one, "target": one}
