"""A table: rows of settings for each scenario, beside what a paper reports for them.

A TOML of this schema is all that a sweep needs; users' own tables have the same form and may leave `reported` out:

    title = "My comparison"
    seeds = "1-3"
    [settings.split]
    benchmark = { name = "split_mnist", class_order = "fixed" }
    protocol = { iterations = 2000 }
    [[rows]]
    name = "finetune"
    settings = "split"
    [rows.CL1]
    strategy = "finetune"
    reported = { mean = 87.19, spread = 0.94, spread_kind = "sem", n = 20, known = "recalled" }

`hyperparameters` of a row or a cell is a table of values or the NAME of a shared one, `[hyperparameters.NAME]`; those
of the cell are added to those of the row. What reported numbers share may stand in `[reported]` and in their row.

`unit` is how the numbers of the file are written and printed; `better` says which direction is. A `margin` among what
is reported is the difference, in that unit, below which a measured number counts as the reported one (see
docs/verdicts.md). It is declared before anything is measured. A `reason` there says why a number is not reproduced,
once somebody knows.

`[[rows.CL3.authors_code]]` has what the authors' own code gave somebody who ran it: a second number beside the reported
one. What such runs share may stand in `[authors_code]`.

`extends = "quick"` adds rows to those of another table: a shipped one, or one beside it, `base.toml`; only to some of
them as `extends = { table = "quick", rows = ["joint"] }`. The rows of the base come first, with all that they have, and
so they share its records; new rows may use its settings and its shared hyperparameters.

`search = { strength = [1.0, 10.0] }` of a row or a cell says what to try for hyperparameters, and `[tuning]` how (see
`papers.search`); what `hnet-bench tune` chose stands in a file beside the table.

`reduced = "500 iterations where the paper has 5000"` says that a table has less than the paper's budget; its pages and
figures repeat it, and what it measures is no reproduction. `figures = ["compression"]` asks for a kind of figure that
says what to run as long as there is no record for it. `columns = ["backward_transfer"]` asks for metrics with their
spread, in all formats (see docs/metrics.md).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from shlex import quote
from typing import Any

from hnet_bench.config import check_keys, did_you_mean, from_settings, naming, read_toml
from hnet_bench.interfaces import Scenario, Settings, UserError
from hnet_bench.metrics import METRICS, Better
from hnet_bench.papers.cell import PAPERS, Cell
from hnet_bench.papers.choices import with_choices
from hnet_bench.papers.reported import AuthorsCode, Reported, Unit, read_authors_code, read_reported
from hnet_bench.papers.search import RuleName, Search, Tuning, check_space
from hnet_bench.papers.seeds import format_seeds, parse_seeds

# Line breaks and other control characters; and surrogates, which stand in Python for what is no UTF-8 in a file's name.
_NOT_SHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_DEEPEST = 5  # tables of which each extends the next


@dataclass(frozen=True, kw_only=True)
class _About:
    """What a table says of itself."""

    title: str
    source: str = ""
    note: str = ""
    trial: bool = False  # for trying things out: no part of the reports that a repository keeps
    reduced: str = ""  # what is less than in the paper, "" at full budget
    figures: tuple[str, ...] = ()  # kinds that are drawn even if no record has what they show
    columns: tuple[str, ...] = ()  # metrics that its reports show with their spread, names of `METRICS`


@dataclass(frozen=True, kw_only=True)
class Table(_About):
    """The cells of a table in the order of its TOML."""

    name: str
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]

    @property
    def unit(self) -> Unit:
        """How its numbers are written."""
        return self.cells[0].unit

    @property
    def better(self) -> Better:
        """Which direction is the better one."""
        return self.cells[0].better

    @property
    def rows(self) -> tuple[str, ...]:
        """Row names in order."""
        return tuple(dict.fromkeys(cell.row for cell in self.cells))

    def select(self, rows: list[str] | None, scenarios: list[Scenario] | None) -> Table:
        """The part of the table with these rows and scenarios (None: all). Raises UserError if nothing is left."""
        for row in rows or []:
            if row not in self.rows:
                raise UserError(
                    f"Table '{self.name}' has no row '{row}': its rows are {', '.join(self.rows)}."
                    f"{did_you_mean(row, self.rows)}"
                )
        cells = tuple(
            cell
            for cell in self.cells
            if (not rows or cell.row in rows) and (not scenarios or cell.scenario in scenarios)
        )
        if not cells:
            labels = ", ".join(scenario.label for scenario in scenarios or [])
            raise UserError(f"Table '{self.name}' has no cell in {labels} for the chosen rows.")
        return replace(self, cells=cells)


@dataclass(frozen=True, kw_only=True)
class _File(_About):
    settings: dict[str, Any]
    rows: tuple[Any, ...]
    extends: str | dict[str, Any] | None = None
    seeds: str | int | tuple[int | str, ...] = "1"
    tuned_on: str | int | tuple[int | str, ...] = ""
    unit: Unit = "percent"
    better: Better = "higher"
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    search: dict[str, Any] = field(default_factory=dict)
    tuning: dict[str, Any] | None = None
    reported: dict[str, Any] = field(default_factory=dict)
    authors_code: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Extends:
    table: str
    rows: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class _Group:
    benchmark: dict[str, Any]
    protocol: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Row:
    name: str
    settings: str
    label: str = ""
    hyperparameters: str | dict[str, Any] = field(default_factory=dict)
    search: str | dict[str, Any] = field(default_factory=dict)
    rule: RuleName | None = None
    published: bool | None = None
    reported: dict[str, Any] = field(default_factory=dict)
    reference: bool = False
    CL1: dict[str, Any] | None = None
    CL2: dict[str, Any] | None = None
    CL3: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class _CellEntry:
    strategy: str
    hyperparameters: str | dict[str, Any] = field(default_factory=dict)
    search: str | dict[str, Any] = field(default_factory=dict)
    reported: dict[str, Any] | None = None
    authors_code: tuple[dict[str, Any], ...] = ()


def table_names() -> tuple[str, ...]:
    """Names of the tables that ship with the package, the quick one first."""
    return tuple(sorted((path.stem for path in PAPERS.glob("*.toml")), key=lambda name: (name != "quick", name)))


def is_shipped(name: str) -> bool:
    """Whether `load_table` finds this table in the package, rather than in a user's file."""
    return not name.endswith(".toml") or Path(name).resolve().parent == PAPERS.resolve()


