"""Names to classes: our own tables, those that plug-ins announce as entry points, and `path.py:Class`.

A table maps a name to "module:Class", so that listing names imports nothing but the tables themselves. A package adds
its strategies with one entry point to such a table:

    [project.entry-points."hnet_bench.strategies"]
    my_package = "my_package:STRATEGIES"
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import io
import json
import os
import sys
import textwrap
import tokenize
import types
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from hnet_bench.config import did_you_mean, from_settings, type_hints
from hnet_bench.interfaces import Benchmark, BenchmarkFacts, Scenario, Settings, Strategy, UserError

Kind = Literal["strategies", "benchmarks"]

# Packages whose classes have a revision that is guarded.
OURS = ("hnet_bench", "baselines")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A field of a strategy or a benchmark, as its source has it."""

    name: str
    type: str
    default: str  # as a table writes it; "" if there is none
    comment: str


@cache
def names(kind: Kind) -> Mapping[str, str]:
    """All known names of a kind, sorted, with the "module:Class" behind each. Raises UserError if two tables clash."""
    found: dict[str, str] = dict(getattr(importlib.import_module(f"hnet_bench.{kind}"), kind.upper()))
    for point in entry_points(group=f"hnet_bench.{kind}"):
        for name, reference in _table(point).items():
            if found.setdefault(name, reference) != reference:
                raise UserError(f"The name '{name}' is announced twice: by {found[name]} and by {reference}.")
    return MappingProxyType(dict(sorted(found.items())))


def strategy_class(name: str) -> type[Strategy]:
    """Class of the strategy with this name, or of `path.py:Class`. Raises UserError if there is none."""
    loaded: type[Strategy] = _load("strategies", name)
    return loaded


def benchmark_class(name: str) -> type[Benchmark]:
    """Class of the benchmark with this name, or of `path.py:Class`. Raises UserError if there is none."""
    loaded: type[Benchmark] = _load("benchmarks", name)
    return loaded


def is_ours(cls: type) -> bool:
    """Whether it is a class of these packages, rather than of a user's file or a plug-in."""
    return cls.__module__.partition(".")[0] in OURS


@contextmanager
def in_a_sentence(cls: type, words: str) -> Iterator[None]:
    """What a class raises here that is none of ours, as a UserError that begins with these words."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if is_ours(cls):
            raise
        raise UserError(f"{words}: {type(error).__name__}: {error}.") from error


def plain_name(name: str) -> str:
    """A name as specs hold it: of `some/where/my.py:Mine` what does not depend on where the file is, `my.py:Mine`."""
    return Path(name).name if ".py:" in name else name


def scenarios_of(strategy: Strategy | type[Strategy], name: str) -> tuple[Scenario, ...]:
    """The scenarios that a strategy learns. Raises UserError if it names none as it should."""
    able: object = strategy.scenarios
    if isinstance(able, (tuple, list, set, frozenset)) and all(isinstance(one, Scenario) for one in able):
        return tuple(able)
    raise UserError(
        f"'scenarios' of '{name}' must be a tuple of members of Scenario, such as (Scenario.CLASS,), found {able!r}."
    )


def kind_of(name: str) -> Kind | None:
    """What has this name, strategies first; a class of a file is a benchmark if it has what only benchmarks have."""
    if ".py:" in name:
        path, _, attribute = name.rpartition(":")
        found = _attribute(_module_from_file(Path(path)), attribute, name)
        return "benchmarks" if hasattr(found, "datasets") or hasattr(found, "facts") else "strategies"
    _check_that_it_is_no_file(name)
    kinds: tuple[Kind, ...] = typing.get_args(Kind)
    return next((kind for kind in kinds if name in names(kind)), None)


def summaries(kind: Kind) -> dict[str, str]:
    """What each class of a kind is: the first paragraph of its file, or where several share a file the first of its
    own. A plug-in's that is broken says how."""
    found = {}
    files = Counter(reference.partition(":")[0] for reference in names(kind).values())
    for name, reference in names(kind).items():
        try:
            cls = _load(kind, name)
            shared = files[reference.partition(":")[0]] > 1 and cls.__doc__
            text = inspect.cleandoc(cls.__doc__) if shared else documentation(cls)
            found[name] = " ".join(text.partition("\n\n")[0].split())
        except Exception as error:
            found[name] = f"cannot be loaded: {type(error).__name__}: {error}"
    return found


