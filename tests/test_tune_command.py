"""`hnet-bench tune`: trials are ordinary runs, what a rule chooses stands in a file, and what does not fit is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hnet_bench import api
from hnet_bench.papers.table import load_table
from hnet_bench.runs.canonical import checksum
from hnet_bench.runs.spec import cell_spec
from hnet_bench.runs.store import Store

TABLE = """
title = "EWC beside fine-tuning"
seeds = "1-2"
tuning = { seeds = "11-12", validation = 0.25, first = 1 }
[settings.tiny]
benchmark = { name = "synthetic", experiences = 2 }
protocol = { iterations = 5 }
[search.strengths]
strength = [1.0, 100.0, 10000.0]
[[rows]]
name = "finetune"
settings = "tiny"
CL1 = { strategy = "finetune" }
[[rows]]
name = "ewc"
settings = "tiny"
search = "strengths"
CL1 = { strategy = "ewc" }
[[rows]]
name = "ewc_first"
settings = "tiny"
search = "strengths"
rule = "first_experiences"
CL1 = { strategy = "ewc" }
[[rows]]
name = "ewc_test"
settings = "tiny"
search = "strengths"
rule = "test"
CL1 = { strategy = "ewc" }
"""

# What a run scores by its strength: on validation data 100 is best in the end, 1 after the first experience, and on
# test data 10,000.
VALIDATION = {1.0: (0.9, 0.5, 0.8), 100.0: (0.8, 0.75, 0.75), 10000.0: (0.8, 0.8, 0.3)}
TEST = {1.0: (0.9, 0.5, 0.7), 100.0: (0.8, 0.7, 0.7), 10000.0: (0.8, 0.9, 0.9)}


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Any) -> Path:
    """mine.toml in an otherwise empty folder; runs score as above."""
    monkeypatch.chdir(tmp_path)
    made = engine.record_of

    def record(spec: Any, **changes: Any) -> Any:
        scores = VALIDATION if spec.protocol.validation else TEST
        first, old, new = scores.get(spec.hyperparameters.get("strength"), (0.9, 0.5, 0.8))
        return made(spec, **{"score": [[first, 0.5], [old, new]], **changes})

    engine.record_of = record
    path = tmp_path / "mine.toml"
    path.write_text(TABLE)
    return path


def chosen() -> dict[str, float]:
    return {
        cell.row: cell.hyperparameters["strength"]
        for cell in load_table("mine.toml").cells
        if cell.search and cell.search.choice
    }


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_each_rule_chooses_among_trials_that_rules_on_validation_data_share(table, said, engine):
    out = said("tune mine.toml").out
    (call,) = engine.calls
    specs = call["specs"]
    assert len(specs) == 12  # three strengths and two seeds, on validation data and on test data
    assert {spec.seed for spec in specs} == {11, 12}
    assert sorted({spec.protocol.validation for spec in specs}) == [0, 0.25]
    assert chosen() == {"ewc": 100.0, "ewc_first": 1.0, "ewc_test": 10000.0}
    assert "final_validation" in out
    assert "strength = 10000" in out
    assert "At an end of its list, beyond which a better value may lie: ewc_first CL1, ewc_test CL1." in out
    assert "Written: mine.chosen.json" in out
    said("tune mine.toml")
    assert len(engine.calls) == 1  # nothing is left to do
    # The file is the same, whoever makes it anew.
    before = Path("mine.chosen.json").read_bytes()
    Path("mine.chosen.json").unlink()
    said("tune mine.toml --rows ewc_test ewc")
    said("tune mine.toml --rows ewc_first")
    assert Path("mine.chosen.json").read_bytes() == before


def test_what_was_chosen_is_run_with_the_seeds_of_the_table_and_trials_count_nowhere(table, said, engine):
    said("tune mine.toml")
    said("run mine.toml")
    specs = engine.calls[-1]["specs"]
    assert {(spec.hyperparameters.get("strength"), spec.seed) for spec in specs} == {
        (strength, seed) for strength in (None, 1.0, 100.0, 10000.0) for seed in (1, 2)
    }
    assert not any(spec.protocol.validation for spec in specs)
    counted = api.records("mine.toml")
    assert set(counted.seed) == {1, 2}
    assert not counted.settings.map(lambda spec: "validation" in spec["protocol"]).any()
    # Those of the rule `test` are of the very cell that they chose, and are not counted there.
    cell = load_table("mine.toml").cells[-1]
    assert Store(Path("results")).done_seeds(cell_spec(cell)) == (1, 2, 11, 12)


def test_another_rule_can_be_asked_and_changes_nothing(table, said, engine):
    said("tune mine.toml --rows ewc")
    before = Path("mine.chosen.json").read_bytes()
    out = said("tune mine.toml --rows ewc --rule first_experiences").out
    assert "strength = 1 " in out
    assert "Written" not in out
    assert Path("mine.chosen.json").read_bytes() == before
    assert len(engine.calls) == 1
    result = api.tune("mine.toml", rows="ewc", rule="per_experience")
    assert result.frame[["strength", "chosen"]].to_numpy().tolist() == [[1, False], [100, True], [10000, False]]
    assert result.frame.score.tolist() == pytest.approx([1, 0.8 / 0.9, 0.375])


def test_the_ends_of_a_list_are_its_least_and_its_greatest_number_wherever_they_stand(table, said):
    change(table, "[1.0, 100.0, 10000.0]", "[100.0, 10000.0, 1.0]")
    assert "value may lie: ewc_first CL1, ewc_test CL1." in said("tune mine.toml").out


def test_a_failed_trial_leaves_nothing_chosen(table, said, engine):
    engine.broken = {"ewc"}
    assert "Nothing is chosen, since 12 trials failed" in said("tune mine.toml", code=1).out
    assert not Path("mine.chosen.json").exists()


def test_reports_say_how_settings_were_chosen(table, said):
    said("tune mine.toml")
    said("run mine.toml")
    said("report mine.toml --html")
    page = Path("reports/mine.md").read_text()
    assert "| Settings |" in page
    assert "| given |" in page
    assert "| selected by final_validation, 3 trials: strength = 100 |" in page
    assert "| selected on test data, 3 trials: strength = 10000 |" in page
    assert page.count("⊗") == 2  # its number, and what that means
    assert "⊗ hyperparameters selected on test data" in page
    assert r"$\otimes$" in Path("reports/mine.tex").read_text()
    assert "selected by first_experiences, 3 trials" in Path("reports/mine.html").read_text()
    cells = json.loads(Path("reports/mine.json").read_text())["cells"]
    assert [cell["measured"]["settings"]["how"] for cell in cells] == [
        "given",
        "selected by final_validation",
        "selected by first_experiences",
        "selected on test data",
    ]
    assert "selected on test data" in said("latex mine.toml").out
    drawn = Path("reports/mine.tuning.svg").read_text()
    assert all(f">{rule}<" in drawn for rule in ("final_validation", "first_experiences", "test"))


# Faults, each of which is met with a sentence.


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('seeds = "11-12"', 'seeds = "2-3"', "seed 2 cannot serve both"),
        ("strength = [1.0, 100.0", "strengh = [1.0, 100.0", "Unknown key 'strengh' in row 'ewc, strengh 1' (CL1) of"),
        ("strength = [1.0, 100.0", 'strength = [1.0, "much"', "'strength' in row 'ewc, strength much' (CL1) of table"),
        ("strength = [1.0, 100.0", "strength = [-1.0, 100.0", "strength must not be negative, found -1.0"),
        ("strength = [1.0, 100.0, 10000.0]", "strength = 5", "must be a list of values to try, or a range such as"),
        ("strength = [1.0, 100.0, 10000.0]", "strength = []", "must be a list of values to try, or a range such as"),
        ("strength = [1.0, 100.0", "strength = [100.0, 100.0", "has a value twice"),
        (
            'name = "ewc"\n',
            'name = "ewc"\nhyperparameters = { strength = 5.0 }\n',
            "searches 'strength' and also sets it, to 5.0",
        ),
        ('rule = "test"', 'rule = "tset"', "'rule' in row 'ewc_test' of table 'mine' must be one of"),
        ('search = "strengths"\nrule = "test"', 'rule = "test"', "has a rule, 'test', and no search whose trials"),
        ('search = "strengths"', 'search = "strength"', "Unknown search 'strength' in row 'ewc' (CL1) of table 'mine'"),
        ("iterations = 5", "iterations = 5, validation = 0.1", "are for trials, and what a table shows is measured on"),
        ("tuning = {", "# {", "has a search, and the table does not say with which seeds its trials are run"),
        (
            "validation = 0.25",
            "validation = 0.0",
            "'validation' of trials must lie between 0 and 1, found 0 ('tuning' of table 'mine').",
        ),
        ("first = 1", "first = 3", "The rule first_experiences looks at 3 experiences, found 2."),
        (
            'first = 1 }\n[settings.tiny]\nbenchmark = { name = "synthetic", experiences = 2 }\nprotocol = { ',
            'first = 2 }\n[settings.tiny]\nbenchmark = { name = "synthetic", experiences = 3 }\n'
            'protocol = { evaluation = "diagonal_and_final", ',
            'needs the scores on 2 experiences after number 2, and with evaluation = "diagonal_and_final" they are not',
        ),
        (
            'seeds = "1-2"',
            'seeds = "1-2"\nbetter = "lower"',
            "'ewc' (CL1) of table 'mine' are accuracies, and its trials would be chosen as if lower ones",
        ),
        (
            '{ name = "synthetic", experiences = 2 }',
            '{ name = "regression_1d" }',
            'write better = "lower" into the table',
        ),
        ("first = 1", 'first = 1, chosen = "mine.toml"', "'chosen' must name a file of choices, such as"),
        (
            "strength = [1.0, 100.0, 10000.0]",
            "strength = { low = 1.0, high = 10.0 }",
            "searches 'strength' in a range: say how many trials that may take",
        ),
        (
            "strength = [1.0, 100.0, 10000.0]",
            "strength = { low = 10.0, high = 1.0 }",
            "must go from a number up to a greater",
        ),
    ],
)
def test_a_search_that_cannot_be_done_is_refused_before_a_trial_is_run(table, refused, engine, old, new, sentence):
    change(table, old, new)
    assert sentence in refused("tune mine.toml")
    assert not engine.calls


def test_a_row_with_a_search_is_not_run_before_anything_is_chosen(table, refused, said, engine):
    assert refused("run mine.toml") == (
        "Nothing is chosen yet for the row 'ewc' (CL1) of table 'mine', which has a search: hnet-bench tune mine.toml "
        "does its trials and chooses."
    )
    said("run mine.toml --rows finetune")
    assert len(engine.calls) == 1
    assert "not run" in said("status mine.toml").out
    assert said("plan mine.toml").out.count("nothing is chosen yet") == 3
    assert said("plan mine.toml --rows ewc").out.endswith("Nothing to do before hnet-bench tune mine.toml.\n")
    assert refused("trace mine.toml ewc CL1").startswith("Nothing is chosen yet for the row 'ewc' (CL1)")


def test_seeds_of_trials_are_not_run(table, refused, said):
    said("tune mine.toml")
    assert refused("run mine.toml --seeds 1-11").startswith(
        "Seed 11 is one of those by which hyperparameters of table 'mine' are chosen (11-12)"
    )


def test_a_choice_that_was_edited_by_hand_is_refused(table, refused, said):
    said("tune mine.toml")
    change(Path("mine.chosen.json"), '"strength": 100.0', '"strength": 1000.0')
    assert "mine.chosen.json were changed after they were written: hnet-bench tune mine.toml writes" in refused(
        "run mine.toml"
    )
    said("tune mine.toml")
    assert chosen()["ewc"] == 100.0


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"sha256": 1}'])
def test_what_is_no_file_of_choices_is_refused_and_replaced(table, refused, said, content):
    Path("mine.chosen.json").write_bytes(content)
    assert "The choices mine.chosen.json" in refused("run mine.toml")
    said("tune mine.toml")
    assert len(chosen()) == 3


@pytest.mark.parametrize("content", ['{"my": "own settings"}', "of another table"])
def test_a_file_that_a_table_names_for_its_choices_is_not_written_over(table, refused, said, content):
    shared = TABLE.replace('seeds = "11-12"', 'seeds = "11-12", chosen = "shared.json"')
    file = Path("shared.json")
    Path("other.toml").write_text(shared)
    if content == "of another table":
        said("tune other.toml")
        content = file.read_text()
    else:
        file.write_text(content)
    table.write_text(shared)
    assert "shared.json, which 'chosen' of table 'mine' names, holds no sound choices of this table" in refused(
        "tune mine.toml"
    )
    assert file.read_text() == content
    if "choices" in content:
        said("tune other.toml")  # whose they are


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda choices: choices["ewc/CL1"]["trials"].pop(), "among 2 of 3 trials, without {'strength': 10000.0}"),
        (lambda choices: choices["ewc/CL1"]["values"].update(strength=5.0), "{'strength': 5.0}, is none of its trials"),
        (
            lambda choices: choices.update({"ewc/CL1": choices["ewc_test/CL1"]}),
            "was chosen with rule = 'test', and the table has 'final_validation'",
        ),
    ],
)
def test_a_choice_that_is_none_of_this_search_is_refused(table, refused, said, edit, sentence):
    said("tune mine.toml")
    path = Path("mine.chosen.json")
    content = json.loads(path.read_text())
    del content["sha256"]
    edit(content["choices"])
    # What nobody does by mistake: with a checksum that fits.
    path.write_text(json.dumps({**content, "sha256": checksum(content)}))
    assert sentence in refused("run mine.toml")


def test_a_choice_for_another_table_is_refused(table, refused, said):
    said("tune mine.toml")
    Path("other.toml").write_text(TABLE)
    Path("mine.chosen.json").rename("other.chosen.json")
    assert "were made for table 'mine', not for 'other'" in refused("run other.toml")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("[1.0, 100.0, 10000.0]", "[1.0, 100.0, 1000.0]", "search.strength = [1.0, 100.0, 10000.0]"),
        ("iterations = 5", "iterations = 6", "protocol.iterations = 5"),
        ('seeds = "11-12"', 'seeds = "13"', "seeds = '11-12'"),
        ("validation = 0.25", "validation = 0.3", "validation = 0.25"),
        ("experiences = 2", "experiences = 3", "benchmark.experiences = 2"),
        ('CL1 = { strategy = "ewc" }', 'CL1 = { strategy = "online_ewc" }', "strategy = 'ewc'"),
        ('search = "strengths"\nCL1', 'search = "strengths"\nrule = "per_experience"\nCL1', "drop = None"),
        (
            'search = "strengths"\nCL1',
            'search = "strengths"\nhyperparameters = { fisher_samples = 5 }\nCL1',
            "hyperparameters.fisher_samples = None",
        ),
    ],
)
def test_a_search_that_changed_needs_another_choice(table, refused, said, old, new, key):
    said("tune mine.toml")
    change(table, old, new)
    found = refused("run mine.toml --rows ewc")
    assert f"was chosen with {key}, and the table has " in found
    assert found.endswith("hnet-bench tune mine.toml chooses anew.")
    said("tune mine.toml --rows ewc")
    said("run mine.toml --rows ewc")


def test_a_table_without_a_search_has_nothing_to_tune(user_table, refused):
    assert refused("tune mine.toml") == "Nothing to tune: none of the chosen rows of table 'mine' has a search."


def test_a_table_that_extends_one_has_its_choices_and_adds_its_own(table, said, refused, engine):
    said("tune mine.toml")
    Path("more.toml").write_text(
        'extends = "mine.toml"\n[[rows]]\nname = "online"\nsettings = "tiny"\nsearch = "strengths"\n'
        'CL1 = { strategy = "online_ewc" }\n'
    )
    assert "Nothing is chosen yet for the row 'online' (CL1) of table 'more'" in refused("run more.toml")
    said("tune more.toml --rows online")
    cells = {cell.row: cell for cell in load_table("more.toml").cells}
    assert cells["ewc"].hyperparameters == {"strength": 100.0}
    assert "strength" in cells["online"].hyperparameters
    assert json.loads(Path("more.chosen.json").read_text())["choices"].keys() == {"online/CL1"}
    # Each of them is tried with the seeds of its own search alone.
    Path("later.toml").write_text(Path("more.toml").read_text().replace("\n", '\ntuning = { seeds = "21" }\n', 1))
    said("tune later.toml")
    assert {(spec.strategy, spec.seed) for spec in engine.calls[-1]["specs"]} == {("online_ewc", 21)}
    Path("clash.toml").write_text('extends = "mine.toml"\nseeds = "10-11"\n')
    assert "seed 11 cannot serve both" in refused("status clash.toml")


OWN = """
from dataclasses import dataclass
from hnet_bench.interfaces import Scenario

