"""The example notebook runs as it stands, in a kernel, whose event loop is running."""

import shutil
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("ipywidgets")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
IN_A_LOOP = "import asyncio\nassert asyncio.get_running_loop().is_running()"
# Of a run that is done again: what a notebook shows while it goes on.
WITH_BARS = 'api.run("tiny.toml", rows="finetune", seeds=3, jobs=1);'


def shown(cell, kind):
    return [one.get("data", {}).get(kind, "") for one in cell.outputs if kind in one.get("data", {})]


def test_the_notebook_runs(tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # that of notebooks is their own
    shutil.copytree(ROOT / "results" / "split_mnist", tmp_path / "results" / "split_mnist")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in code)  # they would grow stale
    more = [nbformat.v4.new_code_cell(source) for source in (IN_A_LOOP, WITH_BARS)]
    notebook.cells += more
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    overview, records, plan, run, figure = (cell for cell in code if any("data" in one for one in cell.outputs))
    assert "62." in shown(overview, "text/html")[0]
    assert "average_accuracy" in shown(records, "text/html")[0]
    assert shown(plan, "text/plain")[0].startswith("4 runs to do")
    assert len(run.outputs) == 1  # what the cell is worth, since it ran quietly
    assert "replay" in shown(run, "text/html")[0]
    assert "4 runs done, 0 failed, 0 left" in shown(run, "text/plain")[0]
    assert shown(figure, "image/png")
    assert "[1/1] finished finetune CL3 seed 3" in "".join(shown(more[-1], "text/plain"))
    assert shown(more[-1], "application/vnd.jupyter.widget-view+json")