def table_file(name: str, folder: Path = Path(), where: str = "") -> Path:
    """The TOML file of a shipped table, or of a user's below `folder`. Raises UserError if there is none."""
    path = folder / name if name.endswith(".toml") else PAPERS / f"{name}.toml"
    if not os.path.isfile(path):  # unlike Path.is_file, False as well for a name that no file can have
        if name.endswith(".toml"):
            raise UserError(f"There is no table file {path}{where}.")
        known = table_names()
        raise UserError(
            f"Unknown table '{name}'{where}: known are {', '.join(known)}, or give a file name.toml."
            f"{did_you_mean(name, known)}"
        )
    if _NOT_SHOWN.search(name):
        raise UserError(
            f"The name of the table file {name} cannot be shown, and so it cannot be in reports: rename it."
        )
    return path


def load_table(name: str) -> Table:
    """The table with this name, or of this TOML file. Raises UserError if it is unknown or broken."""
    return _read(table_file(name), ())[0]


def parse_table(name: str, content: Settings, folder: Path | None = None) -> Table:
    """Table of a parsed TOML that stands in `folder`.

    Raises UserError that names the table and the key for anything unexpected.
    """
    return _parsed(name, content, folder, ())[0]


def _read(path: Path, extending: tuple[Path, ...]) -> tuple[Table, _File]:
    """A table and its file, with what it inherits; `extending` are the files that lead to it."""
    chain = (*extending, path.resolve())
    if len(chain) > len(set(chain)) or len(chain) > _DEEPEST:
        fault = "itself" if len(chain) > len(set(chain)) else f"more than {_DEEPEST - 1} others, one after the other"
        raise UserError(f"Table '{chain[0].stem}' extends {fault}: {' extends '.join(one.name for one in chain)}.")
    return _parsed(path.stem, read_toml(path), path.parent, chain)


