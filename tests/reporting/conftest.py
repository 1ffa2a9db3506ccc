"""A table with everything that a report can show: two benchmarks, a bound, all verdicts, marks and empty cells."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from hnet_bench.interfaces import Settings
from hnet_bench.papers.reported import AuthorsCode
from hnet_bench.papers.table import Table, parse_table
from hnet_bench.reporting.cells import Report, build_report
from hnet_bench.reporting.figures.kept import figures_of
from hnet_bench.reporting.figures.page import Subject
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.record import Record
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store

# Strategy, what is reported, and the final accuracies over seeds 1, 2, 3, ... of each row.
ROWS: dict[str, tuple[str, float | None, tuple[float, ...]]] = {
    "upper": ("joint", None, (0.99, 0.98, 0.97)),
    "good": ("er", 70.0, (0.70, 0.71, 0.69, 0.70, 0.70)),
    "high": ("lwf", 50.0, (0.70, 0.71, 0.70, 0.70, 0.71)),
    "low": ("si", 90.0, (0.20, 0.21, 0.20, 0.21, 0.20)),
    "open": ("ewc", 60.0, (0.55, 0.65, 0.72, 0.50, 0.66)),
    "single": ("mas", 60.0, (0.60,)),
    "elsewhere": ("finetune", 60.0, ()),
}


def _row(name: str) -> Settings:
    strategy, mean, _ = ROWS[name]
    cell: Settings = {"strategy": strategy}
    if mean is not None:
        cell["reported"] = {"mean": mean, "known": "recalled" if name == "low" else "verified", "note": "Table 1"}
    settings = "digits" if name == "elsewhere" else "clusters"
    label = f"{name} & 100 % of _it_"  # what LaTeX and HTML would take for something else
    return {"name": name, "label": label, "settings": settings, "reference": name == "upper", "CL3": cell}


@pytest.fixture
def rich_table() -> Table:
    content: dict[str, Any] = {
        "title": "A table & its marks",
        "source": "Nobody et al. 2020",
        "note": "Costs 5 % of {x}_1 ~ <nothing>.",
        "seeds": "1-3",
        "settings": {
            "clusters": {"benchmark": {"name": "synthetic"}, "protocol": {"iterations": 5}},
            "digits": {"benchmark": {"name": "split_mnist", "class_order": "fixed"}, "protocol": {"iterations": 5}},
        },
        "reported": {"spread": 0.2, "spread_kind": "sem", "n": 20, "margin": 2.5},
        "rows": [_row(name) for name in ROWS],
    }
    # A row in two scenarios, so that the others have an empty field.
    content["rows"][1]["CL1"] = {"strategy": "er"}
    return parse_table("rich", content)


@pytest.fixture
def rich_store(rich_table: Table, tmp_path: Path, record_of: Callable[..., Record]) -> Store:
    store = Store(tmp_path / "results")
    for cell in rich_table.cells:
        scores = ROWS[cell.row][2] if cell.scenario.label == "CL3" else ()
        for seed, final in enumerate(scores, start=1):
            spec = resolve_cell(cell, seed)
            inferred = [[1.0, 0.0], [0.5, 0.7]] if cell.row == "good" else None
            score = [[0.9, 0.1], [final - 0.005, final + 0.005]]
            untrained = [0.05, 0.04] if cell.row == "good" else None
            more = {"task_inference": inferred, "untrained": untrained, "peak_memory_bytes": 2**30}
            store.write(spec, record_of(spec, score=score, **more))
    return store


@pytest.fixture
def rich_report(rich_table: Table, rich_store: Store) -> Report:
    return build_report(rich_table, table_state(rich_table, rich_store), command="rich.toml")


@pytest.fixture
def code_report(rich_table: Table, rich_store: Store) -> Report:
    """The same with runs of the authors' code: three seeds for `good`, one for `low`, of a bound that has no margin."""
    shared = {"code": "a/b", "versions": "PyTorch 1.4.0", "command": "python a_b.py --seed SEED", "by": "us"}
    runs = {
        "good": (
            AuthorsCode(**shared, commit="first", seeds="1-2", scores=(0.70, 0.705), note="As published."),
            AuthorsCode(**shared, commit="last", seeds="3", scores=(0.71,)),
        ),
        "low": (AuthorsCode(**shared, commit="last", seeds="1", scores=(0.21,)),),
        "upper": (AuthorsCode(**shared, commit="last", seeds="1-3", scores=(0.97, 0.98, 0.99)),),
    }
    cells = tuple(
        replace(cell, authors_code=runs.get(cell.row, ()) if cell.scenario.label == "CL3" else ())
        for cell in rich_table.cells
    )
    table = replace(rich_table, cells=cells)
    return build_report(table, table_state(table, rich_store), command="rich.toml")


@pytest.fixture
def drawn() -> Callable[[Report], dict[str, dict[str, bytes]]]:
    """All figures of a report, as `render` takes them."""
    return lambda report: figures_of([Subject(table=report.table, states=report.cells, command=report.command)])[0]


@pytest.fixture
def words_of() -> Callable[[Figure], str]:
    """All that is written on a figure, with single blanks."""

    def words(figure: Figure) -> str:
        texts = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
        return " ".join(" ".join(texts).split())

    return words


@pytest.fixture
def compiled() -> Callable[[str, Path], str]:
    """Has pdflatex set a file of a folder, which it must do without an error; what it says."""
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is absent")

    def compile_it(name: str, folder: Path) -> str:
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, errors="replace")
        assert done.returncode == 0, done.stdout[-2000:]
        return done.stdout

    return compile_it
