"""A strategy that is saved and restored between two experiences ends as one that never stopped."""

import struct
from io import BytesIO
from zipfile import ZipFile

import pytest
import torch
from avalanche.training.plugins import ReplayPlugin

from hnet_bench import catalog
from hnet_bench.avalanche_adapter.checkpoint import CheckpointError, restore_state, save_state
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate
from hnet_bench.avalanche_adapter.evaluation import Evaluator
from hnet_bench.benchmarks.synthetic import Synthetic
from hnet_bench.interfaces import Scenario, Setup, TrainingProtocol

PROTOCOL = TrainingProtocol(iterations=15, batch_size=16, hidden_units=(20,))


def setup_of(scenario):
    return Setup(scenario=scenario, facts=Synthetic().facts, protocol=PROTOCOL, seed=1)


def learnt(template, benchmark, indices):
    stream = benchmark.avalanche.train_stream
    for index in indices:
        template.train(stream[index], eval_streams=[])
    return template


def outcome(template, benchmark):
    parameters = torch.cat([parameter.detach().flatten() for parameter in template.model.parameters()])
    return parameters, Evaluator(benchmark).evaluate(template)


# Every strategy is asked in tests/conformance.
@pytest.mark.parametrize(
    ("name", "scenario"), [("joint", Scenario.TASK), ("hnet_tir", Scenario.CLASS), ("hnet_r", Scenario.DOMAIN)]
)
@pytest.mark.parametrize("stop", [0, 1, 2])
def test_a_strategy_goes_on_as_if_it_had_not_stopped(name, scenario, stop):
    strategy = catalog.build("strategies", name, {}, where="a test")
    benchmark = Synthetic().build(scenario=scenario, seed=1)
    torch.manual_seed(5)
    whole = learnt(strategy.build(setup_of(scenario)), benchmark, range(3))
    expected, expected_scores = outcome(whole, benchmark)

    torch.manual_seed(5)
    content = save_state(learnt(strategy.build(setup_of(scenario)), benchmark, range(stop)))
    torch.manual_seed(99)  # everything random must come from the checkpoint
    resumed = strategy.build(setup_of(scenario))
    restore_state(resumed, content)
    found, scores = outcome(learnt(resumed, benchmark, range(stop, 3)), benchmark)
    assert torch.equal(found, expected)
    assert scores == expected_scores
    assert resumed.clock.train_exp_counter == 3


class WithPlugin:
    def build(self, setup):
        return ClassifierTemplate(setup=setup, plugins=[ReplayPlugin(mem_size=12, batch_size=8)])


def test_what_a_plugin_remembers_is_kept():
    benchmark = Synthetic().build(scenario=Scenario.CLASS, seed=1)
    first = learnt(WithPlugin().build(setup_of(Scenario.CLASS)), benchmark, [0])
    second = WithPlugin().build(setup_of(Scenario.CLASS))
    restore_state(second, save_state(first))
    kept, restored = (len(template.plugins[0].storage_policy.buffer) for template in (first, second))
    assert kept == restored == 12


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: 0, "function"),
        ((number for number in range(3)), "generator"),
    ],
)
def test_what_cannot_be_kept_is_named(value, reason):
    template = ClassifierTemplate(setup=setup_of(Scenario.CLASS))
    template.my_attribute = value
    with pytest.raises(CheckpointError, match=rf"ClassifierTemplate\.my_attribute, a {reason}, cannot be kept"):
        save_state(template)


class Harmful:
    """What an attacker's checkpoint could hold: unpickling it calls a function."""

    def __reduce__(self):
        return print, ("harm",)


def test_a_checkpoint_calls_nothing(capsys):
    template = ClassifierTemplate(setup=setup_of(Scenario.CLASS))
    with pytest.raises(CheckpointError, match="cannot be read"):
        restore_state(template, pickled({"attributes": Harmful()}))
    assert "harm" not in capsys.readouterr().out


def own_helper(path):
    path.touch()


class Reacting(ClassifierTemplate):
    """Keeps a function, as templates do with losses and makers of tensors."""

    def __init__(self, setup):
        super().__init__(setup=setup)
        self.make = torch.zeros


def altered(content, old, new):
    """A state as somebody else could have written it: with one text in place of another."""
    written = {text: b"X" + struct.pack("<I", len(text)) + text.encode() for text in (old, new)}
    found = BytesIO()
    with ZipFile(BytesIO(content)) as source, ZipFile(found, "w") as target:
        parts = {name: source.read(name) for name in source.namelist()}
        assert sum(written[old] in part for part in parts.values()) == 1
        for name, part in parts.items():
            target.writestr(name, part.replace(written[old], written[new]))
    return found.getvalue()


@pytest.mark.parametrize("name", ["pathlib:Path.touch", "torch:os.system", f"{__name__}:own_helper", "torch.hub:load"])
def test_a_checkpoint_puts_no_function_of_its_own_into_a_strategy(name):
    """It would be called as soon as the strategy calls what its attribute holds."""
    template = Reacting(setup_of(Scenario.CLASS))
    content = save_state(template)
    restore_state(template, altered(content, "torch:zeros", "torch:ones"))
    assert template.make is torch.ones
    with pytest.raises(CheckpointError, match=f"cannot be read: {name.replace(':', '.')} is not a function"):
        restore_state(template, altered(content, "torch:zeros", name))
    assert template.make is torch.ones


def test_what_a_template_begins_with_may_stand_in_its_state():
    template = Reacting(setup_of(Scenario.CLASS))
    template.make = own_helper
    content = save_state(template)
    with pytest.raises(CheckpointError, match="own_helper is not a function or a class that the strategy begins with"):
        restore_state(Reacting(setup_of(Scenario.CLASS)), content)
    restore_state(template, content)
    assert template.make is own_helper


def pickled(state):
    buffer = BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickled({"attributes": {}})])
def test_a_damaged_checkpoint_is_refused(content):
    template = ClassifierTemplate(setup=setup_of(Scenario.CLASS))
    with pytest.raises(CheckpointError, match="cannot be read"):
        restore_state(template, content)
