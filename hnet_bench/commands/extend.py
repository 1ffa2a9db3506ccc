"""`new` and `check`: a strategy of your own, begun and examined."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from hnet_bench import catalog
from hnet_bench.arguments import hyperparameters_of
from hnet_bench.commands.options import count, quiet_libraries
from hnet_bench.interfaces import NetworkName, Scenario, Settings, UserError
from hnet_bench.runs.apart import Died, apart
from hnet_bench.runs.files import write_atomically
from hnet_bench.scaffold import class_name_of, first_files


def new(name: Annotated[str, typer.Argument(metavar="NAME", help="Such as my_method.")]) -> None:
    """Begin a strategy of your own: NAME.py, which works, and NAME.toml, which compares it.

    [bold]Example[/bold]

    hnet-bench new my_method
    """
    files = first_files(name)
    for file in files:
        if Path(file).exists():
            raise UserError(f"There is a file {file} here already, and it is left as it is: choose another name.")
    if name in catalog.names("strategies"):
        raise UserError(f"There is a strategy '{name}' already: choose another name.")
    for file, text in files.items():
        try:
            write_atomically(Path(file), text.encode())
        except OSError as error:
            raise UserError(f"The file {file} cannot be written: {error.strerror}.") from error
    typer.echo(f"Written: {' and '.join(files)}. Next:")
    typer.echo(f"  hnet-bench check {name}.py:{class_name_of(name)}")
    typer.echo(f"  hnet-bench run {name}.toml")


def check(
    strategy: Annotated[
        str, typer.Argument(metavar="STRATEGY", help="A name that `hnet-bench list` shows, or my.py:MyStrategy.")
    ],
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE...", help="Hyperparameters, values as in TOML.")
    ] = None,
    network: Annotated[
        NetworkName, typer.Option(help="That the protocol asks for; those but mlp learn images, in minutes.")
    ] = "mlp",
) -> None:
    """Check that a strategy trains, repeats, resumes and does not cheat.

    On a synthetic benchmark, in every scenario that it declares; in seconds.

    [bold]Examples[/bold]

    hnet-bench check hnet_ent

    hnet-bench check my.py:MyStrategy --set strength=10.0 'widths=[5, 5]'
    """
    hyperparameters = hyperparameters_of(settings)
    catalog.build("strategies", strategy, hyperparameters, where="the check")
    from hnet_bench.reporting.terminal import print_finding

    problems = []

    def show(check: str, scenario: Scenario | None, problem: str | None) -> None:
        print_finding(check, scenario.label if scenario else "", problem)
        problems.append(problem)

    examine(strategy, hyperparameters, network, show)
    failed = sum(problem is not None for problem in problems)
    typer.echo(f"{strategy}: {count(len(problems), 'check')}, {failed or 'none'} failed.")
    if failed:
        raise typer.Exit(1)


Finding: TypeAlias = "tuple[str, Scenario | None, str | None]"  # check, where, and what is wrong, if anything


def examine(strategy: str, hyperparameters: Settings, network: NetworkName, show: Callable[..., None]) -> None:
    """Checks a strategy in a process of its own, so that whatever it does there reaches nothing else.

    `show` is called with each check, its scenario (None if it concerns the class) and the problem (None if it passed).
    Raises UserError if the strategy takes the process with it.
    """
    try:
        apart(_examine, strategy, hyperparameters, network, hear=lambda finding: show(*finding))
    except Died as death:
        raise UserError(f"The check of {strategy} came to no end: {death}.") from death


def _examine(strategy: str, hyperparameters: Settings, network: NetworkName, tell: Callable[[Finding], None]) -> None:
    with quiet_libraries():
        from hnet_bench.conformance.kit import conformance

        for finding in conformance(strategy, hyperparameters, network):
            tell((finding.check, finding.scenario, finding.problem))