def documentation(found: type) -> str:
    """What the file of a class says of itself, and then the class."""
    module = sys.modules[found.__module__].__doc__ or ""
    own = found.__doc__ or ""
    generated = own.startswith(f"{found.__name__}(")  # by `dataclass`, where there is none
    return "\n\n".join(inspect.cleandoc(text).strip() for text in (module, "" if generated else own) if text)


def settings_of(found: type) -> list[Setting]:
    """The fields of a strategy or a benchmark in order, each with the comment in the source."""
    hints, comments = type_hints(found), _comments(found)
    return [
        Setting(
            name=one.name,
            type=inspect.formatannotation(hints[one.name]),
            default=_default(one),
            comment=comments.get(one.name, ""),
        )
        for one in fields(found)
    ]


def _default(one: Any) -> str:
    if one.default_factory is not MISSING:
        return json.dumps(one.default_factory(), default=str)
    if one.default is MISSING:
        return ""
    return "None" if one.default is None else json.dumps(one.default, default=str)


def _comments(found: type) -> dict[str, str]:
    """The comment behind each field, or else the lines of comments above it, of a class and those that it extends."""
    comments: dict[str, str] = {}
    for cls in reversed([cls for cls in found.__mro__ if is_dataclass(cls)]):
        try:
            source = textwrap.dedent(inspect.getsource(cls))
        except OSError:  # no file has it
            continue
        tokens = tokenize.generate_tokens(io.StringIO(source).readline)
        texts = {token.start: token.string.strip("# ") for token in tokens if token.type == tokenize.COMMENT}
        lines = source.splitlines()
        alone = {row: text for (row, _), text in texts.items() if lines[row - 1].lstrip().startswith("#")}
        behind = {row: text for (row, _), text in texts.items() if row not in alone}
        (definition,) = (node for node in ast.parse(source).body if isinstance(node, ast.ClassDef))
        for node in definition.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                above: list[str] = []
                row = node.lineno - 1
                while row in alone:
                    above.insert(0, alone[row])
                    row -= 1
                own = behind.get(node.end_lineno or node.lineno) or " ".join(above)
                comments[node.target.id] = own or comments.get(node.target.id, "")
    return comments


def user_file(name: str, folders: Iterable[Path] = ()) -> Path | None:
    """Where the file of `path.py:Class` is: below the first of `folders` that has it, else below the current one. None
    if it is in none of them, and for names that are no paths."""
    if ".py:" not in name:
        return None
    path = Path(name.rpartition(":")[0])
    # Unlike Path.is_file, os.path.isfile is False as well for a name that no file can have.
    found = (place / path for place in (*folders, Path()) if os.path.isfile(place / path))
    return next((path.resolve() for path in found), None)


def build(kind: Kind, name: str, settings: Settings, *, where: str, file: Path | None = None) -> Any:
    """Instance of a strategy or benchmark from its name and settings; `file` is where that of `path.py:Class` is, if
    not below the current folder. Raises UserError as `from_settings` does, and for whatever a class raises that is none
    of ours."""
    found = _load(kind, name, where, file)
    with in_a_sentence(found, f"'{name}' refuses its settings ({where})"):
        built = from_settings(found, settings, where=where)
        facts = built.facts if kind == "benchmarks" else None
    if kind == "benchmarks" and not isinstance(facts, BenchmarkFacts):
        raise UserError(f"The facts of '{name}' ({where}) must be BenchmarkFacts, found {type(facts).__name__}.")
    return built


