"""The pages in docs/ that show how to do something are done here, from top to bottom, file by file and command by
command."""

import doctest
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import get_args

import numpy
import pytest
import typer
from matplotlib import pyplot

from hnet_bench import api, catalog
from hnet_bench.cli import app, expand
from hnet_bench.config import from_settings, tomllib
from hnet_bench.interfaces import Scenario
from hnet_bench.metrics import METRICS
from hnet_bench.papers.reported import Reported
from hnet_bench.papers.search import RuleName
from hnet_bench.papers.table import parse_table
from hnet_bench.runs.tuning import RULES
from hnet_bench.scaffold import first_files

ROOT = Path(__file__).parent.parent
BENCHMARK = (ROOT / "docs" / "adding_a_benchmark.md").read_text()
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


def idx(array):
    """An array of bytes as the files of MNIST hold it: two zeros, the type, the number of axes, their lengths."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def data_of_the_page(tmp_path, monkeypatch):
    """A data folder with the digits, which scikit-learn brings, and a Fashion-MNIST of 40 and 20 images; no network.
    Image i, of class i modulo 10, has the value i everywhere, or 100 + i for test."""
    raw = tmp_path / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count, first in (("train", 40, 0), ("t10k", 20, 100)):
        values = numpy.arange(count, dtype=numpy.uint8)
        images = numpy.broadcast_to((first + values)[:, None, None], (count, 28, 28))
        (raw / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(idx(values % 10))
    folder = Path(importlib.util.find_spec("sklearn").origin).parent
    shutil.copy(folder / "datasets" / "data" / "digits.csv.gz", tmp_path / "data")
    monkeypatch.setenv("HNET_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_adding_a_benchmark(data_of_the_page, said):
    done = []
    for kind, text in BLOCK.findall(BENCHMARK):
        named = re.match(r"# file: (\S+)\n", text)
        if named:
            Path(named[1]).write_text(text[named.end() :].replace("iterations = 200", "iterations = 20"))
        elif kind == "sh":
            done.append(said(text.strip().removeprefix("hnet-bench ")).out)
    check, run = done
    assert check.endswith("digits.py:SplitDigits: 26 checks, none failed.\n")
    assert "4 runs to do." in run
    (record, *_) = Path("results/digits-SplitDigits/class/er").glob("*.json")
    assert '"digits.csv.gz": "09f66e6debde' in record.read_text()
    assert len(api.status("my_table.toml")) == 3


@pytest.mark.parametrize(("scenario", "first"), [(Scenario.TASK, 0), (Scenario.CLASS, 2)])
def test_the_split_of_fashion_mnist(data_of_the_page, scenario, first):
    from hnet_bench.avalanche_adapter.conversion import in_memory

    (text,) = re.findall(r"^# file: fashion.py\n(.*?)^```$", BENCHMARK, re.DOTALL | re.MULTILINE)
    Path("fashion.py").write_text(text)
    made = in_memory(
        catalog.build("benchmarks", "fashion.py:SplitFashion", {}, where="a test"), scenario=scenario, seed=1
    )
    for parts, start in ((made.train, 0), (made.test, 100)):
        images, labels = parts[1].x, parts[1].y  # of classes 2 and 3
        assert images.shape[1:] == (1, 28, 28)
        assert set(zip((255 * images[:, 0, 0, 0]).round().int().tolist(), labels.tolist(), strict=True)) == {
            (start + 10 * ten + 2 + other, first + other) for ten in range(len(images) // 2) for other in (0, 1)
        }
    orders = [
        [int(255 * part.x.min()) for part in in_memory(one, scenario=scenario, seed=seed).train]
        for seed in (1, 1, 2)
        for one in [catalog.build("benchmarks", "fashion.py:SplitFashion", {"shuffled": True}, where="a test")]
    ]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize("scenario", list(Scenario))
def test_the_loss_of_der_is_that_of_the_paper(built, stream_of, recorded, tmp_path, scenario):
    """Equation 6 of Buzzega et al., computed anew from the classifier and the stored samples of each step."""
    (text,) = re.findall(r"^# file: der.py\n(.*?)^```$", ADDING, re.DOTALL | re.MULTILINE)
    (tmp_path / "der.py").write_text(text)
    name, chosen = f"{tmp_path / 'der.py'}:DerPlusPlus", {"memory": 30, "replayed": 5, "alpha": 0.3, "beta": 0.7}
    template = built(catalog.build("strategies", name, chosen, where="a test"), scenario)
    draws = []
    draw = template.memory.draw
    template.memory.draw = lambda count: draws.append(draw(count)) or draws[-1]
    steps = recorded(template)
    for experience in stream_of(scenario)[:2]:
        template.train(experience, eval_streams=[])
    assert len(draws) == 2 * (len(steps) - 1) == 46
    known = {tuple(x.tolist()): int(y) for step in steps for x, y in zip(step.x, step.y, strict=True)}
    for number, step in enumerate(steps[1:]):
        network = getattr(step.model, "network", step.model).double()
        (x, _, _, outputs), (x2, y2, tasks2, _) = draws[2 * number : 2 * number + 2]
        distance = ((network(x.double()) - outputs) ** 2).sum() / (5 * outputs.shape[1])
        classes = 2 if number < 11 else 4  # seen so far, of which two are added with each experience
        terms = (
            mean_negative_log_probability(network, scenario, step.x, step.y, step.mbatch[-1], classes),
            mean_negative_log_probability(network, scenario, x2, y2, tasks2, classes),
        )
        assert step.loss == pytest.approx((terms[0] + 0.3 * distance + 0.7 * terms[1]).item(), rel=1e-5)
        assert [known[tuple(one.tolist())] for one in x2] == y2.tolist()


def mean_negative_log_probability(network, scenario, x, y, tasks, classes):
    losses = []
    for outputs, label, task in zip(network(x.double()), y.tolist(), tasks.tolist(), strict=True):
        competing = {
            Scenario.TASK: outputs[2 * task : 2 * task + 2],
            Scenario.DOMAIN: outputs,
            Scenario.CLASS: outputs[:classes],
        }[scenario]
        losses.append(competing.exp().sum().log() - competing[label])
    return sum(losses) / len(losses)


def test_the_memory_of_der_is_a_uniform_choice(tmp_path):
    import torch

    (text,) = re.findall(r"^# file: der.py\n(.*?)^```$", ADDING, re.DOTALL | re.MULTILINE)
    (tmp_path / "der.py").write_text(text)
    reservoir = catalog._module_from_file(tmp_path / "der.py").Reservoir
    times = torch.zeros(40)
    for seed in range(300):
        memory = reservoir(10, torch.Generator().manual_seed(seed))
        for start in range(0, 40, 8):
            memory.add(torch.arange(start, start + 8.0), -torch.arange(start, start + 8))
        assert len(memory.held[0].unique()) == 10
        assert torch.equal(memory.held[0], -memory.held[1].float())
        times[memory.held[0].long()] += 1
    # Each of 40 is held in a quarter of 300 cases: 75, with a standard deviation of 7.5.
    assert 45 < times.min() <= times.max() < 105


def test_the_tutorial(tmp_path, monkeypatch, said):
    """On tiny data, which are learnt in no time. What is printed is that of the page but for measured numbers."""
    monkeypatch.chdir(tmp_path)
    printed = ""
    for kind, block in BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text()):
        if named := re.match(r"[#%] file: (\S+)\n", block):
            Path(named[1]).write_text(block[named.end() :])
        elif kind == "text":
            assert without_numbers(block) == without_numbers(printed)
        elif block.startswith("from hnet_bench import"):
            code, _, last = block.strip().rpartition("\n")
            exec(code, space := {})
            assert len(eval(last, space)) == 5
        elif kind == "python":
            assert block in Path("my_method.py").read_text()
        for command in block.splitlines() if kind == "sh" else ():
            if command.startswith("pdflatex") and shutil.which("pdflatex"):
                subprocess.run(command, shell=True, check=True, capture_output=True)
                log = Path("paper.log").read_text(errors="replace")
                assert not re.findall("Overfull|undefined", log)
            # `check` asks the same of the same file in the test of the page about strategies, for minutes.
            elif command.startswith("hnet-bench") and "check" not in command:
                command, _, file = command.removeprefix("hnet-bench ").partition(" > ")
                printed = said(command).out
                Path(file or "nowhere").write_text(printed)
            if command == "new my_method":
                text = Path("my_method.toml").read_text()
                text = re.sub(r"{ name = .split_mnist.*}", '{ name = "synthetic", train_per_class = 6000 }', text)
                Path("my_method.toml").write_text(text.replace("iterations = 400", "iterations = 3"))
    assert Path("reports/memory.html").is_file()
    assert Path("memory.tex").read_text().count("begin{table}") == 1
    assert Path("reports/memory.pdf").read_bytes().startswith(b"%PDF")


def without_numbers(text):
    """Neither what was measured, nor how wide columns are for it."""
    return re.sub(r"[\s─]+", " ", re.sub(r"[\d.]+ ± [\d.]+", "...", text)).strip()


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


def blocks(page, kind):
    """The code of this kind on a page of docs/."""
    return [text for found, text in BLOCK.findall((ROOT / "docs" / page).read_text()) if found == kind]


def test_a_figure_of_ones_own_is_drawn(monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = blocks("figures.md", "python")
    names = {}
    with pyplot.rc_context():
        exec(code, names)
    left, right = names["left"], names["right"]
    assert left.get_title("left") == "Split MNIST, CL3"
    assert [text.get_text() for text in left.get_legend().get_texts()][-1] == "HNET+R"
    assert (right.get_title("left"), right.get_xlabel()) == ("HNET+ENT", "digits of experience")
    pyplot.close(names["figure"])


def test_what_is_read_in_pandas(tmp_path, monkeypatch, engine):
    """Runs are stored rather than trained."""
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in blocks("pandas.md", "python"):
        exec(code, names)
    assert set(names["lines"]["scenario"]) == {"CL3"}
    assert len(engine.calls) == 1
    pyplot.close("all")


def test_parts_of_tables_have_keys_that_there_are():
    for block in blocks("verdicts.md", "toml"):
        given = {"known": "recalled", "mean": 90.0, **tomllib.loads(block)["reported"]}
        assert from_settings(Reported, given, where="the page").mean
    (columns,) = blocks("metrics.md", "toml")
    assert set(tomllib.loads(columns)["columns"]) <= set(METRICS)


@pytest.mark.parametrize("page", sorted(page.name for page in (ROOT / "docs").glob("*.md")))
def test_commands_have_options_that_there_are(page):
    """Those that are done nowhere are read, at least."""
    program = typer.main.get_command(app)
    for line in "".join(blocks(page, "sh")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] != ["hnet-bench"]:
            continue
        words = expand(words[1 : words.index(">")] if ">" in words else words[1:])
        with program.make_context("hnet-bench", [*words]) as context:
            name, command, arguments = program.resolve_command(context, words)
            command.make_context(name, arguments, parent=context)


def test_examples_in_docstrings_are_true():
    files = [path for name in ("hnet_bench", "baselines") for path in (ROOT / name).rglob("*.py")]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files if ">>> " in path.read_text()]
    found = {name: doctest.testmod(importlib.import_module(name)) for name in names}
    assert [name for name, result in found.items() if result.failed or not result.attempted] == []
    assert "hnet_bench.config" in found


def test_the_page_of_rules_names_all_and_no_others():
    text = (ROOT / "docs" / "tuning.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) == list(RULES) == list(get_args(RuleName))


def test_a_new_file_is_as_short_as_the_page_says():
    (lines,) = re.findall(r"`my_method.py`, (\d+) lines of code", ADDING)
    files = first_files("my_method")
    assert len(code_lines(files["my_method.py"])) == int(lines) <= 15