def _parsed(name: str, content: Settings, folder: Path | None, chain: tuple[Path, ...]) -> tuple[Table, _File]:
    inherited: tuple[Cell, ...] = ()
    if "extends" in content:
        inherited, file = _extended(name, content, folder, chain)
    else:
        file = from_settings(_File, content, where=f"table '{name}'")
    groups = {
        key: from_settings(_Group, value, where=f"settings '{key}' of table '{name}'")
        for key, value in file.settings.items()
    }
    rows = [from_settings(_Row, row, where=_called(row, at, name)) for at, row in enumerate(file.rows, start=1)]
    # What no cell has use for is read nowhere else.
    check_keys(Reported, file.reported, where=f"'reported' of table '{name}'")
    check_keys(AuthorsCode, file.authors_code, where=f"'authors_code' of table '{name}'")
    for kind in ("hyperparameters", "search"):
        for key, value in getattr(file, kind).items():
            if not isinstance(value, dict):
                raise UserError(
                    f"'{key}' in [{kind}] of table '{name}' must be a table, which rows name, found {value!r}: for all "
                    f'rows alike write [{kind}.NAME] and {kind} = "NAME" in each.'
                )
    if file.tuning is not None:
        from_settings(Tuning, file.tuning, where=f"'tuning' of table '{name}'")
    for row in rows:
        check_keys(Reported, row.reported, where=f"'reported' of row '{row.name}' of table '{name}'")
        if "mean" in row.reported and not any("reported" in (getattr(row, one.label) or {}) for one in Scenario):
            raise UserError(
                f"Row '{row.name}' of table '{name}' has a reported mean that none of its cells has: write it into the "
                "'reported' of [rows.CL1], [rows.CL2] or [rows.CL3]."
            )
        if all(getattr(row, one.label) is None for one in Scenario):
            raise UserError(
                f"Row '{row.name}' of table '{name}' has no cell: give it a [rows.CL1], [rows.CL2] or [rows.CL3]."
            )
        if not _can_be_typed(row.name):
            raise UserError(
                f"A row of table '{name}' is named '{row.name}': expected a name without commas, which separate rows "
                "on the command line, nor line breaks, nor blanks around it, nor a dash before it."
            )
        if any(cell.row == row.name for cell in inherited):
            raise UserError(
                f"Table '{name}' has a row '{row.name}', as the table has that it extends: name it otherwise, or take "
                'only other rows, extends = { table = "...", rows = ["..."] }.'
            )
    repeated = {row.name for row in rows if sum(other.name == row.name for other in rows) > 1}
    if repeated:
        raise UserError(f"Table '{name}' has more than one row named '{min(repeated)}'.")
    with naming(f"'seeds' of table '{name}'"):
        seeds = parse_seeds(file.seeds)
    with naming(f"'tuned_on' of table '{name}'"):
        tuned_on = parse_seeds(file.tuned_on) if file.tuned_on != "" else ()
    if both := set(seeds) & set(tuned_on):
        raise UserError(f"Table '{name}' has seed {min(both)}, and it is 'tuned_on' that: it cannot serve both.")
    own = [
        replace(_cell(name, file, groups, row, scenario, folder), tuned_on=tuned_on)
        for row in rows
        for scenario in Scenario
        if getattr(row, scenario.label) is not None
    ]
    cells = _tuned((*inherited, *with_choices(own)), seeds, f"Table '{name}'")
    if not cells:
        raise UserError(f"Table '{name}' has no cell: give its rows a [rows.CL1], [rows.CL2] or [rows.CL3].")
    _check_files(cells, f"Table '{name}'")
    _check_columns(file.columns, name)
    about = {one.name: getattr(file, one.name) for one in fields(_About)}
    return Table(name=name, seeds=seeds, cells=cells, **about), file


