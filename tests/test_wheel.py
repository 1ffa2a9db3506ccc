"""The wheel: builds, holds both packages and the tables and nothing else, and works where it is installed."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(target), str(ROOT)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("*.whl")
    return built


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


def test_installed_it_finds_tables_strategies_and_baselines(wheel, tmp_path):
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(site), str(wheel)],
        check=True,
        capture_output=True,
    )
    script = (
        "import hnet_bench, baselines, sys; from hnet_bench.cli import main;"
        "assert hnet_bench.__file__.startswith(sys.argv[1]), hnet_bench.__file__;"
        "assert baselines.__file__.startswith(sys.argv[1]), baselines.__file__;"
        "sys.exit(main(['list']))"
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
