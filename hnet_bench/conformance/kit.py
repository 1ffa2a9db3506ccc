"""All checks of one strategy, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from hnet_bench import catalog
from hnet_bench.avalanche_adapter.checkpoint import CheckpointError
from hnet_bench.conformance.checks import FOR_EACH_SCENARIO, FOR_THE_CLASS, NECESSARY, StrategyUnderTest, described
from hnet_bench.interfaces import NetworkName, Scenario, Settings, Strategy


@dataclass(frozen=True)
class Finding:
    """The answer to one check; `problem` is None if it passed, else a sentence that says what to change."""

    check: str
    scenario: Scenario | None  # None if it concerns the class
    problem: str | None


def conformance(name: str, hyperparameters: Settings | None = None, network: NetworkName = "mlp") -> Iterator[Finding]:
    """Checks a strategy by its name or as `path.py:Class`, in every scenario that it declares, with this network.

    If it is not declared rightly or does not train, no more is asked. Raises UserError if it cannot be built at all.
    """
    strategy: Strategy = catalog.build("strategies", name, hyperparameters or {}, where="the check")
    torch.set_num_threads(1)
    for check, ask in FOR_THE_CLASS.items():
        problem = _answer(ask, name, strategy)
        yield Finding(check, None, problem)
        if problem and check == next(iter(FOR_THE_CLASS)):
            return
    for scenario in strategy.scenarios:
        subject = StrategyUnderTest(strategy, scenario, network, catalog.plain_name(name))
        for check, question in FOR_EACH_SCENARIO.items():
            problem = _answer(question, subject)
            yield Finding(check, scenario, problem)
            if problem and check in NECESSARY:
                break


def _answer(ask: Callable[..., str | None], *arguments: Any) -> str | None:
    try:
        return ask(*arguments)
    except CheckpointError as error:
        return str(error)
    except Exception as error:
        return f"It stopped with {described(error)}."
