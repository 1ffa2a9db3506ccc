"""A strategy class of Avalanche's as it is, such as `avalanche.training.Replay`, trained as the protocol says."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from hnet_bench.config import did_you_mean
from hnet_bench.interfaces import Scenario, Setup, UserError

if TYPE_CHECKING:
    from avalanche.training.templates import SupervisedTemplate


@dataclass(frozen=True, kw_only=True)
class Stock:
    """A class that is made of a model, an optimiser and arguments of its own; `check` says how it fares."""

    name: ClassVar[str] = "stock"
    revision: ClassVar[int] = 1
    scenarios: ClassVar[tuple[Scenario, ...]] = tuple(Scenario)

    of: str = "avalanche.training.Naive"  # module and class: Avalanche's, or a subclass in a package that is installed
    arguments: dict[str, Any] = field(default_factory=dict)  # of the class alone, such as { mem_size = 200 }

    def build(self, setup: Setup) -> SupervisedTemplate:
        """The strategy for one run. Raises UserError if there is no such class, or as `stock_template` does."""
        from hnet_bench.avalanche_adapter.stock import stock_template

        module, _, name = self.of.rpartition(".")
        try:
            found = importlib.import_module(module)
        except (ImportError, ValueError, TypeError) as error:  # a TypeError of relative names, which begin with a dot
            raise UserError(f"'{self.of}' must be a module and a class, avalanche.training.Replay: {error}.") from error
        if not hasattr(found, name):
            raise UserError(f"There is no class {name} in {module}.{did_you_mean(name, vars(found))}")
        return stock_template(getattr(found, name), setup, **self.arguments)
