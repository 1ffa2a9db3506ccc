"""Which code is behind the scores of a run: the modules that its strategy and its benchmark import, found by reading.

Nothing is imported, so this works where torch is absent. Only files of the project count: the package of hnet_bench,
those of the strategy and the benchmark, and files beside a user's own. A module is known by a hash of its syntax:
comments, docstrings, layout and imports for type checkers do not change it. What is imported under a name that is
computed while the program runs is not found.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

from hnet_bench import catalog
from hnet_bench.catalog import Kind

_HASH_DIGITS = 12
# What all strategies share and tests of its own hold: a change there is shown, but makes no strategy's record stale.
# Data have a fingerprint of their own in every record.
_DECIDING = ("hnet_bench.strategies", "hnet_bench.nets", "hnet_bench.benchmarks")


class Tree(Protocol):
    """Where files of modules are read."""

    def read(self, place: str) -> bytes | None:
        """Content of a file such as "hnet_bench/nets/vae.py", None if there is none."""
        ...


class WorkingTree:
    """The files of these packages as they are installed, and those in `beside`, folders of a user's own modules."""

    def __init__(self, packages: frozenset[str], beside: tuple[Path, ...] = ()) -> None:
        self._packages, self._beside = packages, beside
        self._read: dict[str, bytes | None] = {}

    def read(self, place: str) -> bytes | None:
        if place not in self._read:
            self._read[place] = self._content(place)
        return self._read[place]

    def own_file(self, module: str) -> Path | None:
        """The file of a user's own module, None if it is none."""
        place = module.replace(".", "/")
        if place.partition("/")[0] in self._packages:
            return None
        found = (folder / f"{place}{end}" for end in (".py", "/__init__.py") for folder in self._beside)
        return next((path for path in found if path.is_file()), None)

    def _content(self, place: str) -> bytes | None:
        top, _, rest = place.partition("/")
        if top in self._packages:
            package = _package(top)
            return None if package is None else _content_of(package / rest)
        found = (_content_of(folder / place) for folder in self._beside)
        return next((content for content in found if content is not None), None)


def _content_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


@dataclass(frozen=True)
class Code:
    """The modules of the code behind a run, read lazily from a tree."""

    tree: Tree
    start: tuple[str, ...]  # names of modules
    _found: dict[str, bytes] = field(default_factory=dict)

    def modules(self) -> dict[str, bytes]:
        """Every module that is reached, with its source."""
        waiting = [] if self._found else list(self.start)
        while waiting:
            name = waiting.pop()
            source = None if name in self._found else source_of(self.tree, name)
            if source is None:
                continue
            self._found[name] = source
            waiting += [target for target in self._targets(name, source) if target not in self._found]
        return self._found

    def hashes(self) -> dict[str, str]:
        """Module -> hash of its syntax, sorted: what a record keeps."""
        return {name: syntax_hash(source) for name, source in sorted(self.modules().items())}

    def _targets(self, name: str, source: bytes) -> Iterator[str]:
        is_package = self.tree.read(f"{name.replace('.', '/')}.py") is None
        package = name if is_package else name.rpartition(".")[0]
        for level, module, names in _imports(source):
            base = _absolute(level, module, package)
            for one in names:
                member = f"{base}.{one}"
                yield member if source_of(self.tree, member) is not None else base


def code_of(strategy: str, benchmark: str, files: Mapping[str, Path] | None = None) -> Code:
    """The code behind runs of a strategy on a benchmark, by their names in the catalog, as it is now; `files` is that
    of their spec."""
    modules, beside = [], []
    for kind, name in _named(strategy, benchmark):
        if ".py:" in name:
            path = (files or {}).get(catalog.plain_name(name), Path(name.rpartition(":")[0]))
            modules.append(path.stem)
            beside.append(path.resolve().parent)
        elif catalog.is_known(kind, name):
            modules.append(catalog.names(kind)[name].partition(":")[0])
    packages = frozenset({"hnet_bench", *(module.partition(".")[0] for module in modules if "." in module)})
    return Code(WorkingTree(packages, tuple(beside)), tuple(modules))


def loaded_from_elsewhere(code: Code) -> tuple[Path, Path] | None:
    """A file beside a user's own that this process has not loaded, since it has another under that module's name, and
    that other. None if there is none: then what has been loaded so far is the code that a record names."""
    assert isinstance(code.tree, WorkingTree)
    for name in sorted(code.modules().keys() - set(code.start)):
        own, loaded = code.tree.own_file(name), getattr(sys.modules.get(name), "__file__", None)
        if own and loaded and Path(loaded).resolve() != own.resolve():
            return own, Path(loaded)
    return None


def belongs_to_harness(module: str) -> bool:
    """Whether a module is part of the harness, rather than of a strategy, its nets or a benchmark."""
    return module.partition(".")[0] == "hnet_bench" and not module.startswith(_DECIDING)


def source_of(tree: Tree, module: str) -> bytes | None:
    """Source of a module, or of the `__init__` of a package; None if it is not there."""
    place = module.replace(".", "/")
    source = tree.read(f"{place}.py")
    return tree.read(f"{place}/__init__.py") if source is None else source


@cache
def syntax_hash(source: bytes) -> str:
    """12 hex digits of what Python makes of a source, without docstrings; the same in every version of Python."""
    parts: list[str] = []
    try:
        _describe(_stripped(ast.parse(source)), parts)
    except (SyntaxError, ValueError):
        parts = [source.decode(errors="replace")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_HASH_DIGITS]


def _named(strategy: str, benchmark: str) -> tuple[tuple[Kind, str], tuple[Kind, str]]:
    return ("strategies", strategy), ("benchmarks", benchmark)


@cache
def _package(top: str) -> Path | None:
    """Folder of a top-level package; found without importing it."""
    try:
        found = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    places = list(found.submodule_search_locations or ()) if found else []
    return Path(places[0]) if places else None


def _absolute(level: int, module: str, package: str) -> str:
    if not level:
        return module
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *([module] if module else [])])


@cache
def _imports(source: bytes) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Level, module and names of every import, at the top of the file or in functions."""
    found: list[tuple[int, str, tuple[str, ...]]] = []
    try:
        tree = _stripped(ast.parse(source))
    except (SyntaxError, ValueError):
        return ()
    for node in _blocks(tree):
        if isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                base, _, last = alias.name.rpartition(".")
                found.append((0, base or last, (last,)))
    return tuple(found)


def _stripped(tree: ast.Module) -> ast.Module:
    """Without docstrings and without what only type checkers see; changes the tree itself."""
    for node in _blocks(tree):
        if isinstance(body := getattr(node, "body", None), list):
            node.body = [part for part in body if not _is_for_readers(part)]  # type: ignore[attr-defined]
    return tree


def _blocks(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all statements below it. Expressions, which are most of a tree, are not looked into."""
    yield node
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        part = getattr(node, name, None)
        for child in part if isinstance(part, list) else ():
            yield from _blocks(child)


def _is_for_readers(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    if not isinstance(node, ast.If) or node.orelse:
        return False
    return getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING"


def _describe(node: object, parts: list[str]) -> None:
    # `ast.dump` differs between versions of Python, which have added fields that are mostly empty.
    if isinstance(node, ast.AST):
        parts.append(type(node).__name__)
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != []:
                parts.append(name)
                _describe(value, parts)
        parts.append(")")
    elif isinstance(node, list):
        for one in node:
            _describe(one, parts)
        parts.append("]")
    else:
        parts.append(repr(node))
