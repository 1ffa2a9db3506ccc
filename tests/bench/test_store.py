"""How long a large store takes to load and summarise."""

from pathlib import Path

import pytest

from hnet_bench.papers.table import parse_table
from hnet_bench.runs.plan import table_state
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store, to_bytes

ROWS, SEEDS = 100, 100


@pytest.fixture(scope="module")
def big_store(tmp_path_factory, record_of):
    """10,000 records with the score matrices of five experiences, in 100 cells of one folder."""
    rows = [
        {
            "name": f"r{row}",
            "settings": "s",
            "hyperparameters": {"strength": float(row + 1)},
            "CL3": {"strategy": "ewc"},
        }
        for row in range(ROWS)
    ]
    benchmark, protocol = {"name": "split_mnist", "class_order": "fixed"}, {"iterations": 2000}
    settings = {"s": {"benchmark": benchmark, "protocol": protocol}}
    table = parse_table("big", {"title": "Big", "seeds": f"1-{SEEDS}", "settings": settings, "rows": rows})
    root: Path = tmp_path_factory.mktemp("big")
    for index, cell in enumerate(table.cells):
        for seed in table.seeds:
            spec = resolve_cell(cell, seed)
            record = record_of(
                spec,
                score=[[(index + seed + i + j) % 97 / 97 for j in range(5)] for i in range(5)],
                seconds={"train": [1.0] * 5, "evaluate": [0.1] * 5, "total": 5.5},
            )
            path = root / spec.folder / f"{spec.run_id}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(to_bytes(record))
    return table, Store(root)


def test_10000_records_load_and_summarise(benchmark, big_store):
    table, store = big_store
    states = benchmark.pedantic(lambda: table_state(table, store), rounds=3)
    assert sum(state.summary.n for state in states) == ROWS * SEEDS