def _extended(
    name: str, content: Settings, folder: Path | None, chain: tuple[Path, ...]
) -> tuple[tuple[Cell, ...], _File]:
    """The cells that a table takes from the one that it extends, and its file with what it inherits."""
    where, given = f"table '{name}'", content["extends"]
    extends = from_settings(
        _Extends, {"table": given} if isinstance(given, str) else given, where=f"'extends' of {where}"
    )
    base, above = _read(table_file(extends.table, folder or Path(), f", which {where} extends"), chain)
    if extends.rows is not None:
        base.select(list(extends.rows), None)  # which knows each of them
        base = replace(base, cells=tuple(cell for cell in base.cells if cell.row in extends.rows))
    keys = ("title", "source", "note", "seeds", "unit", "better", "reduced", "figures", "columns")
    from_above = {key: getattr(above, key) for key in keys}
    if above.tuning:
        from_above["tuning"] = {key: value for key, value in above.tuning.items() if key != "chosen"}
    file = from_settings(_File, {"settings": {}, "rows": [], **from_above, **content}, where=where)
    # A reduced budget stays one, whatever is added.
    for key in ("unit", "better", *(["reduced"] if above.reduced else [])):
        if (found := getattr(file, key)) != (expected := getattr(above, key)):
            raise UserError(
                f"'{key}' of {where} must be that of the table '{base.name}' which it extends, {expected!r}, "
                f"found {found!r}."
            )
    for key in ("settings", "hyperparameters", "search"):
        if both := set(getattr(file, key)) & set(getattr(above, key)):
            raise UserError(
                f"Table '{name}' has {key} '{min(both)}', as the table '{base.name}' has, which it extends: "
                "give yours another name."
            )
    return tuple(replace(cell, table=name) for cell in base.cells), replace(
        file,
        settings={**above.settings, **file.settings},
        hyperparameters={**above.hyperparameters, **file.hyperparameters},
        search={**above.search, **file.search},
    )


def _cell(
    table: str, file: _File, groups: dict[str, _Group], row: _Row, scenario: Scenario, folder: Path | None
) -> Cell:
    where = f"row '{row.name}' ({scenario.label}) of table '{table}'"
    entry = from_settings(_CellEntry, getattr(row, scenario.label), where=where)
    group = _named(groups, row.settings, "settings", where)
    benchmark = f"the benchmark of settings '{row.settings}' of table '{table}'"
    if "name" not in group.benchmark:
        raise UserError(f"Key 'name' is missing in {benchmark}.")
    if not isinstance(group.benchmark["name"], str):
        raise UserError(f"'name' in {benchmark} must be a text, found {group.benchmark['name']!r}.")
    if "validation" in group.protocol:
        raise UserError(
            f"The protocol of settings '{row.settings}' of table '{table}' holds out validation data, which are for "
            "trials, and what a table shows is measured on test data: write `validation` into [tuning]."
        )
    hyperparameters = {
        **_shared(file.hyperparameters, row.hyperparameters, "hyperparameters", where),
        **_shared(file.hyperparameters, entry.hyperparameters, "hyperparameters", where),
    }
    reported = None
    if entry.reported is not None:
        given = {**file.reported, **row.reported, **entry.reported}
        reported = read_reported(given, file.unit, file.seeds, where)
    runs = ({**file.authors_code, **one} for one in entry.authors_code)
    published = reported is not None if row.published is None else row.published
    return Cell(
        table=table,
        row=row.name,
        label=row.label or row.name,
        scenario=scenario,
        benchmark=group.benchmark,
        protocol=group.protocol,
        strategy=entry.strategy,
        hyperparameters=hyperparameters,
        reported=reported,
        authors_code=read_authors_code(runs, file.unit, where),
        unit=file.unit,
        better=file.better,
        reference=row.reference,
        folder=folder,
        search=_search(table, file, row, entry, hyperparameters, folder, where),
        origin="published" if published else "given",
    )


