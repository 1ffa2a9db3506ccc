"""What is done, what failed, what is to do."""

import pytest

from hnet_bench.papers.table import load_table, parse_table
from hnet_bench.runs.files import file_sum
from hnet_bench.runs.plan import runs_to_do, stale_files, table_state
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store


@pytest.fixture
def table(user_table):
    return load_table(str(user_table))


def names(specs):
    return [(spec.strategy, spec.scenario.label, spec.seed) for spec in specs]


def test_one_seed_of_every_cell_comes_first(table, tmp_path):
    store = Store(tmp_path)
    cells = [("finetune", "CL1"), ("finetune", "CL3"), ("joint", "CL3")]
    expected = [(*cell, seed) for seed in (1, 2) for cell in cells]
    assert names(runs_to_do(table_state(table, store), store)) == expected


def test_finished_runs_are_left_out_and_failed_ones_are_tried_again(table, tmp_path, record_of):
    store = Store(tmp_path)
    done, failed = (resolve_cell(cell, seed=1) for cell in table.cells[:2])
    store.write(done, record_of(done))
    store.write_failure(failed, {"problem": "p"})
    states = table_state(table, store)
    assert [(len(state.records), state.failed_seeds) for state in states] == [(1, ()), (0, (1,)), (0, ())]
    todo = runs_to_do(states, store)
    assert len(todo) == 5
    assert done not in todo
    assert failed in todo


def test_cells_with_the_same_spec_share_their_runs(tmp_path):
    rows = [{"name": name, "settings": "s", "CL1": {"strategy": "finetune"}} for name in "ab"]
    settings = {"s": {"benchmark": {"name": "synthetic"}, "protocol": {"iterations": 5}}}
    table = parse_table("t", {"title": "T", "seeds": "1-3", "settings": settings, "rows": rows})
    store = Store(tmp_path)
    states = table_state(table, store)
    assert len(states) == 2
    assert names(runs_to_do(states, store)) == [("finetune", "CL1", seed) for seed in (1, 2, 3)]


def test_with_chosen_seeds_only_these_count(table, tmp_path, record_of):
    store = Store(tmp_path)
    for seed in (1, 2, 9):
        spec = resolve_cell(table.cells[0], seed)
        store.write(spec, record_of(spec))
    store.write_failure(resolve_cell(table.cells[0], 7), {"problem": "p"})
    assert len(table_state(table, store)[0].records) == 3
    state = table_state(table, store, seeds=(2, 3))[0]
    assert [record.spec["seed"] for record in state.records] == [2]
    assert (state.planned_seeds, state.failed_seeds) == ((2, 3), ())


def test_of_stale_records_those_of_planned_seeds_are_renewed(table, tmp_path, record_of):
    store = Store(tmp_path)
    for seed in (1, 9):
        spec = resolve_cell(table.cells[0], seed)
        store.write(spec, record_of(spec, revisions={"strategy": 2, "benchmark": 1, "protocol": 1}))
    states = table_state(table, store)
    assert states[0].stale_seeds == (1, 9)
    assert stale_files(states) == {file_sum(states[0].files[1])}


def test_the_json_of_a_cell_gives_fractions(table, tmp_path, record_of):
    store = Store(tmp_path)
    for seed, accuracy in ((1, 0.5), (2, 0.7)):
        spec = resolve_cell(table.cells[0], seed)
        store.write(spec, record_of(spec, score=[[accuracy]]))
    found = [state.to_json() for state in table_state(table, store)]
    assert found[0] == {
        "table": "mine",
        "row": "finetune",
        "scenario": "CL1",
        "done": 2,
        "failed": 0,
        "stale": 0,
        "planned": 2,
        "mean": pytest.approx(0.6),
        "sem": pytest.approx(0.1),
        "reported": {"mean": 0.8719, "spread": 0.0094, "spread_kind": "sem", "n": 20, "known": "recalled", "note": ""},
    }
    assert (found[1]["mean"], found[1]["sem"], found[1]["reported"]) == (None, None, None)