def _load(kind: Kind, name: str, where: str = "", file: Path | None = None) -> Any:
    if ".py:" in name:
        path, _, attribute = name.rpartition(":")
        return _checked(kind, _attribute(_module_from_file(file or Path(path)), attribute, name), name)
    known = names(kind)
    _check_that_it_is_no_file(name)
    if name not in known:
        one = {"strategies": "strategy", "benchmarks": "benchmark"}[kind]
        place = f" in {where}" if where else ""
        raise UserError(
            f"Unknown {one} '{name}'{place}: known are {', '.join(known)}, or give path.py:Class."
            f"{did_you_mean(name, known)}"
        )
    module, _, attribute = known[name].partition(":")
    try:
        return _checked(kind, _attribute(importlib.import_module(module), attribute, name), name)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever the module of a plug-in does while it is imported
        raise UserError(f"'{name}' could not be loaded from {known[name]}: {type(error).__name__}: {error}.") from error


def _checked(kind: Kind, found: Any, name: str) -> Any:
    needed = {"strategies": ("scenarios", "build"), "benchmarks": ("datasets", "facts", "build")}[kind]
    if not (inspect.isclass(found) and is_dataclass(found)):
        raise UserError(f"'{name}' must be a dataclass, as hnet_bench.interfaces says, found {found!r}.")
    if "name" in {one.name for one in fields(found)}:
        raise UserError(
            f"The class '{name}' has its name as a setting, by which records would be those of another: write it "
            'without a type, name = "...", or as a ClassVar.'
        )
    for attribute in needed:
        if not hasattr(found, attribute):
            raise UserError(f"The class '{name}' has no '{attribute}': it needs {', '.join(needed)}.")
    return found


def _table(point: EntryPoint) -> dict[str, str]:
    plug_in = f"The plug-in '{point.name}' ({point.value})"
    try:
        table = point.load()
    except (Exception, SystemExit) as error:  # whatever its module does while it is imported
        raise UserError(f"{plug_in} could not be loaded: {type(error).__name__}: {error}.{_hint(point)}") from error
    if not isinstance(table, dict):
        raise UserError(f"{plug_in} must be a dict of names, found {type(table).__name__}.")
    if wrong := [one for pair in table.items() for one in pair if not isinstance(one, str)]:
        raise UserError(
            f'{plug_in} must be a dict of names and texts such as "package.module:Class", found {wrong[0]!r}.'
        )
    return table


def _hint(point: EntryPoint) -> str:
    # OpenAI published a package of this name on PyPI in 2018; installed beside ours it shadows our folder.
    if point.module != "baselines":
        return ""
    spec = importlib.util.find_spec("baselines")
    where = spec.origin if spec else "nowhere"
    return (
        f" The module 'baselines' was found at {where}; if that is OpenAI's package of the same name, "
        "uninstall it: pip uninstall baselines, then install hnet-bench again."
    )


def _module_from_file(path: Path) -> Any:
    if not os.path.isfile(path):
        raise UserError(f"There is no file {path}.")
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} could not be read: {error.strerror}.") from error
    # A name of its own for every file and content, so that a changed file is loaded anew. Python's own loader would
    # take what it compiled before if the file changed within a second.
    digest = hashlib.sha256(str(path.resolve()).encode() + source).hexdigest()[:8]
    name = f"hnet_bench_user_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    # What stands beside it can be imported, at once and in its methods, but takes the place of no installed module.
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    module = types.ModuleType(name)
    module.__file__ = str(path.resolve())
    sys.modules[name] = module
    try:
        exec(compile(source, module.__file__, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserError(f"{path} could not be imported: {type(error).__name__}: {error}.") from error
    return module


def _attribute(module: Any, attribute: str, name: str) -> Any:
    try:
        return getattr(module, attribute)
    except AttributeError:
        own = _classes_of(module)
        raise UserError(
            f"'{name}' names no class: {module.__file__} has {_listed(own)}.{did_you_mean(attribute, own)}"
        ) from None


def _check_that_it_is_no_file(name: str) -> None:
    if name.endswith(".py") and os.path.isfile(name):
        own = _classes_of(_module_from_file(Path(name)))
        advice = f"write {name}:{own[0]}. It has {_listed(own)}" if own else "it has none"
        raise UserError(f"'{name}' names no class: {advice}.")


def _classes_of(module: Any) -> list[str]:
    members = vars(module).values()
    return [value.__name__ for value in members if inspect.isclass(value) and value.__module__ == module.__name__]


def _listed(classes: list[str]) -> str:
    return ", ".join(classes) or "no classes"