def _search(
    table: str,
    file: _File,
    row: _Row,
    entry: _CellEntry,
    hyperparameters: Settings,
    folder: Path | None,
    where: str,
) -> Search | None:
    """What is tried for a cell, None if nothing is."""
    space = {
        **_shared(file.search, row.search, "search", where),
        **_shared(file.search, entry.search, "search", where),
    }
    if not space:
        if row.rule:
            raise UserError(f"The {where} has a rule, '{row.rule}', and no search whose trials that could choose from.")
        return None
    if file.tuning is None:
        raise UserError(
            f"The {where} has a search, and the table does not say with which seeds its trials are run: write "
            '`tuning = { seeds = "101-103" }`.'
        )
    tuning = from_settings(Tuning, file.tuning, where=f"'tuning' of table '{table}'")
    if both := sorted(space.keys() & hyperparameters.keys()):
        raise UserError(
            f"The {where} searches '{both[0]}' and also sets it, to {hyperparameters[both[0]]!r}: leave one of the two."
        )
    rule = row.rule or tuning.rule
    check_space(space, tuning, rule, where)
    place = folder or Path()
    return Search(
        space=space,
        rule=rule,
        tuning=tuning,
        seeds=parse_seeds(tuning.seeds),
        file=place / (tuning.chosen or f"{table}.chosen.json"),
        table=table,
        command=table if folder is None or place.resolve() == PAPERS.resolve() else quote(str(place / f"{table}.toml")),
    )


def _tuned(cells: tuple[Cell, ...], seeds: tuple[int, ...], where: str) -> tuple[Cell, ...]:
    """The cells of a table with its seeds and those of its trials. Raises UserError if one of these is also the
    table's."""
    of_trials = tuple(sorted({seed for cell in cells if cell.search for seed in cell.search.seeds}))
    if shared := [seed for seed in seeds if seed in of_trials]:
        raise UserError(
            f"{where} has seeds {format_seeds(seeds)}, and its trials, by which hyperparameters are chosen, "
            f"{format_seeds(of_trials)}: seed {shared[0]} cannot serve both."
        )
    return tuple(
        replace(cell, seeds=seeds, trial_seeds=of_trials, origin="" if cell.search else cell.origin) for cell in cells
    )


def _called(row: Any, at: int, table: str) -> str:
    """How messages name the row that stands at this place of a file."""
    name = row.get("name") if isinstance(row, dict) else None
    return f"row '{name}' of table '{table}'" if isinstance(name, str) else f"row {at} of table '{table}'"


def _can_be_typed(row: str) -> bool:
    """Whether `--rows` can name a row of this name."""
    return (
        bool(row) and row == row.strip() and not _NOT_SHOWN.search(row) and "," not in row and not row.startswith("-")
    )


def _check_files(cells: tuple[Cell, ...], where: str) -> None:
    """Raises UserError if `path.py:Class` names two files of one name, which is all that specs and records hold."""
    found: dict[str, str] = {}
    names = ((cell.folder, name) for cell in cells for name in (cell.strategy, cell.benchmark["name"]))
    for folder, name in names:
        if ".py:" not in name:
            continue
        path = os.path.normpath((folder or Path()) / name.rpartition(":")[0])
        if (other := found.setdefault(os.path.basename(path), path)) != path:
            raise UserError(
                f"{where} has two files of the same name, {other} and {path}, and records know them by it: rename one."
            )


def _check_columns(columns: tuple[str, ...], table: str) -> None:
    for column in columns:
        if column not in METRICS:
            raise UserError(
                f"Unknown column '{column}' of table '{table}': known are {', '.join(METRICS)}."
                f"{did_you_mean(column, METRICS)}"
            )
        if columns.count(column) > 1:
            raise UserError(f"Table '{table}' names the column '{column}' twice.")


def _shared(known: dict[str, Any], given: str | dict[str, Any], kind: str, where: str) -> dict[str, Any]:
    """Settings of a row or a cell, or those that it names."""
    found: Settings = given if isinstance(given, dict) else _named(known, given, kind, where)
    return found


def _named(known: dict[str, Any], name: str, kind: str, where: str) -> Any:
    if name not in known:
        raise UserError(
            f"Unknown {kind} '{name}' in {where}: known are {', '.join(known) or 'none'}.{did_you_mean(name, known)}"
        )
    return known[name]
