"""The file of choices, TABLE.chosen.json: what `hnet-bench tune` chose for the cells of a table that have a search.

It is committed with the table. What was asked stands there too, so that a choice counts only for the search that it
was made by.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from hnet_bench.config import flat, from_settings
from hnet_bench.interfaces import Settings, UserError
from hnet_bench.papers.cell import Cell
from hnet_bench.papers.search import Choice, Search, Trial
from hnet_bench.runs.canonical import checksum

_SCHEMA = 1


def with_choices(cells: list[Cell]) -> list[Cell]:
    """Cells of one table with what was chosen for those that have a search."""
    read = cache(read_choices)
    return [_with_choice(cell, cell.search, read) if cell.search else cell for cell in cells]


def _with_choice(cell: Cell, search: Search, read: Callable[[Path, str, str], dict[str, Choice]]) -> Cell:
    try:
        choice = read(search.file, search.table, search.command).get(f"{cell.row}/{cell.scenario.label}")
        if choice is None:
            return cell
        _check_choice(choice, search, search_question(cell), f"the {cell.where}")
    except UserError as error:
        return replace(cell, search=replace(search, problem=str(error)))
    chosen = {**cell.hyperparameters, **choice.values}
    return replace(cell, hyperparameters=chosen, search=replace(search, choice=choice))


def search_question(cell: Cell) -> Settings:
    """All that the choice of a cell's hyperparameters depends on, as the file of choices has it."""
    assert cell.search is not None
    fixed = {name: value for name, value in cell.hyperparameters.items() if name not in cell.search.space}
    return cell.search.question(
        benchmark=cell.benchmark,
        protocol=cell.protocol,
        strategy=cell.strategy,
        hyperparameters=fixed,
    )


def read_choices(file: Path, table: str, command: str) -> dict[str, Choice]:
    """The choices of the cells of a table by row and scenario, as "ewc/CL1"; none if there is no file. `command` is how
    the command line calls the table.

    Raises UserError for a file that is not as `hnet-bench tune` wrote it, or that it wrote for another table.
    """
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"The choices {file} could not be read ({error}).") from error
    again = f"hnet-bench tune {command} writes it anew."
    if not isinstance(content, dict) or content.get("sha256") != _sum(content):
        raise UserError(f"The choices {file} were changed after they were written: {again}")
    if content["table"] != table:
        raise UserError(f"The choices {file} were made for table '{content['table']}', not for '{table}': {again}")
    return {
        key: from_settings(
            Choice,
            {**choice, "trials": tuple(from_settings(Trial, trial, where=str(file)) for trial in choice["trials"])},
            where=str(file),
        )
        for key, choice in content["choices"].items()
    }


def choices_bytes(table: str, choices: dict[str, Choice]) -> bytes:
    """Content of the file of choices."""
    plain = {
        key: {**vars(choice), "trials": [vars(trial) for trial in choice.trials]}
        for key, choice in sorted(choices.items())
    }
    content = json.loads(json.dumps({"schema": _SCHEMA, "table": table, "choices": plain}))
    return (json.dumps({**content, "sha256": _sum(content)}, indent=1) + "\n").encode()


def _sum(content: Settings) -> str:
    return checksum({key: value for key, value in content.items() if key != "sha256"})


def _check_choice(choice: Choice, search: Search, question: Settings, where: str) -> None:
    """Raises UserError if a choice was made by another search than a cell has now, or without one of its trials."""
    again = f"hnet-bench tune {search.command} chooses anew."
    asked, now = flat(choice.search), flat(question)
    if differing := sorted(key for key in {*asked, *now} if asked.get(key) != now.get(key)):
        key = differing[0]
        raise UserError(
            f"What was chosen for {where} was chosen with {key} = {asked.get(key)!r}, and the table has "
            f"{now.get(key)!r}: {again}"
        )
    tried = [trial.values for trial in choice.trials]
    expected = search.tuning.trials if search.ranges else len(list(search.grid()))
    lacks = [] if search.ranges else [values for values in search.grid() if values not in tried]
    if len(tried) != expected or lacks or any(len(trial.runs) != len(search.seeds) for trial in choice.trials):
        raise UserError(
            f"What was chosen for {where} was chosen among {len(tried)} of {expected} trials"
            f"{f', without {lacks[0]}' if lacks else ''}: {again}"
        )
    if choice.values not in tried:
        raise UserError(f"What was chosen for {where}, {choice.values}, is none of its trials: {again}")
