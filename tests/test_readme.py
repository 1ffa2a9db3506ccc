"""What the README says works: its strategy, its commands' names, its links."""

import re
from pathlib import Path

import pytest

from hnet_bench.cli import main
from hnet_bench.interfaces import Scenario
from hnet_bench.papers.table import load_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *[f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")]]
)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    targets = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("http")]
    for target in targets:
        assert ((ROOT / page).parent / target).exists(), target


def test_the_strategy_in_the_readme_runs_in_every_scenario(tmp_path, monkeypatch):
    from hnet_bench.runs.run import run
    from hnet_bench.runs.spec import resolve

    (code,) = re.findall(r"```python\n# my\.py\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    (tmp_path / "my.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    for scenario in Scenario:
        spec = resolve(
            benchmark={"name": "synthetic"},
            scenario=scenario,
            protocol={"iterations": 300, "batch_size": 16, "hidden_units": [20]},
            strategy="my.py:Replay",
            hyperparameters={},
            seed=1,
            where="the README",
        )
        record = run(spec)
        # Replay keeps the first experience, which fine-tuning forgets in CL3.
        assert record.score[-1][0] > 0.9


def test_the_commands_in_the_readme_exist(capsys):
    for command in set(re.findall(r"hnet-bench (\w+)", README)):
        assert main([command, "--help"]) == 0
    capsys.readouterr()


def test_the_tables_in_the_readme_exist():
    for command in re.findall(r"hnet-bench (?:run|report|status) (\w+)", README):
        if command not in ("TABLE", "my_table", "my_method"):
            load_table(command)
