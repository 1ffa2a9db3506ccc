"""Revisions: what a record's scores belong to, and whether the code still computes the same.

Each of our strategies and benchmarks, and the protocol that all runs share, carries an integer `revision`, which is
raised when what it computes changes; renaming and moving leave it. `tox -e golden` holds the numbers to that. Of a
user's own file or package, which has no such guard, a hash of its content stands in that place. A record keeps all
three. Imports neither torch nor Avalanche.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from hnet_bench import catalog
from hnet_bench.catalog import Kind
from hnet_bench.interfaces import Settings, TrainingProtocol
from hnet_bench.runs.spec import RunSpec

_HASH_DIGITS = 12


def revisions_of(spec: RunSpec) -> Settings:
    """The revisions that a record of this run gets now: "strategy", "benchmark" and "protocol"."""
    return {
        "strategy": _revision("strategies", spec.strategy, spec),
        "benchmark": _revision("benchmarks", spec.benchmark, spec),
        "protocol": TrainingProtocol.revision,
    }


def changed_since(recorded: Settings, present: Settings) -> tuple[str, ...]:
    """What of the revisions of a record is another now, such as "strategy: revision 1, now revision 2". Where there is
    anything, the record is stale: its run might give something else."""
    return tuple(
        f"{part}: {_said(recorded[part])}, now {_said(now)}" for part, now in present.items() if recorded[part] != now
    )


def loaded_from_elsewhere(spec: RunSpec) -> tuple[Path, Path] | None:
    """A file beside a user's own that this process has not loaded, since it has another under that module's name, and
    that other. None if there is none: then what has been loaded so far is what `revisions_of` hashes."""
    for path in spec.files.values():
        for own in _with_modules_beside(path)[1:]:
            loaded = getattr(sys.modules.get(_module_name(own, path.parent)), "__file__", None)
            if loaded and Path(loaded).resolve() != own.resolve():
                return own, Path(loaded)
    return None


def _revision(kind: Kind, name: str, spec: RunSpec) -> int | str:
    if ".py:" in name:
        file = spec.files.get(catalog.plain_name(name), Path(name.rpartition(":")[0]))
        return _sum(_with_modules_beside(file), file.parent)
    package = catalog.names(kind)[name].partition(":")[0].partition(".")[0]
    if package not in catalog.OURS:
        return _sum_of_package(package)
    chosen = catalog.strategy_class(name) if kind == "strategies" else catalog.benchmark_class(name)
    return chosen.revision


def _sum(files: Iterable[Path], folder: Path) -> str:
    """12 hex digits of the SHA-256 over names and contents; lines may end in any way, since git changes that."""
    digest = hashlib.sha256()
    for path in sorted(files, key=lambda file: file.relative_to(folder).as_posix()):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:_HASH_DIGITS]


def _sum_of_package(package: str) -> str:
    # Found without importing it.
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or ()) if found else []
    if folders:
        return _sum(Path(folders[0]).rglob("*.py"), Path(folders[0]))
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"No module named '{package}'")
    return _sum([Path(found.origin)], Path(found.origin).parent)


def _with_modules_beside(file: Path) -> list[Path]:
    """A user's file, and the files beside it that it imports, directly or by way of each other."""
    found, waiting = [file], [file]
    while waiting:
        for name in _imported(waiting.pop()):
            new = [path for path in _files_of(name, file.parent) if path not in found]
            found += new
            waiting += new
    return found


def _files_of(module: str, folder: Path) -> list[Path]:
    """The file of a module beside the user's, or all of a package's, whichever of its parts is imported."""
    if (folder / f"{module}.py").is_file():
        return [folder / f"{module}.py"]
    return sorted((folder / module).rglob("*.py"))


def _imported(file: Path) -> Iterator[str]:
    """First parts of the names that a file imports, at its top or in functions."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _module_name(file: Path, folder: Path) -> str:
    return ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")


def _said(revision: int | str) -> str:
    return f"revision {revision}" if isinstance(revision, int) else f"content {revision}"
