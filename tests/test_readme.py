"""What the README and the pages that it leads to say works: strategies, names of commands and tables, links."""

import re
from pathlib import Path

import pytest

from hnet_bench import api, catalog
from hnet_bench.cli import main
from hnet_bench.interfaces import Scenario
from hnet_bench.papers.table import load_table

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = {page.name: page.read_text() for page in (ROOT / "docs").glob("*.md")}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *[f"docs/{name}" for name in PAGES]])
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text()
    targets = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if not link.startswith("http")]
    for target in targets:
        assert ((ROOT / page).parent / target).exists(), target


def test_the_strategy_in_the_readme_runs_in_every_scenario(tmp_path, monkeypatch, spec_of):
    from hnet_bench.runs.run import run

    (code,) = re.findall(r"```python\n# my\.py\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    (tmp_path / "my.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    for scenario in Scenario:
        protocol = {"iterations": 300, "batch_size": 16, "hidden_units": [20]}
        record = run(spec_of(scenario=scenario, protocol=protocol, strategy="my.py:Replay"))
        # Replay keeps the first experience, which fine-tuning forgets in CL3.
        assert record.score[-1][0] > 0.9


def test_the_page_of_commands_names_all_and_only_those_that_exist(capsys):
    """Whatever else a page calls with `hnet-bench` exists, too."""
    assert main(["--help"]) == 0
    every = re.findall(r"^│ (\w+) ", capsys.readouterr().out.partition("Commands")[2], re.MULTILINE)
    named = set(re.findall(r"^\| `hnet-bench (\w+)", PAGES["commands.md"], re.MULTILINE))
    assert sorted(named) == sorted(every)
    assert set(re.findall(r"hnet-bench (\w+)", "".join([README, *PAGES.values()]))) <= set(every)


@pytest.mark.parametrize("kind", ["strategies", "benchmarks"])
def test_the_page_of_strategies_and_benchmarks_names_all_and_no_others(kind):
    (chapter,) = re.findall(rf"^## {kind.title()}$(.*?)(?=^#|\Z)", PAGES["strategies.md"], re.DOTALL | re.MULTILINE)
    listed = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("| `")]
    assert sorted(re.findall(r"`(\w+)`", " ".join(listed))) == list(catalog.names(kind))


def test_the_tables_in_the_pages_exist():
    for command in re.findall(
        r"hnet-bench (?:run|tune|report|status|plan|trace|verify) (\w+)\b(?!\.toml)", "".join([README, *PAGES.values()])
    ):
        if command != "TABLE":
            load_table(command)


def test_the_averages_of_the_readme_are_those_of_the_tables(monkeypatch, tmp_path, stored):
    (line,) = re.findall(r"^api\.records.*$", README, re.MULTILINE)
    monkeypatch.chdir(ROOT)
    chosen = {"seeds": "1-10"}
    found = eval(line.replace('("quick")', '("von_oswald_2020_table_1", **chosen)'), {"api": api, "chosen": chosen})
    # HNET+ENT on split MNIST alone, each of its ten runs once.
    assert [f"{100 * value:.2f}" for value in found.loc["split_hnet_ent", "CL3"]] == ["62.51", "1.17"]
    # In CL1 two rows share their runs, which count once in either.
    assert found.loc["split_hnet_ent", "CL1"].equals(found.loc["split_hnet_tir", "CL1"])
    assert as_status(found) == as_status(api.status("von_oswald_2020_table_1", **chosen).dropna(subset="mean"))
    monkeypatch.chdir(tmp_path)
    for cell in range(len(load_table("quick").cells)):
        for seed, score in ((1, 0.5), (2, 0.7)):
            stored(cell, seed, table="quick", score=[[score]])
    quick = eval(line, {"api": api})
    assert len(quick) == len(load_table("quick").cells)
    assert as_status(quick) == as_status(api.status("quick"))
    assert quick["mean"].tolist() == pytest.approx([0.6] * len(quick))


def test_a_metric_of_ones_own_is_a_line_of_pandas(monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(
        r"```python\n(.*?)^(records\.groupby.*?)$", PAGES["adding_a_metric.md"], re.DOTALL | re.MULTILINE
    )
    exec(code[0], space := {})
    worst = eval(code[1], space)["mean"]
    # Two digits of ten are all that fine-tuning knows in the end.
    assert worst["none"] < 0.01 < 0.9 < worst["offline"]


def as_status(frame):
    """Mean and SEM by row and scenario, to nine decimals."""
    lines = frame.reset_index()[["row", "scenario", "mean", "sem"]].fillna(-1).round(9)
    return sorted(lines.itertuples(index=False, name=None))


def test_a_row_has_one_name_in_every_frame(monkeypatch):
    monkeypatch.chdir(ROOT)
    chosen = {"rows": "split_hnet_ent", "scenarios": "CL3", "seeds": "1-3"}
    for verb in (api.status, api.records, api.scores, api.cells, api.plan, api.verify):
        found = verb("von_oswald_2020_table_1", **chosen)
        found = found.frame if verb is api.plan else found
        assert set(found.row) == {"split_hnet_ent"}, verb
        assert set(found.label) == {"Split MNIST, HNET+ENT"}, verb
        assert set(found.scenario) == {"CL3"}, verb