@dataclass(frozen=True, kw_only=True)
class Mine:
    name = "mine"
    scenarios = tuple(Scenario)
    strength: float = 1.0
    other: int = 1

    def build(self, setup):
        pass
"""


@pytest.fixture
def own_row(table):
    """The row `ewc` has a strategy of the user's."""
    Path("own.py").write_text(OWN)
    ewc = 'search = "strengths"\nCL1 = { strategy = "ewc" }'
    change(table, ewc, ewc.replace('"ewc"', '"own.py:Mine"'))


def test_trials_of_other_code_are_said_and_can_be_renewed(own_row, said, engine):
    assert "Stale" not in said("tune mine.toml --rows ewc").out
    Path("own.py").write_text(OWN.replace("pass", "raise NotImplementedError"))
    assert "Stale: 6 trials. The code computes something else" in said("tune mine.toml --rows ewc").out
    assert len(engine.calls) == 1
    assert "Stale" not in said("tune mine.toml --rows ewc --rerun-stale").out
    assert len(engine.calls[1]["specs"]) == 6


def test_a_choice_does_not_outlive_a_default_that_its_trials_were_run_with(own_row, said, refused):
    said("tune mine.toml --rows ewc")
    said("run mine.toml --rows ewc")
    Path("own.py").write_text(OWN.replace("other: int = 1", "other: int = 2"))
    assert "was chosen by other runs than its trials are now: with {'strength': 1.0}, run seed11-" in refused(
        "run mine.toml --rows ewc"
    )
    said("tune mine.toml --rows ewc")
    said("run mine.toml --rows ewc")


def test_rows_that_a_tuned_table_takes_from_another_say_how_they_were_set(table, said):
    Path("base.toml").write_text(TABLE.partition("[search.strengths]")[0].replace("tuning", "# tuning") + FINETUNE)
    Path("my own.toml").write_text('extends = "base.toml"\ntuning = { seeds = "11" }\n' + EWC)
    assert "hnet-bench tune 'my own.toml' does its trials" in said(["run", "my own.toml"], code=2).err
    said(["tune", "my own.toml"])
    said(["run", "my own.toml"])
    said(["report", "my own.toml"])
    assert "| given |" in Path("reports/my own.md").read_text()
    said("report base.toml")
    assert "| given |" not in Path("reports/base.md").read_text()


FINETUNE = """
[[rows]]
name = "finetune"
settings = "tiny"
CL1 = { strategy = "finetune" }
"""
EWC = """
[[rows]]
name = "ewc"
settings = "tiny"
search = { strength = [1.0, 100.0] }
CL1 = { strategy = "ewc" }
"""
