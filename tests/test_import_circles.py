"""No file imports another that leads back to it, neither when it is loaded, nor in a function, nor for types alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent


def modules() -> dict[str, Path]:
    paths = (path for package in ("hnet_bench", "baselines") for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imported(path: Path, known: set[str]) -> set[str]:
    """Modules that a file imports anywhere; a package stands for its __init__."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            inside = {f"{node.module}.{alias.name}" for alias in node.names} & known
            found |= inside or {str(node.module)}
    return found & known


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Groups of modules that lead to one another."""

    def led_to(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            new = graph[waiting.pop()] - found
            found |= new
            waiting += new
        return found

    leads = {module: led_to(module) for module in graph}
    for module in sorted(graph):
        group = sorted(other for other in leads[module] if module in leads[other])
        if group and group[0] == module:
            yield group


def test_a_circle_is_found() -> None:
    assert list(circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}, "e": set()})) == [["b", "c"], ["d"]]


def test_imports_go_in_no_circle() -> None:
    known = modules()
    assert list(circles({module: imported(path, set(known)) for module, path in known.items()})) == []
