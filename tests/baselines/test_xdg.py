"""XdG: how many units are gated, and what gating does, one sample and one unit at a time."""

import pytest
import torch

from baselines.finetune import Finetune
from baselines.training.xdg import GatedMlp
from baselines.xdg import Xdg
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol, UserError


def setup_of(seed=1, hidden_units=(30, 7)):
    protocol = TrainingProtocol(iterations=30, batch_size=16, hidden_units=hidden_units, learning_rate=1e-2)
    return Setup(scenario=Scenario.TASK, facts=Synthetic().facts, protocol=protocol, seed=seed)


def built(settings, **changes):
    torch.manual_seed(0)
    return settings.build(setup_of(**changes))


@pytest.mark.parametrize(
    ("fraction", "gated"), [(0.0, [0, 0]), (0.5, [15, 3]), (0.55, [16, 3]), (0.95, [28, 6]), (0.99, [29, 6])]
)
def test_every_task_gates_exactly_so_many_units_of_every_layer(fraction, gated):
    gates = GatedMlp(setup_of(), Xdg(gated_fraction=fraction)).gates
    assert [tuple(layer.shape) for layer in gates] == [(3, 30), (3, 7)]
    for layer, count in zip(gates, gated, strict=True):
        assert (layer == 0).sum(1).tolist() == [count] * 3
        assert (layer == 1).sum(1).tolist() == [layer.shape[1] - count] * 3


def test_gates_are_drawn_for_each_task_with_the_seed_alone():
    one, again, other = (GatedMlp(setup_of(seed), Xdg(gated_fraction=0.5)).gates[0] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert len({tuple(row.tolist()) for row in one}) == 3


@pytest.mark.parametrize("gate", ["before_bias", "after"])
def test_outputs_are_those_of_a_loop_over_samples_and_units(gate):
    """With mixed task labels, with one label for all, and without any."""
    torch.manual_seed(0)
    model = GatedMlp(setup_of(hidden_units=(9, 5)), Xdg(gated_fraction=0.4, gate=gate)).double()
    x, tasks = torch.rand(12, 12, dtype=torch.float64), torch.arange(12) % 3
    first, second = (layer for layer in model.mlp.hidden if isinstance(layer, torch.nn.Linear))

    def plain(sample, task):
        values = sample
        for layer, gates in zip((first, second), model.gates, strict=True):
            before = [layer.weight[unit] @ values for unit in range(len(layer.bias))]
            if gate == "before_bias":
                values = torch.stack(
                    [(gates[task, u] * value + layer.bias[u]).clamp(min=0) for u, value in enumerate(before)]
                )
            else:
                values = torch.stack(
                    [gates[task, u] * (value + layer.bias[u]).clamp(min=0) for u, value in enumerate(before)]
                )
        return (model.mlp.output.weight @ values + model.mlp.output.bias)[2 * task : 2 * task + 2]

    every = torch.stack([torch.stack([plain(sample, task) for sample in x]) for task in range(3)])
    torch.testing.assert_close(model(x, tasks), every[tasks, torch.arange(12)])
    for task in range(3):
        torch.testing.assert_close(model(x, task), every[task])
        torch.testing.assert_close(model(x, None)[task], every[task])


def test_a_gated_unit_gives_its_bias_or_nothing():
    """A network of one hidden layer whose gated units have the bias 2: their weights never matter, their bias may."""
    x = torch.rand(4, 12)
    for gate, expected in (("before_bias", 2.0), ("after", 0.0)):
        model = GatedMlp(setup_of(hidden_units=(10,)), Xdg(gated_fraction=0.9, gate=gate))
        (layer,) = (layer for layer in model.mlp.hidden if isinstance(layer, torch.nn.Linear))
        with torch.no_grad():
            open_unit = int(model.gates[0][1].argmax())
            layer.bias.fill_(2.0)
            layer.bias[open_unit] = 0
            layer.weight[open_unit] = 0
            model.mlp.output.weight.fill_(1 / 9)
            model.mlp.output.bias.zero_()
        assert model(x, 1).flatten().tolist() == pytest.approx([expected] * 8)


def test_weights_into_gated_units_are_not_trained():
    model = GatedMlp(setup_of(), Xdg(gated_fraction=0.5))
    model(torch.rand(8, 12), 2).square().sum().backward()
    into = model.mlp.hidden[1].weight.grad.abs().sum(1)
    closed = model.gates[0][2] == 0
    assert not into[closed].any()
    assert into[~closed].any()


def test_without_gates_it_is_fine_tuning_bit_for_bit():
    stream = Synthetic().build(scenario=Scenario.TASK, seed=1).avalanche.train_stream
    weights = []
    for settings in (Xdg(gated_fraction=0.0, gate="after"), Finetune()):
        template = built(settings)
        template.train(stream, eval_streams=[])
        weights.append(torch.cat([parameter.flatten() for parameter in template.model.parameters()]))
    assert torch.equal(*weights)


def test_gates_of_other_tasks_make_another_answer():
    """The evaluation goes through the gates of the task that is asked for."""
    benchmark = Synthetic().build(scenario=Scenario.TASK, seed=1)
    template = built(Xdg(gated_fraction=0.5))
    template.train(benchmark.avalanche.train_stream, eval_streams=[])
    model = template.model
    expected = [(model(test.x, task).argmax(1) == test.y).float().mean() for task, test in enumerate(benchmark.test)]
    assert Evaluator(benchmark).evaluate(template).score == pytest.approx([float(score) for score in expected])
    assert not torch.equal(
        model(benchmark.test[0].x, 0), model._outputs(benchmark.test[0].x, [layer[1] for layer in model.gates])[:, :2]
    )
    assert template.parameter_counts() == {
        "trained": 12 * 30 + 30 + 30 * 7 + 7 + 7 * 6 + 6,
        "target": 655,
        "stored_values": 3 * 37,
    }


@pytest.mark.parametrize("fraction", [-0.1, 1.0])
def test_fractions_that_make_no_sense_are_refused(fraction):
    with pytest.raises(UserError, match="at least 0 and below 1"):
        Xdg(gated_fraction=fraction)
