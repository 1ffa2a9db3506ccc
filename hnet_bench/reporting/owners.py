"""Whose reports a folder holds: files are named after their table, and two tables may have the same name.

A hidden file of the folder notes where the table of each report is, from that folder, "" for one that ships with the
package. It stays right if the folder moves together with the tables, and whatever folder one is in.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from hnet_bench.interfaces import UserError
from hnet_bench.papers.table import is_shipped, load_table, table_names

OWNERS = ".tables.json"
_TAKEN = ("index", "appendix")  # files of a report on all tables


def owners(folder: Path, tables: Iterable[str]) -> bytes:
    """The content of the hidden file, once these tables, as the command line calls them, have written into the folder.

    Raises UserError if that would overwrite what another table wrote, or if two of them have the same name.
    """
    noted = _noted(folder)
    claimed: dict[str, str] = {}
    for table in tables:
        name, place = load_table(table).name, _place(folder, table)
        if name in _TAKEN or name.startswith("."):
            raise UserError(f"A table cannot have reports named '{name}', which other files are: rename {table}.")
        for other in (claimed.get(name), noted.get(name)):
            if other is not None and other != place and _is_there(folder, other):
                raise UserError(
                    f"Reports are named after their table, and '{name}' in {folder} is of "
                    f"{_called(folder, other)}, not of {table}: rename one of them, or choose another folder with "
                    "--reports."
                )
        claimed[name] = place
    return (json.dumps({**noted, **claimed}, indent=1, sort_keys=True) + "\n").encode()


def _noted(folder: Path) -> dict[str, str]:
    """Who wrote what, as far as is known: shipped tables have reports that no note was made of."""
    shipped = {name: "" for name in table_names() if (folder / f"{name}.md").exists()}
    try:
        noted = json.loads((folder / OWNERS).read_bytes())
        return {**shipped, **{str(name): str(place) for name, place in noted.items()}}
    except (OSError, ValueError, AttributeError, RecursionError):
        return shipped


def _place(folder: Path, table: str) -> str:
    if is_shipped(table):
        return ""
    try:
        return Path(os.path.relpath(Path(table).resolve(), folder.resolve())).as_posix()
    except ValueError:  # on another drive of Windows
        return Path(table).resolve().as_posix()


def _is_there(folder: Path, place: str) -> bool:
    return not place or os.path.isfile(_file(folder, place))


def _called(folder: Path, place: str) -> str:
    return os.path.relpath(_file(folder, place)) if place else "the table that ships with hnet_bench"


def _file(folder: Path, place: str) -> str:
    return os.path.normpath(folder.resolve() / place)  # the folder need not be there yet
