"""Run ids never change: each names a record that somebody has."""

from __future__ import annotations

from pathlib import Path

from hnet_bench.papers.table import load_table, table_names
from hnet_bench.runs.spec import cell_spec

FILE = Path(__file__).with_name("run_ids.txt")


def present() -> dict[str, str]:
    """Digest of every cell of every shipped table; a run id is "seed<k>-" and the digest."""
    found = {}
    for name in table_names():
        for cell in load_table(name).cells:
            if spec := cell_spec(cell):
                assert spec.with_seed(7).run_id == f"seed7-{spec.digest}"
                found[f"{name} {cell.row} {cell.scenario.label}"] = spec.digest
    return found


def test_every_cell_of_every_shipped_table_has_the_run_ids_that_it_had() -> None:
    frozen = dict(line.rsplit(" ", 1) for line in FILE.read_text().splitlines())
    now = present()
    assert {cell: now.get(cell) for cell in frozen} == frozen
    new = "\n".join(f"{cell} {digest}" for cell, digest in now.items() if cell not in frozen)
    assert not new, f"Add to {FILE.name}, since their records will be known by it:\n{new}"
