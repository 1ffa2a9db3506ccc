"""Avalanche's own strategy classes, trained as a protocol says.

`Replay`, `EWC` and their like are `SupervisedTemplate`s: they bring a plugin, a loss, a loader, or a loop of their own
over the batches of an epoch. Here such a class is made a subclass of ours as well, below what it overrides: all of that
stays, and what it leaves to `SupervisedTemplate` (batches, optimiser, network, steps, evaluation, checkpoints) is done
as for every strategy.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any, ClassVar

from avalanche.core import BasePlugin
from avalanche.training.templates import SupervisedTemplate
from torch import nn

from hnet_bench.avalanche_adapter.classifier import ClassifierTemplate, model_of
from hnet_bench.avalanche_adapter.objective import objective_of
from hnet_bench.avalanche_adapter.template import InMemoryTemplate
from hnet_bench.config import did_you_mean
from hnet_bench.interfaces import Setup, UserError

# Of what every class takes, what the protocol decides.
_OF_THE_PROTOCOL = {
    "optimizer": "its optimiser",
    "criterion": "the loss of the benchmark's problem",
    "train_mb_size": "batch_size",
    "train_epochs": "iterations",
    "eval_mb_size": "none: it changes nothing but the speed",
    "device": "--device",
    "evaluator": "--logger",
    "eval_every": "evaluation",
    "peval_mode": "evaluation",
}
# What a class must leave to SupervisedTemplate, since nothing of ours would be left in their place.
_LEFT_TO_US = (
    *("train", "_train_exp", "_before_training_epoch", "eval", "_eval_exp", "eval_epoch", "make_eval_dataloader"),
    *("make_optimizer", "check_model_and_optimizer", "model_adaptation"),
)


def stock_template(
    stock: type[SupervisedTemplate], setup: Setup, *, model: nn.Module | None = None, **arguments: Any
) -> InMemoryTemplate:
    """A strategy class of Avalanche's, made with these arguments of its own, such as `mem_size=200`.

    The network is the protocol's unless another is given as `model`, as `ClassifierTemplate` takes it. Raises UserError
    for a class that trains or evaluates in a way that a protocol cannot say, for arguments that it does not have or
    that the protocol decides, and if it refuses to be made of these.
    """
    name = getattr(stock, "__name__", repr(stock))
    if not (inspect.isclass(stock) and issubclass(stock, SupervisedTemplate)):
        raise UserError(f"{name} is no SupervisedTemplate of Avalanche's, and only these can be trained by a protocol.")
    own = [known for known in _LEFT_TO_US if getattr(stock, known) is not getattr(SupervisedTemplate, known)]
    if own:
        raise UserError(
            f"{name} has its own {own[0]}, and a protocol takes the place of Avalanche's: only classes that leave "
            f"{', '.join(_LEFT_TO_US)} to SupervisedTemplate can be trained by one."
        )
    known = _parameters(stock)
    if "model" not in known:
        raise UserError(
            f"{name} makes its own network, and a protocol's strategies are given theirs: it takes no model."
        )
    for argument in arguments:
        if argument in _OF_THE_PROTOCOL:
            raise UserError(f"'{argument}' of {name} is the protocol's to say ({_OF_THE_PROTOCOL[argument]}).")
        if argument not in known:
            able = ", ".join(sorted({*known} - {*_OF_THE_PROTOCOL, "model", "plugins"})) or "none"
            raise UserError(f"{name} has no argument '{argument}': known are {able}.{did_you_mean(argument, known)}")
    bases = (_BeforeStock, stock, _AfterStock)
    attributes = {"learns_with": _AfterStock.learns_with, "__module__": __name__, "__doc__": stock.__doc__}
    kind: Any = type(name, bases, attributes)
    try:
        template: InMemoryTemplate = kind(setup, model_of(setup, model), arguments)
    except (TypeError, ValueError, AssertionError, AttributeError) as error:
        raise UserError(f"{name} cannot be made: {str(error).rstrip('.') or type(error).__name__}.") from error
    return template


class _BeforeStock:
    """In front of a stock class: what it does when an experience begins is not done again when a run goes on there."""

    _entered_anew: bool

    def __init__(self, setup: Setup, model: nn.Module, arguments: dict[str, Any]) -> None:
        self.setup = setup
        needed: dict[str, Any] = {"criterion": objective_of(setup.facts).loss(), "optimizer": None}
        needed |= {"train_mb_size": setup.protocol.batch_size, "device": setup.device, "evaluator": None}
        known = _parameters(type(self).__mro__[2])
        super().__init__(model=model, **{name: needed[name] for name in needed if name in known}, **arguments)  # type: ignore[call-arg]

    def _before_training_exp(self, **kwargs: Any) -> None:
        if not self._entered_anew:
            super()._before_training_exp(**kwargs)  # type: ignore[misc]


class _AfterStock(ClassifierTemplate):
    """Behind a stock class: takes what it hands on to SupervisedTemplate."""

    learns_with: ClassVar[tuple[str, ...]] = ("sigmoid", "xavier", "scheduled", "normalised")

    def __init__(
        self, *, model: nn.Module, criterion: Any = None, plugins: Sequence[BasePlugin] | None = None, **_: Any
    ) -> None:
        # What else there is was given by us, or is a default of the class that the protocol decides.
        InMemoryTemplate.__init__(self, setup=self.setup, model=model, criterion=criterion, plugins=plugins)


def _parameters(stock: type) -> set[str]:
    """Names of what a class is made of, its own and those of classes that it hands keyword arguments on to."""
    found: set[str] = set()
    for cls in stock.__mro__:
        parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        found |= {one.name for one in parameters if one.kind in (one.KEYWORD_ONLY, one.POSITIONAL_OR_KEYWORD)}
        if all(one.kind is not one.VAR_KEYWORD for one in parameters) or cls is SupervisedTemplate:
            break
    return found - {"self"}
