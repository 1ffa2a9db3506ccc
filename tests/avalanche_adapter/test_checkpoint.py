"""What a checkpoint refuses. That a strategy goes on as if it had not stopped is asked in tests/conformance."""

import struct
from io import BytesIO
from zipfile import ZipFile

import numpy
import pytest
import torch
from avalanche.core import BaseSGDPlugin

from hnet_bench.avalanche_adapter.checkpoint import CheckpointError, restore_state, save_state
from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (lambda: 0, "function"),
        ((number for number in range(3)), "generator"),
        (numpy.array(["a", "b"]), "ndarray"),
    ],
)
def test_what_cannot_be_kept_is_named(value, reason, setup_of):
    template = ClassifierTemplate(setup=setup_of())
    template.my_attribute = value
    with pytest.raises(CheckpointError, match=rf"ClassifierTemplate\.my_attribute, a {reason}, cannot be kept"):
        save_state(template)


class Harmful:
    """What an attacker's checkpoint could hold: unpickling it calls a function."""

    def __reduce__(self):
        return print, ("harm",)


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
def test_a_checkpoint_puts_no_function_of_its_own_into_a_strategy(name, setup_of):
    """It would be called as soon as the strategy calls what its attribute holds."""
    template = Reacting(setup_of())
    content = save_state(template)
    restore_state(template, altered(content, "torch:zeros", "torch:ones"))
    assert template.make is torch.ones
    with pytest.raises(CheckpointError, match=f"cannot be read: {name.replace(':', '.')} is not a function"):
        restore_state(template, altered(content, "torch:zeros", name))
    assert template.make is torch.ones


def test_what_a_template_begins_with_may_stand_in_its_state(setup_of):
    template = Reacting(setup_of())
    template.make = own_helper
    content = save_state(template)
    with pytest.raises(CheckpointError, match="own_helper is not a function or a class that the strategy begins with"):
        restore_state(Reacting(setup_of()), content)
    restore_state(template, content)
    assert template.make is own_helper


class Counts(BaseSGDPlugin):
    """A plugin of a strategy."""


def pickled(state):
    buffer = BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content", [b"", b"not a checkpoint", pickled({"attributes": {}}), pickled({"attributes": Harmful()})]
)
def test_a_damaged_or_harmful_checkpoint_is_refused_and_calls_nothing(content, setup_of, capsys):
    template = ClassifierTemplate(setup=setup_of())
    with pytest.raises(CheckpointError, match="cannot be read"):
        restore_state(template, content)
    assert "harm" not in capsys.readouterr().out


def test_a_checkpoint_with_the_plugins_of_another_strategy_is_refused_and_changes_nothing(setup_of):
    one, other = (ClassifierTemplate(setup=setup_of(), plugins=plugins) for plugins in ([], [Counts()]))
    one.only_here = 1
    with pytest.raises(CheckpointError, match="is of a strategy with 0 plugins: expected 1"):
        restore_state(other, save_state(one))
    assert not hasattr(other, "only_here")
