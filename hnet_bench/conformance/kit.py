"""All checks of one strategy, or of one benchmark, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hnet_bench import catalog
from hnet_bench.avalanche_adapter.checkpoint import CheckpointError
from hnet_bench.conformance import benchmark_checks
from hnet_bench.conformance.checks import FOR_EACH_SCENARIO, FOR_THE_CLASS, NECESSARY, StrategyUnderTest
from hnet_bench.interfaces import Benchmark, NetworkName, Scenario, Settings, Strategy, UserError
from hnet_bench.runs.process import described
from hnet_bench.runs.spec import check_benchmark


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
    strategy: Strategy = catalog.build("strategies", name, hyperparameters or {}, where="the settings")
    torch.set_num_threads(1)
    if not (yield from _of_class(FOR_THE_CLASS, name, strategy)):
        return
    for scenario in strategy.scenarios:
        subject = StrategyUnderTest(strategy, scenario, network, catalog.plain_name(name))
        yield from _in_scenario(FOR_EACH_SCENARIO, NECESSARY, scenario, subject)


def benchmark_conformance(name: str, settings: Settings | None = None) -> Iterator[Finding]:
    """Checks a benchmark by its name or as `path.py:Class`, in every scenario that its own `check` does not refuse.

    Its data are loaded from the user's data folder, or fetched. If it is not declared rightly, cannot be built or does
    not fit its facts, no more is asked. Raises UserError if there is no such class or it does not take the settings.
    """
    benchmark: Benchmark = catalog.build("benchmarks", name, settings or {}, where="the settings")
    torch.set_num_threads(1)
    if not (yield from _of_class(benchmark_checks.FOR_THE_CLASS, name, benchmark)):
        return
    refused = []
    for scenario in Scenario:
        try:
            check_benchmark(benchmark, scenario, benchmark_checks.SEED, "the check")
        except UserError as error:
            refused.append(str(error))
            continue
        subject = benchmark_checks.BenchmarkUnderTest(benchmark, scenario)
        yield from _in_scenario(benchmark_checks.FOR_EACH_SCENARIO, benchmark_checks.NECESSARY, scenario, subject)
    if len(refused) == len(Scenario):
        yield Finding("is for some scenario", None, f"It refuses all of them: {refused[0]}")


def _of_class(
    checks: Mapping[str, Callable[..., str | None]], name: str, settings: Any
) -> Generator[Finding, None, bool]:
    """Whether there is more to ask: not of what is not declared rightly, which is the first question."""
    for number, (check, ask) in enumerate(checks.items()):
        problem = _answer(ask, name, settings)
        yield Finding(check, None, problem)
        if problem and number == 0:
            return False
    return True


def _in_scenario(
    checks: Mapping[str, Callable[..., str | None]], necessary: Sequence[str], scenario: Scenario, subject: Any
) -> Iterator[Finding]:
    for check, ask in checks.items():
        problem = _answer(ask, subject)
        yield Finding(check, scenario, problem)
        if problem and check in necessary:
            return


def _answer(ask: Callable[..., str | None], *arguments: Any) -> str | None:
    try:
        return ask(*arguments)
    except (CheckpointError, UserError) as error:
        return str(error)
    except Exception as error:
        return f"It stopped with {described(error)}."
