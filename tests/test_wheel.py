"""The wheels: they build, hold what they should and nothing else, and work where they are installed."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hnet_bench import __version__
from hnet_bench.runs.shipped import DISTRIBUTION, FOLDER, sums_of

ROOT = Path(__file__).parent.parent


def built(source, target):
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(target), str(source)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = target.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return built(ROOT / "results", tmp_path_factory.mktemp("records"))


def test_it_holds_both_packages_with_the_tables_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hnet_bench", "baselines"}
    assert {"hnet_bench/py.typed", "baselines/py.typed"} <= set(names)
    page = "hnet_bench/reporting/templates"
    beside = [("hnet_bench/papers", ".toml"), (page, ".html"), (page, ".css"), (page, ".js")]
    for folder, suffix in (("hnet_bench", ".py"), ("baselines", ".py"), *beside):
        expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(f"*{suffix}")}
        assert expected
        assert expected <= set(names)


def test_that_of_the_records_holds_data_alone_and_the_extra_names_it(records):
    names = [name for name in zipfile.ZipFile(records).namelist() if ".dist-info/" not in name]
    assert sorted(names) == sorted(f"{FOLDER}/{name}" for name in sums_of(ROOT / "results"))
    (extra,) = re.findall(r'^records = \["(.*)"\]$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert extra == f"{DISTRIBUTION}=={__version__}"


def test_installed_they_have_tables_strategies_baselines_and_records(wheel, records, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*pip, str(wheel), str(records)], check=True, capture_output=True)
    script = (
        "import hnet_bench, baselines, sys; from hnet_bench.cli import main;"
        "assert hnet_bench.__file__.startswith(sys.argv[1]), hnet_bench.__file__;"
        "assert baselines.__file__.startswith(sys.argv[1]), baselines.__file__;"
        "sys.exit(main(['list']) or main(['trace', 'von_oswald_2020_table_1', 'split_hnet_ent', 'CL3']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(site)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    for name in ("quick", "von_oswald_2020_table_1", "hnet_ent", "finetune", "split_mnist"):
        assert name in done.stdout
    assert str(site / FOLDER / "split_mnist" / "class" / "hnet_ent" / "seed1-") in done.stdout
    assert os.listdir(tmp_path) == ["site"]
