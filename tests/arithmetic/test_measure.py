"""The measurement of what arithmetic does to scores: its differences by hand, and what it does to a process."""

import importlib.util
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pandas
import pytest

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def measure():
    found = importlib.util.spec_from_file_location("arithmetic_measure", FOLDER / "measure.py")
    module = importlib.util.module_from_spec(found)
    sys.modules[found.name] = module
    found.loader.exec_module(module)
    return module


def scores(**variants):
    lines = [
        {"variant": name, "cell": "split_si CL2", "seed": seed, "score": score}
        for name, values in variants.items()
        for seed, score in enumerate(values, start=1)
    ]
    return pandas.DataFrame(lines)


def test_differences_are_paired_by_seed_and_stand_beside_those_of_seeds(measure):
    found = measure.differences(
        scores(**{"as released": [60, 62, 64, 66, 68], "two threads": [61, 60, 64, 67, 73], "Adam not fused": [1, 2]}),
        "split_si CL2",
    )
    assert list(found.index) == ["as released", "two threads", "another seed"]  # of the third only two seeds are done
    assert found.loc["as released", "mean"] == 64
    assert found.loc["two threads", ["difference", "size", "largest"]].tolist() == pytest.approx([1.0, 1.8, 5.0])
    # Between seeds: 2 four times, 4 three times, 6 twice, 8 once.
    assert found.loc["another seed", ["size", "largest"]].tolist() == pytest.approx([4.0, 8.0])


def test_nothing_is_said_of_a_cell_without_all_seeds(measure):
    assert measure.differences(scores(**{"two threads": [1, 2, 3, 4, 5], "as released": [1, 2]}), "split_si CL2").empty


def test_what_is_lacking_comes_in_order_of_its_cost(measure):
    done = scores(**{"as released": [1, 2]})
    found = list(measure.lacking(done))
    assert found[0] == ("as released", "split_si CL2", 3)
    assert len(found) == len(measure.CELLS) * len(measure.VARIANTS) * 5 - 2


def test_records_of_other_processors_stand_beside_it(measure):
    first = scores(**{"as released": [1]}).assign(cpu="none of ours")
    lines = pandas.DataFrame(measure.of_other_processors(first))
    assert set(zip(lines["cell"], lines["seed"], strict=True)) == set(itertools.product(measure.CELLS, range(1, 6)))
    assert all(name.startswith("our records: ") for name in lines["variant"])
    assert not list(measure.of_other_processors(lines))


def test_the_page_is_what_the_scores_give(measure):
    assert measure.PAGE.read_text(encoding="utf-8") == measure.rendered(pandas.read_csv(measure.SCORES))


def test_the_findings_say_what_the_scores_give(measure):
    scores, page = pandas.read_csv(measure.SCORES), measure.PAGE.with_name("findings.md").read_text(encoding="utf-8")
    for cell, name in measure.CELLS.items():
        found = measure.differences(scores, cell)
        ways = found.loc[[one for one in measure.VARIANTS if one != measure.AS_RELEASED]]
        between = found.loc["another seed", "size"]
        assert f"| {name} | {ways['size'].mean():.1f} ({ways['largest'].max():.1f}) | {between:.1f} |\n" in page


CHANGED = """
import importlib.util, json, sys, torch
found = importlib.util.spec_from_file_location("measure", sys.argv[1])
measure = importlib.util.module_from_spec(found)
sys.modules["measure"] = measure
found.loader.exec_module(measure)
for variant in measure.VARIANTS.values():
    measure.apply(variant.patch)
from hnet_bench.nets.products import library
from hnet_bench.runs import run
adam = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], fused=True)
print(json.dumps([library(), run._THREADS, adam.defaults["fused"], torch.backends.cpu.get_cpu_capability()]))
"""


def test_variants_compute_in_another_way(measure):
    """All at once, in one process."""
    environment = {"OMP_NUM_THREADS": "1"}
    for variant in measure.VARIANTS.values():
        environment |= variant.environment
    command = [sys.executable, "-W", "ignore", "-c", CHANGED, FOLDER / "measure.py"]
    said = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == ["PyTorch", 2, False, "DEFAULT"]
