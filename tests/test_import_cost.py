"""What answers at once must not load torch, Avalanche or any other slow library: it works where they are absent."""

import subprocess
import sys
from pathlib import Path

import pytest

from hnet_bench.reporting.figures.kinds import KINDS, MAIN

BLOCK = """
import sys
for name in ("torch", "torchvision", "avalanche", "pandas", "matplotlib", "seaborn", "scipy", "dask", "distributed"):
    sys.modules[name] = None  # importing it raises ImportError
"""
MODULES = (
    "cli",
    "catalog",
    "config",
    "metrics",
    "interfaces",
    "papers.table",
    "reporting.text",
    "reporting.markdown",
    "reporting.terminal",
    "reporting.report_files",
    "reporting.verdicts",
    "reporting.progress",
    "runs.store",
    "runs.spec",
    "runs.plan",
    "runs.record",
    "runs.events",
    "data.load",
)


def python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_light_modules_import_without_the_heavy_libraries(tmp_path: Path) -> None:
    python(BLOCK + "\n".join(f"import hnet_bench.{module}" for module in MODULES), tmp_path)


def test_status_report_and_list_answer_without_the_heavy_libraries(tmp_path: Path) -> None:
    code = f"""{BLOCK}
from hnet_bench.cli import main
for arguments in (["--help"], ["list"], ["status", "quick"], ["status", "von_oswald_2020_table_1", "--json"],
                  ["report", "quick"], ["show", "hnet_ent"], ["show", "split_mnist"]):
    assert main(arguments) == 0, arguments
"""
    python(code, tmp_path)
    assert (tmp_path / "reports" / "quick.md").is_file()


# A table that has a report, and others for the figures that it has not.
REPORTED = "split_hnet_tir_ablation"
FIGURES = {
    "split_mnist_tuned": ("tuning",),
    "von_oswald_2020_figure_2": ("regression",),
    "von_oswald_2020_figure_3a_reduced": ("many-tasks", "step-time"),
    "von_oswald_2020_figure_3b_reduced": ("compression",),
    "von_oswald_2020_figure_4": ("embedding-space",),
    "von_oswald_2020_figure_5_reduced": ("transfer",),
}
# SciPy looks for torch among the modules that are loaded, and takes None there for torch.
WITHOUT_THE_EXTRA_TRAIN = """
import sys
import importlib.util
NAMES = ("torch", "torchvision", "avalanche", "dask", "distributed")
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
there = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in NAMES else there(name, package)
from hnet_bench.cli import main
"""


def test_figures_of_all_kinds_need_nothing_of_the_extra_train(tmp_path: Path) -> None:
    """`tox -e reports` asks it of the texts of all tables, since it installs nothing of that extra."""
    results = str(Path(__file__).parent.parent / "results")
    code = f"""{WITHOUT_THE_EXTRA_TRAIN}
commands = [["report", {REPORTED!r}, "--html"], ["report", {REPORTED!r}, "--check"]]
commands += [["figures", table, "--kinds", *kinds] for table, kinds in {FIGURES!r}.items()]
for command in commands:
    assert main([*command, "--results", {results!r}]) == 0, command
"""
    python(code, tmp_path)
    assert (tmp_path / "reports" / f"{REPORTED}.html").is_file()
    drawn = {path.stem.partition(".")[2] for path in (tmp_path / "reports").glob("*.svg")}
    assert drawn == {"" if name == MAIN else name for name in KINDS}


@pytest.mark.parametrize("arguments", [["run", "quick"], ["check", "finetune"], ["plan", "quick"]])
def test_what_trains_says_which_extra_it_needs(arguments: list[str], tmp_path: Path) -> None:
    code = f"""{WITHOUT_THE_EXTRA_TRAIN}
sys.stderr = sys.stdout
assert main({arguments!r}) == 2
"""
    assert "This needs torch, which is not installed: pip install hnet_bench[train]." in python(code, tmp_path)


def test_a_shell_is_answered_without_the_heavy_libraries(tmp_path: Path) -> None:
    words = {"_HNET_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": "hnet-bench show hnet_t", "COMP_CWORD": "2"}
    code = f"""{BLOCK}
import os
os.environ.update({words!r})
from hnet_bench.cli import main
assert main([]) == 0
"""
    assert python(code, tmp_path).split() == ["hnet_tir"]


def test_status_as_json_does_without_numpy_and_jinja2(tmp_path: Path) -> None:
    code = """
import sys
from hnet_bench.cli import main
assert main(["status", "quick", "--json"]) == 0
loaded = {"numpy", "jinja2"} & set(sys.modules)
assert not loaded, loaded
"""
    python(code, tmp_path)
