"""The pages in docs/ that show how to do something are done here, from top to bottom, file by file and command by
command."""

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from hnet_bench.config import tomllib
from hnet_bench.papers.table import parse_table
from hnet_bench.scaffold import first_files

ROOT = Path(__file__).parent.parent
ADDING = (ROOT / "docs" / "adding_a_strategy.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def code_lines(text):
    """Lines that are neither blank, nor a comment, nor a docstring."""
    text = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
    return [line for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


@pytest.fixture
def commands(tmp_path):
    """Runs a command of the page in its own folder, with the program of this environment.

    What pip installs goes into an environment of its own, which `hnet-bench` sees, rather than into that of the tests.
    """
    venv.create(tmp_path / "venv", with_pip=True)
    (own,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    # There the page's package finds hnet-bench, on which it depends.
    (own / "tests.pth").write_text(sysconfig.get_paths()["purelib"])
    scripts = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(tmp_path / "venv" / "bin"), str(scripts), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(own), os.environ.get("PYTHONPATH", "")]),
    }
    (tmp_path / "here").mkdir()

    def run(command):
        done = subprocess.run(
            command, shell=True, cwd=tmp_path / "here", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def test_adding_a_strategy(commands, tmp_path, mnist_folder):
    here = tmp_path / "here"
    done = []
    for kind, text in BLOCK.findall(ADDING):
        named = re.match(r"# file: (\S+)\n", text)
        if named:
            path = here / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text[named.end() :])
        elif kind == "sh":
            result = commands(text.strip())
            done.append(text.strip())
            assert "Warning" not in result.stderr
            if text.startswith("hnet-bench new"):
                # The runs would take minutes at the budget that the file gives.
                table = here / "my_method.toml"
                table.write_text(table.read_text().replace("iterations = 400", "iterations = 3"))
    assert len(done) == len(re.findall(r"^```sh$", ADDING, re.MULTILINE)) == 7
    assert "my_method" in (here / "reports" / "my_method.md").read_text()


def test_tuning(tmp_path, monkeypatch, said):
    """On tiny data, which are learnt in no time; the page is about split MNIST."""
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / "tuning.md").read_text()
    done = []
    for kind, block in BLOCK.findall(text):
        if named := re.match(r"# file: (\S+)\n", block):
            Path(named[1]).write_text(block[named.end() :].replace("split_mnist", "synthetic").replace('"1-3"', '"1"'))
        elif kind == "toml":
            (cell,) = parse_table("mine", tomllib.loads(block)).cells
            assert cell.search.ranges
        elif kind == "sh":
            done.append(said(block.strip().removeprefix("hnet-bench ")).out)
    tuned, run, _ = done
    assert "final_validation" in tuned
    assert "Written: stay_close.chosen.json" in tuned
    assert "Staying close" in run
    assert "| selected by final_validation, 4 trials: strength = " in Path("reports/stay_close.md").read_text()


def test_a_new_file_is_as_short_as_the_page_says():
    (lines,) = re.findall(r"`my_method.py`, (\d+) lines of code", ADDING)
    files = first_files("my_method")
    assert len(code_lines(files["my_method.py"])) == int(lines) <= 15
