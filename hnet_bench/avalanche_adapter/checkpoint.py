"""A strategy's state as bytes, taken between two steps, and put into another that was built in the same way.

Everything that a template keeps is in it: networks, optimisers, random generators, buffers, what plugins remember, in
torch's own format. Reading it calls nothing, and puts nothing into a strategy but data and instances of classes that
are made for it (`plain_pickle`), so a checkpoint that somebody else made can do no harm.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any

from torch import Tensor

from hnet_bench.avalanche_adapter.plain_pickle import NotKept, dumps, loads
from hnet_bench.avalanche_adapter.random_state import random_state, set_random_state
from hnet_bench.avalanche_adapter.reachable import reached
from hnet_bench.avalanche_adapter.template import InMemoryTemplate

# What belongs to a single call of `train` or `eval`, to whoever watches, or to the setup that both templates share.
_TRANSIENT = frozenset(
    (
        "adapted_dataset",
        "clock",
        "current_eval_stream",
        "dataloader",
        "device",
        "evaluator",
        "experience",
        "loss",
        "mbatch",
        "method_plugins",
        "plugins",
        "setup",
        "_criterion",
        "_eval_streams",
        "_own_dataset",
    )
)


# Where the classes are defined whose instances a state may hold, beside those of the strategy's own modules.
_MODULES = (
    *(f"torch.{name}" for name in ("nn.modules", "nn.parameter", "optim", "utils.data.dataset", "utils.data.sampler")),
    *(f"avalanche.training.{name}" for name in ("losses", "plugins", "regularization", "storage_policy", "supervised")),
    *(f"avalanche.{name}" for name in ("benchmarks.scenarios", "benchmarks.utils", "models", "training.utils")),
    *(f"hnet_bench.{name}" for name in ("avalanche_adapter", "benchmarks", "interfaces", "nets", "strategies")),
    "baselines",
)
# Top-level packages that a strategy may be made of without being its own.
_OTHERS = frozenset(("torch", "numpy", "avalanche", "hnet_bench", "baselines", *sys.stdlib_module_names))


class CheckpointError(Exception):
    """A state that cannot be saved or restored: one sentence."""


def save_state(template: InMemoryTemplate, data: Mapping[str, Tensor] | None = None, beside: Any = None) -> bytes:
    """State of a template and of the global random generators, between experiences or after any step within one.

    `data` are tensors that whoever restores the state has under the same names, see `benchmark.stored_tensors`; within
    an experience the state would hold its samples without them. `beside` goes with it, and may hold the same tensors.
    Gradients are not kept: every step makes its own.
    Raises CheckpointError that names what cannot be kept.
    """
    trusted, _ = _trusted(template)
    # All parts go into one graph, so that a tensor which several of them hold stays one tensor.
    state = {
        "attributes": kept_attributes(template),
        "plugins": [dict(vars(plugin)) for plugin in template.method_plugins],
        "clock": dict(vars(template.clock)),
        "random": random_state(template.device),
        "beside": beside,
    }
    try:
        return dumps(state, trusted, data)
    except NotKept as error:
        raise CheckpointError(_culprit(template, trusted) or f"The state cannot be kept: {error}.") from error


def restore_state(template: InMemoryTemplate, content: bytes, data: Mapping[str, Tensor] | None = None) -> Any:
    """Puts a state into a template that the same strategy built with the same setup; inverse of `save_state`. Returns
    what was saved beside it.

    If it was taken within an experience, the next `train`, which must be on that experience, goes on from there.
    Raises CheckpointError for a content that is damaged, holds classes that are not known here, or has the plugins of
    another strategy; the template is as it was then.
    """
    try:
        trusted, held = _trusted(template)
        state = loads(content, trusted, data, held, template.device)
        attributes, plugins = state["attributes"], state["plugins"]
        clock, generators, beside = state["clock"], state["random"], state["beside"]
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"The checkpoint cannot be read: {reason.rstrip('.')}.") from error
    if len(plugins) != len(template.method_plugins):
        raise CheckpointError(
            f"The checkpoint is of a strategy with {len(plugins)} plugins: expected {len(template.method_plugins)}."
        )
    template.__dict__.update(attributes)
    template.clock.__dict__.update(clock)
    for plugin, remembered in zip(template.method_plugins, plugins, strict=True):
        plugin.__dict__.update(remembered)
    template.go_on()
    set_random_state(generators, template.device)
    return beside


def kept_attributes(template: InMemoryTemplate) -> dict[str, Any]:
    """What a template keeps from one experience to the next, by name."""
    return {
        name: value for name, value in vars(template).items() if name not in _TRANSIENT and not name.startswith("mb_")
    }


def _trusted(template: InMemoryTemplate) -> tuple[set[str], list[Any]]:
    """Modules and packages whose classes a state may hold: some of torch's, of Avalanche's and ours, the packages of
    the template and its plugins, and the modules of what these keep now, such as the settings that they are made by.
    And the functions and classes that these begin with, which a state may hold, too."""
    plugins = template.method_plugins
    kept = reached(kept_attributes(template), *map(vars, plugins), without=[template])
    own = {base.__module__.partition(".")[0] for owner in (template, *plugins) for base in type(owner).__mro__}
    modules = {type(one).__module__ for one in kept}
    trusted = {*_MODULES, *own - _OTHERS, *(name for name in modules if name.partition(".")[0] not in _OTHERS)}
    held = reached(*map(vars, (template, *plugins)), without=[template])
    return trusted, [one for one in held if isinstance(one, (type, FunctionType, BuiltinFunctionType))]


def _culprit(template: InMemoryTemplate, trusted: set[str]) -> str | None:
    """A sentence about the first attribute that cannot be kept."""
    for owner in (template, *template.method_plugins):
        for name, value in (kept_attributes(template) if owner is template else vars(owner)).items():
            try:
                dumps(value, trusted)
            except NotKept as error:
                what = f"{type(owner).__name__}.{name}, a {type(value).__name__},"
                return f"{what} cannot be kept in a checkpoint: {error}."
    return None
