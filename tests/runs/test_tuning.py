"""What rules choose, on score matrices that can be checked by head; values that are drawn, and drawn again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hnet_bench.interfaces import UserError
from hnet_bench.papers.search import Search, Tuning
from hnet_bench.papers.table import parse_table
from hnet_bench.runs.spec import resolve_cell
from hnet_bench.runs.store import Store
from hnet_bench.runs.tuning import AT_ONCE, RULES, chosen, trial_cell, trials_of, trials_table

# After each of three experiences on each: it forgets, it holds, it is stiff.
FORGETS = [[0.9, 0.5, 0.5], [0.6, 0.9, 0.5], [0.3, 0.5, 1.0]]
HOLDS = [[0.9, 0.5, 0.5], [0.8, 0.9, 0.5], [0.8, 0.8, 0.9]]
STIFF = [[0.9, 0.5, 0.5], [0.9, 0.8, 0.5], [0.9, 0.8, 0.6]]


def search(**changes: Any) -> Search:
    tuning = Tuning(seeds=11, first=2, **changes)
    return Search(
        space={"strength": [1, 2, 3]},
        rule="final_validation",
        tuning=tuning,
        seeds=(11,),
        file=Path(),
        table="mine",
        command="mine.toml",
    )


def taken(rule: str, *trials: Any, better: str = "higher", **changes: Any) -> tuple[list[float], int]:
    asked = search(**changes)
    scores = RULES[rule].scores(trials, asked, better)  # type: ignore[index]
    return [round(score, 6) for score in scores], RULES[rule].choose(scores, asked, better)  # type: ignore[index]


@pytest.mark.parametrize("rule", ["final_validation", "test"])
def test_the_final_score_averaged_over_seeds_decides(rule):
    assert taken(rule, [FORGETS], [HOLDS], [STIFF]) == ([0.6, 0.833333, 0.766667], 1)
    assert taken(rule, [HOLDS, FORGETS], [STIFF, STIFF]) == ([0.716667, 0.766667], 1)
    assert taken(rule, [HOLDS], [HOLDS]) == ([0.833333, 0.833333], 0)  # the first of equals
    of_seeds = [[[0.3]], [[0.2]], [[0.1]]]  # the same in another order, of which a plain sum is larger
    assert taken(rule, of_seeds, of_seeds[::-1])[1] == 0
    assert taken(rule, [FORGETS], [HOLDS], better="lower")[1] == 0


def test_the_first_experiences_decide_whatever_comes_after():
    assert taken("first_experiences", [FORGETS], [HOLDS], [STIFF]) == ([0.75, 0.85, 0.85], 1)
    later = [[*row[:2], 0.0] for row in HOLDS]
    assert taken("first_experiences", [FORGETS], [later])[1] == 1


def test_scores_that_a_schedule_leaves_out_are_missed_in_words():
    gaps = [[0.9, None, None], [None, 0.9, None], [0.8, 0.8, 0.9]]
    with pytest.raises(UserError, match='with evaluation = "diagonal_and_final" they are not measured'):
        taken("first_experiences", [gaps])


def test_the_strongest_that_keeps_plasticity_is_taken():
    """New experiences are learnt to 0.9, 0.9, 1.0 at best: holding keeps 0.9 of it, being stiff 0.6."""
    kept = [1.0, 0.9, 0.6]
    assert taken("per_experience", [FORGETS], [HOLDS], [STIFF]) == (kept, 1)
    assert taken("per_experience", [FORGETS], [HOLDS], [STIFF], drop=0.05) == (kept, 0)
    assert taken("per_experience", [FORGETS], [HOLDS], [STIFF], drop=0.4) == (kept, 2)
    # In the order of the table, whatever the final scores are.
    assert taken("per_experience", [STIFF], [HOLDS], [FORGETS])[1] == 2


def test_errors_keep_plasticity_the_other_way_round():
    exact, rough = [[0.1, 1], [0.4, 0.2]], [[0.1, 1], [0.1, 0.25]]
    assert taken("per_experience", [exact], [rough], better="lower") == ([1.0, 0.8], 1)
    assert taken("per_experience", [exact], [rough], better="lower", drop=0.1)[1] == 0


def table_of(space: str, **changes: Any) -> Any:
    content = {
        "title": "Mine",
        "tuning": {"seeds": "11-12", "trials": 12, **changes},
        "settings": {
            "tiny": {"benchmark": {"name": "synthetic", "experiences": 2}, "protocol": {"iterations": 5}},
        },
        "rows": [{"name": "ewc", "settings": "tiny", "search": space, "CL1": {"strategy": "ewc"}}],
    }
    return parse_table("mine", content)


def test_a_grid_has_every_combination_and_rows_with_the_same_trials_share_them(tmp_path):
    table = table_of({"strength": [1, 10], "fisher_samples": [5, 6, 7]})
    (cell,) = table.cells
    assert len(trials_of(cell, Store(tmp_path))) == 6
    assert trials_of(cell, Store(tmp_path))[1] == {"strength": 1, "fisher_samples": 6}
    trials, runs = trials_table(replace(table, cells=(cell, replace(cell, row="again"))), Store(tmp_path))
    assert trials.cells[1].row == "ewc, strength 1, fisher_samples 6"
    exact = trial_cell(cell, {"strength": 0.25, "fisher_samples": 1234567})
    assert exact.row == "ewc, strength 0.25, fisher_samples 1234567"
    assert len(trials.cells) == 6
    assert trials.seeds == (11, 12)
    assert len(runs) == 12
    assert resolve_cell(trials.cells[0]).protocol.validation == 0.1


def test_nothing_is_chosen_without_a_trial(tmp_path):
    (cell,) = table_of({"strength": [1, 10]}).cells
    with pytest.raises(UserError, match=r"the trial with {'strength': 1} has no record of seed11-[0-9a-f]{12}"):
        chosen(cell, Store(tmp_path))


def test_drawn_values_are_drawn_again_from_records_and_go_where_scores_are_good(tmp_path, record_of):
    pytest.importorskip("optuna")
    (cell,) = table_of({"strength": {"low": 1, "high": 1e6, "log": True}, "fisher": ["exact", "true"]}).cells
    store, rounds = Store(tmp_path), []
    while len(rounds) < 10:
        trials = trials_of(cell, store)
        rounds.append(len(trials))
        todo = [
            spec
            for values in trials
            for seed in cell.search.seeds
            if not store.has(spec := resolve_cell(trial_cell(cell, values), seed))
        ]
        if not todo:
            break
        for spec in todo:
            good = 0.5 if spec.hyperparameters["strength"] < 1000 else 0.1
            good += 0.3 * (spec.hyperparameters["fisher"] == "exact")
            store.write(spec, record_of(spec, score=[[good, good], [good, good]]))
    assert rounds == [AT_ONCE, 2 * AT_ONCE, 12, 12]
    assert all(1 <= values["strength"] <= 1e6 for values in trials)
    assert len({values["strength"] for values in trials}) == 12
    found = chosen(cell, store)
    assert len(found.trials) == 12
    assert found.values["strength"] < 1000
    assert found.values["fisher"] == "exact"
    assert trials_of(cell, store) == trials
    assert trials_of(table_of(cell.search.space, seeds="13-14").cells[0], store)[0] != trials[0]


def test_whole_numbers_are_drawn_where_both_ends_are_whole(tmp_path):
    pytest.importorskip("optuna")
    (cell,) = table_of({"fisher_samples": {"low": 1, "high": 1000}}).cells
    assert all(type(values["fisher_samples"]) is int for values in trials_of(cell, Store(tmp_path)))


def test_values_that_are_drawn_again_are_run_and_counted_once(tmp_path, record_of):
    pytest.importorskip("optuna")
    table = table_of({"fisher_samples": {"low": 1, "high": 2}})
    (cell,), store = table.cells, Store(tmp_path)
    for samples in (1, 2):
        for seed in cell.search.seeds:
            spec = resolve_cell(trial_cell(cell, {"fisher_samples": samples}), seed)
            store.write(spec, record_of(spec))
    found = chosen(cell, store)
    assert (len(found.trials), found.different) == (12, 2)
    assert len(trials_table(table, store)[1]) == 2 * len(cell.search.seeds)


def test_a_range_without_optuna_is_said(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    (cell,) = table_of({"strength": {"low": 1.0, "high": 2.0}}).cells
    with pytest.raises(UserError, match=r"which needs Optuna: pip install hnet_bench\[tune\]"):
        trials_of(cell, Store(tmp_path))


def test_a_range_has_no_order_to_take_the_strongest_of():
    with pytest.raises(UserError, match="the rule per_experience needs a list, from the weakest"):
        table_of({"strength": {"low": 1.0, "high": 2.0}}, rule="per_experience")
