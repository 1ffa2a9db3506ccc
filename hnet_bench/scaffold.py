"""The first files of a new strategy: a working example to put one's own method into, and a table that compares it."""

from __future__ import annotations

import keyword
import re
import sys
from string import Template

from hnet_bench.interfaces import UserError

_STRATEGY = Template('''\
"""$name: say in one line what it does, and cite where it comes from."""

from dataclasses import dataclass

from hnet_bench.interfaces import Scenario


@dataclass(frozen=True, kw_only=True)
class $class_name:
    """An example that works: it replays stored samples. Put your method in its place."""

    name = "$name"
    scenarios = tuple(Scenario)

    memory: int = 500  # samples that are stored in all; every field is a hyperparameter

    def build(self, setup):
        """The strategy for one run. Import torch and Avalanche here: `hnet-bench status` does without them."""
        from avalanche.training.plugins import ReplayPlugin
        from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate

        return ClassifierTemplate(setup=setup, plugins=[ReplayPlugin(mem_size=self.memory)])
''')

_TABLE = Template("""\
title = "$name beside the lower and the upper bound"
seeds = "1-3"
# To put your row below those of a paper, with their numbers, write in the place of these settings and the other rows:
# extends = "van_de_ven_2019_split_mnist"

[settings.split]
benchmark = { name = "split_mnist", class_order = "per_seed" }
[settings.split.protocol]
iterations = 400  # a fifth of the papers' budget
batch_size = 128
learning_rate = 1e-3
hidden_units = [400, 400]
active_classes = "seen"

[[rows]]
name = "finetune"
label = "Fine-tuning"
reference = true  # a bound, which never counts as the best
settings = "split"
CL1 = { strategy = "finetune" }
CL2 = { strategy = "finetune" }
CL3 = { strategy = "finetune" }

[[rows]]
name = "$name"
settings = "split"
CL1 = { strategy = "$name.py:$class_name" }
CL2 = { strategy = "$name.py:$class_name" }
CL3 = { strategy = "$name.py:$class_name" }

[[rows]]
name = "joint"
label = "Joint training"
reference = true
settings = "split"
CL1 = { strategy = "joint" }
CL2 = { strategy = "joint" }
CL3 = { strategy = "joint" }
""")


def class_name_of(name: str) -> str:
    """MyMethod for my_method."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def first_files(name: str) -> dict[str, str]:
    """Texts of NAME.py and NAME.toml. Raises UserError if the name cannot be that of a Python module."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"A strategy's name has lower-case letters, digits and underscores, found '{name}'.")
    if taken := next(filter(keyword.iskeyword, (name, class_name_of(name))), ""):
        raise UserError(f"A strategy's name must be no word of Python's, which '{taken}' is.")
    if name in sys.stdlib_module_names:
        raise UserError(f"A strategy's file must not hide a module of Python's own, and there is one called '{name}'.")
    words = {"name": name, "class_name": class_name_of(name)}
    return {f"{name}.py": _STRATEGY.substitute(words), f"{name}.toml": _TABLE.substitute(words)}
