"""The committed records are sound, and what docs/findings.md and docs/performance.md say of them holds."""

import re
import statistics
from pathlib import Path

import pytest

from hnet_bench.interfaces import Scenario
from hnet_bench.papers.table import load_table
from hnet_bench.runs.spec import cell_spec, resolve_cell
from hnet_bench.runs.store import Store

ROOT = Path(__file__).parent.parent
ABLATION = load_table("split_hnet_ent_ablation")
TABLE_1 = load_table("von_oswald_2020_table_1")
TABLE_2019 = load_table("van_de_ven_2019_split_mnist")
TABLE_2022 = load_table("van_de_ven_2022_split_mnist")


def records_of(row, scenario=Scenario.CLASS, table=ABLATION):
    (cell,) = [cell for cell in table.cells if cell.row == row and cell.scenario is scenario]
    return {record.spec["seed"]: record for record in Store(ROOT / "results").records(resolve_cell(cell, seed=0))}


@pytest.mark.parametrize("seed", range(1, 6))
def test_nan_entropies_changed_no_score(seed):
    assert records_of("naive_entropy")[seed].score == records_of("as_published")[seed].score


WHOLE_RUNS = (ROOT / "docs" / "performance.md").read_text().partition("## Whole runs")[2]


def seconds_of(row, scenario):
    return [record.seconds["total"] for record in records_of(row, scenario, TABLE_1).values()]


@pytest.mark.parametrize(
    ("label", "row", "scenario"),
    [
        ("HNET, CL1", "split_hnet_ent", Scenario.TASK),
        ("HNET+ENT, CL3", "split_hnet_ent", Scenario.CLASS),
        ("HNET+TIR, CL3", "split_hnet_tir", Scenario.CLASS),
        ("HNET+R, CL3", "split_hnet_r", Scenario.CLASS),
    ],
)
def test_quickest_runs_are_those_of_the_records(label, row, scenario):
    quickest = min(seconds_of(row, scenario))
    ((theirs, ours, ratio),) = re.findall(rf"\| {re.escape(label)} \| (\d+) s \| (\d+) s \| ([\d.]+) \|", WHOLE_RUNS)
    assert (int(ours), float(ratio)) == (round(quickest), round(int(theirs) / quickest, 1))


@pytest.mark.parametrize(
    ("label", "table", "rows"),
    [
        ("Table 1 of von Oswald et al. 2020, split MNIST", TABLE_1, "split_"),
        ("van de Ven & Tolias 2019, split MNIST", TABLE_2019, ""),
        ("van de Ven et al. 2022, split MNIST, the cells that were run", TABLE_2022, ""),
    ],
)
def test_hours_of_tables_are_those_of_the_records(label, table, rows):
    specs = [cell_spec(cell) for cell in table.cells if cell.row.startswith(rows)]
    store, seconds = Store(ROOT / "results"), {}
    for spec in filter(None, specs):
        if records := list(store.records(spec)):
            seconds[spec.key] = statistics.median(record.seconds["total"] for record in records)
    expected = f"| {label} | {20 * len(seconds)} | {20 * sum(seconds.values()) / 3600:.1f} |"
    assert expected in WHOLE_RUNS.splitlines()


@pytest.mark.parametrize(
    ("label", "row", "theirs"),
    [
        ("HNET+ENT", "split_hnet_ent", 372),
        ("HNET+TIR", "split_hnet_tir", 727),
        ("HNET+R", "split_hnet_r", 499),
        ("SI", "split_si", 194),
        ("DGR+distill", "split_dgr_distill", 582),
    ],
)
def test_hours_of_cells_are_those_of_the_records(label, row, theirs):
    ours = statistics.median(seconds_of(row, Scenario.CLASS))
    assert f"| {label} | {20 * theirs / 3600:.1f} | {20 * ours / 3600:.1f} |" in WHOLE_RUNS.splitlines()
