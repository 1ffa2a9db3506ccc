"""The schema of tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hnet_bench import api
from hnet_bench.interfaces import Scenario, Settings, UserError
from hnet_bench.papers.reported import STATUS_KEYS
from hnet_bench.papers.table import load_table, parse_table
from hnet_bench.runs.spec import cell_spec


def content(**changes: Any) -> Settings:
    return {
        "title": "T",
        "settings": {"s": {"benchmark": {"name": "synthetic"}, "protocol": {"iterations": 5}}},
        "rows": [{"name": "a", "settings": "s", "CL1": {"strategy": "finetune"}}],
        **changes,
    }


# By hand, as a table for people has them: one state of the code, three seeds.
CODE = {
    "code": "somebody/code",
    "commit": "0a1b2c3",
    "versions": "PyTorch 1.4.0",
    "command": "python train.py --seed SEED",
    "by": "us",
    "seeds": "1-3",
    "scores": [62.5, 64.68, 66.67],
}


def with_code(*runs: Settings) -> Settings:
    return with_cell(authors_code=list(runs))


TABLE = """
title = "T"
seeds = "{seeds}"
{more}
[settings.{row}]
benchmark = {{ name = "synthetic" }}
protocol = {{ iterations = 5 }}
[[rows]]
name = "{row}"
settings = "{row}"
CL1 = {{ strategy = "finetune" }}
"""


def with_cell(row: Settings | None = None, **cell: Any) -> Settings:
    entry = {"name": "a", "settings": "s", **(row or {}), "CL1": {"strategy": "finetune", **cell}}
    return content(rows=[entry])


def with_number(**changes: Any) -> Settings:
    return with_cell(reported={"mean": 1.0, "known": "verified", **changes})


def test_a_cell_holds_what_its_settings_and_its_row_say() -> None:
    cell = parse_table("t", content()).cells[0]
    assert (cell.table, cell.row, cell.label, cell.scenario) == ("t", "a", "a", Scenario.TASK)
    assert (cell.benchmark, cell.protocol, cell.strategy) == ({"name": "synthetic"}, {"iterations": 5}, "finetune")
    assert cell.reported is None


def test_hyperparameters_of_the_cell_are_added_to_those_of_the_row_by_name_or_by_value() -> None:
    made = with_cell({"hyperparameters": "shared"}, hyperparameters={"c": 3, "b": 4})
    made["hyperparameters"] = {"shared": {"a": 1, "b": 2}, "other": {"b": 5}}
    assert parse_table("t", made).cells[0].hyperparameters == {"a": 1, "b": 4, "c": 3}
    made["rows"][0]["CL1"]["hyperparameters"] = "other"
    assert parse_table("t", made).cells[0].hyperparameters == {"a": 1, "b": 5}


def test_what_is_reported_is_merged_from_table_row_and_cell_and_becomes_a_fraction() -> None:
    made = with_cell({"reported": {"known": "recalled", "note": "row"}}, reported={"mean": 69.48, "spread": 0.8})
    reported = parse_table("t", {**made, "reported": {"n": 20, "spread_kind": "sem"}}).cells[0].reported
    assert {key: getattr(reported, key) for key in STATUS_KEYS} == {
        "mean": 0.6948,
        "spread": 0.008,
        "spread_kind": "sem",
        "n": 20,
        "known": "recalled",
        "note": "row",
    }


def test_seeds_on_which_others_tuned_bar_a_tables_own_rows_and_those_alone(tmp_path: Path) -> None:
    base = TABLE.format(seeds="2-3", more='tuned_on = "1"', row="a")
    (tmp_path / "base.toml").write_text(base)
    (tmp_path / "mine.toml").write_text(TABLE.format(seeds="1-3", more='extends = "base.toml"', row="b"))
    cells = load_table(str(tmp_path / "mine.toml")).cells
    assert {(cell.row, cell.barred_seeds) for cell in cells} == {("a", (1,)), ("b", ())}
    planned = {one.cell.row: one.planned_seeds for one in api.select(tmp_path / "mine.toml").states}
    assert planned == {"a": (2, 3), "b": (1, 2, 3)}
    assert [one.planned_seeds for one in api.select(tmp_path / "mine.toml", seeds=1).states] == [(), (1,)]
    with pytest.raises(UserError, match="Seed 1 is one of those by which"):
        api.select(tmp_path / "base.toml", seeds="1-2")
    (tmp_path / "base.toml").write_text(base.replace("2-3", "1-3"))
    with pytest.raises(UserError, match="has seed 1, and it is 'tuned_on' that"):
        load_table(str(tmp_path / "base.toml"))


def test_runs_of_the_authors_code_share_what_the_table_says_and_become_fractions() -> None:
    shared = {key: CODE[key] for key in ("code", "versions", "by")}
    own = {key: value for key, value in CODE.items() if key not in shared}
    later = {**own, "commit": "9f8e7d6", "seeds": [1], "scores": [60.15], "note": "the last commit"}
    cell = parse_table("t", {**with_code(own, later), "authors_code": shared}).cells[0]
    assert [(one.code, one.commit, one.scores) for one in cell.authors_code] == [
        ("somebody/code", "0a1b2c3", (0.625, 0.6468, 0.6667)),
        ("somebody/code", "9f8e7d6", (0.6015,)),
    ]
    # Seed 1 ran at two commits and counts once, with (62.5 + 60.15) / 2 = 61.325. 192.675 points over three seeds:
    # deviations -2.9, 0.455 and 2.445 have squares of 14.59505 in all, over 2.
    assert cell.by_authors_code is not None
    assert cell.by_authors_code.n == 3
    assert cell.by_authors_code.mean == pytest.approx(0.64225)
    assert cell.by_authors_code.variance == pytest.approx(14.59505e-4 / 2)
    assert parse_table("t", content()).cells[0].by_authors_code is None
    fractions = {**with_code({**CODE, "scores": [0.5, 0.25, 1.0]}), "unit": "fraction"}
    assert parse_table("t", fractions).cells[0].authors_code[0].scores == (0.5, 0.25, 1.0)


def test_fractions_stay_as_they_are() -> None:
    made = with_cell(reported={"mean": 0.5, "known": "verified", "note": "read"})
    reported = parse_table("t", {**made, "unit": "fraction"}).cells[0].reported
    assert reported is not None
    assert reported.mean == 0.5


def test_a_margin_is_inherited_like_the_rest_and_scaled_like_the_mean() -> None:
    made = with_cell({"reported": {"known": "recalled", "margin": 3.0}}, reported={"mean": 69.48})
    table = {**made, "reported": {"margin": 1.0}}
    reported = parse_table("t", table).cells[0].reported
    assert reported is not None
    assert reported.margin == 0.03
    table["rows"][0]["CL1"]["reported"]["margin"] = 5.0
    reported = parse_table("t", table).cells[0].reported
    assert reported is not None
    assert reported.margin == 0.05


def test_a_table_may_hold_errors_of_which_less_is_better() -> None:
    made = with_cell({"reference": True}, reported={"mean": 0.05, "margin": 0.01, "known": "verified", "note": "read"})
    table = parse_table("t", {**made, "unit": "mse", "better": "lower", "trial": True})
    assert (table.unit, table.better, table.trial, table.cells[0].reference) == ("mse", "lower", True, True)
    assert table.cells[0].reported is not None
    assert (table.cells[0].reported.mean, table.cells[0].reported.margin) == (0.05, 0.01)


def test_a_selection_keeps_the_order_of_the_table() -> None:
    rows = [{"name": name, "settings": "s", "CL1": {"strategy": "x"}, "CL3": {"strategy": "x"}} for name in "ab"]
    table = parse_table("t", content(rows=rows)).select(["b", "a"], [Scenario.CLASS])
    assert [(cell.row, cell.scenario.label) for cell in table.cells] == [("a", "CL3"), ("b", "CL3")]
    with pytest.raises(UserError, match="no row 'c': its rows are a, b"):
        table.select(["c"], None)
    with pytest.raises(UserError, match="no cell in CL2"):
        table.select(None, [Scenario.DOMAIN])


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (content(titel="x"), "'titel' in table 't'"),
        (
            content(seeds="5-1"),
            "The range of seeds 5-1 is empty: its first seed must not exceed its last ('seeds' of table 't').",
        ),
        (content(seeds=1.5), "'seeds' in table 't' must be a text, a whole number or a list, found 1.5."),
        (content(seeds=[1, 2.5]), "'seeds' in table 't' must be a whole number or a text, found 2.5."),
        (with_number(mean=2000.0, known="recalled"), "must lie between 0 and 100, found 2000."),
        (
            {**content(), "rows": [*content()["rows"], {"name": "b", "settings": "s"}]},
            "Row 'b' of table 't' has no cell: give it a [rows.CL1]",
        ),
        (content(tuning={"seeds": "x"}), "or 1-3,7 ('tuning' of table 't')."),
        (content(tuning={"seeds": "7", "first": 0}), "a number of experiences, found 0 ('tuning' of table 't')."),
        (content(rows=[]), "no cell"),
        (content(rows=[{"name": "a", "settings": "s"}]), "no cell"),
        (content(rows=[{"name": "a", "settings": "z", "CL1": {"strategy": "x"}}]), "Unknown settings 'z'"),
        (content(rows=[{"name": "a", "settings": "s", "CL4": {"strategy": "x"}}]), "'CL4'"),
        (content(rows=2 * [{"name": "a", "settings": "s", "CL1": {"strategy": "x"}}]), "more than one row named 'a'"),
        (content(settings={"s": {"benchmark": {}, "protocol": {}}}), "'name' is missing"),
        (content(settings={"s": 3}), "settings 's'"),
        (content(rows=[3]), "row 1 of table 't' must be a table, found 3"),
        (content(rows=[{"name": "b", "setings": "s"}]), "Unknown key 'setings' in row 'b' of table 't'"),
        (content(rows=[{"settings": "s"}]), "Key 'name' is missing in row 1 of table 't'"),
        (content(hyperparameters={"strength": 1.0}), "'strength' in [hyperparameters] of table 't' must be a table"),
        (content(search={"strength": [1.0, 2.0]}), "'strength' in [search] of table 't' must be a table"),
        (with_cell(hyperparameters="z"), "Unknown hyperparameters 'z'"),
        (with_cell(reported={"mean": 1.0}), "'known' is missing"),
        (with_number(known="guessed"), "'guessed'"),
        (with_number(mean="high"), "'mean'"),
        (with_number(margin=0), "'margin' in row 'a' (CL1)"),
        (
            with_number(spread=1e200),
            "'spread' in 'reported' in row 'a' (CL1) of table 't' must be at most 1e+50 in size, found 1e+200",
        ),
        (with_number(margin=1e308), "'margin' in 'reported' in row 'a' (CL1)"),
        (with_number(spread=-1), "'spread' in row 'a' (CL1)"),
        (with_number(n=0), "'n' in row 'a' (CL1)"),
        (
            with_cell(
                {"reported": {"note": "read in the paper"}}, reported={"mean": 1.0, "known": "verified", "note": " "}
            ),
            "The reported number in row 'a' (CL1) of table 't' is verified, and nothing says where it was read",
        ),
        (with_number(known="second-hand"), "is second-hand, and nothing says where"),
        (with_number(known="recalled", n=3, seeds="1 to 3"), "('seeds' of 'reported' in row 'a' (CL1) of table 't')."),
        (
            with_code({**CODE, "seeds": "x"}),
            "'x' is not a range of seeds: expected for example 1-5, or 3, or 1-3,7 ('seeds' of 'authors_code' in row",
        ),
        (with_cell(authors_code=CODE), "'authors_code' in row 'a' (CL1) of table 't' must be a list"),
        (with_code({**CODE, "comit": "1"}), "Unknown key 'comit' in 'authors_code' in row 'a' (CL1) of table 't'"),
        (
            with_code({key: value for key, value in CODE.items() if key != "commit"}),
            "Key 'commit' is missing in 'authors_code' in row 'a' (CL1) of table 't'",
        ),
        (with_code({**CODE, "by": " "}), "'by' of 'authors_code' in row 'a' (CL1) of table 't' must say something"),
        (
            with_code({**CODE, "scores": [62.5, 64.68]}),
            "'authors_code' in row 'a' (CL1) of table 't' must have a score for each of its seeds, 1-3, found 2.",
        ),
        (with_code({**CODE, "scores": [62.5, "high", 1.0]}), "'scores' in 'authors_code' in row 'a' (CL1)"),
        (with_code({**CODE, "seeds": "3-1"}), "The range of seeds 3-1 is empty"),
        (
            with_code(CODE, {**CODE, "seeds": "3-4", "scores": [1.0, 2.0]}),
            "'authors_code' in row 'a' (CL1) of table 't' has the run of seed 3 at commit 0a1b2c3 twice.",
        ),
        # What no cell has use for.
        (content(reported={"spred": 1.0}), "Unknown key 'spred' in 'reported' of table 't'"),
        (with_cell({"reported": {"maen": 1.0}}), "Unknown key 'maen' in 'reported' of row 'a' of table 't'"),
        (with_cell({"reported": {"mean": 1.0}}), "Row 'a' of table 't' has a reported mean that none of its cells has"),
        (content(authors_code={"comit": "1"}), "Unknown key 'comit' in 'authors_code' of table 't'"),
        (content(tuning={"sedes": "101"}), "Unknown key 'sedes' in 'tuning' of table 't'"),
        (content(unit="per mille"), "'unit' in table 't'"),
        (
            content(settings={"s": {"benchmark": {"name": 3}, "protocol": {}}}),
            "'name' in the benchmark of settings 's'",
        ),
        (content(settings={"s": {"benchmark": {"name": {}}, "protocol": {}}}), "must be a text, found {}"),
        (with_number(mean=10**400), "must be a number of at most 64 bits"),
        (with_number(n=2**63), "found one of 64 bits"),
        (
            with_number(mean=-1e155),
            "'mean' in 'reported' in row 'a' (CL1) of table 't' must be at most 1e+50 in size, found -1e+155",
        ),
    ],
)
def test_a_broken_table_is_an_error_that_says_where(broken: Settings, words: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_table("t", broken)
    assert words in str(raised.value)


def test_seeds_are_a_text_a_number_or_a_list() -> None:
    assert [parse_table("t", content(seeds=seeds)).seeds for seeds in ("1-2,7", 7, [7, 1])] == [(1, 2, 7), (7,), (7, 1)]
    for seeds in (True, 1.5, [[1]], [], {"1": 2}):
        with pytest.raises(UserError, match="seeds"):
            parse_table("t", content(seeds=seeds))


SPLIT = load_table("van_de_ven_2019_split_mnist")


def extending(base: Any = SPLIT.name, **changes: Any) -> Settings:
    row = {"name": "mine", "settings": "split", "hyperparameters": {"strength": 5.0}, "CL3": {"strategy": "ewc"}}
    return {"extends": base, "rows": [row], **changes}


def test_a_table_adds_rows_to_those_of_another_which_stay_as_they_are() -> None:
    table = parse_table("t", extending(title="Mine", seeds=[1, 2]))
    *others, mine = table.cells
    assert others == [replace(cell, table="t", seeds=(1, 2)) for cell in SPLIT.cells]
    assert [cell_spec(cell) for cell in others] == [cell_spec(cell) for cell in SPLIT.cells]
    assert (mine.row, mine.benchmark, mine.protocol) == ("mine", SPLIT.cells[0].benchmark, SPLIT.cells[0].protocol)
    assert mine.reported is None
    assert (table.title, table.seeds) == ("Mine", (1, 2))
    assert (table.source, table.note) == (SPLIT.source, SPLIT.note)


def test_a_table_may_take_only_some_rows_and_then_has_names_for_others() -> None:
    some = {"table": SPLIT.name, "rows": ["si", "ewc"]}
    assert parse_table("t", extending(some)).rows == ("ewc", "si", "mine")
    assert parse_table("t", {"extends": some}).rows == ("ewc", "si")
    own = {"name": "offline", "settings": "split", "CL3": {"strategy": "joint"}}
    assert parse_table("t", extending({**some, "rows": []}, rows=[own])).rows == ("offline",)


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (extending("van_de_ven_2019_split_mnits"), "which table 't' extends: known are quick"),
        (extending("absent.toml"), "There is no table file absent.toml, which table 't' extends"),
        (extending({"table": SPLIT.name, "rows": ["ecw"]}), "has no row 'ecw'"),
        (extending({"rows": ["ewc"]}), "Key 'table' is missing in 'extends' of table 't'"),
        (extending(3), "'extends' of table 't' must be a table, found 3"),
        (extending(rows=[{"name": "ewc", "settings": "split", "CL1": {"strategy": "ewc"}}]), "has a row 'ewc', as"),
        (extending(settings={"split": {"benchmark": {"name": "synthetic"}, "protocol": {}}}), "has settings 'split'"),
        (extending(unit="mse"), "'unit' of table 't' must be that of the table 'van_de_ven_2019_split_mnist'"),
        (extending("von_oswald_2020_figure_3a_reduced", rows=[], reduced=""), "'reduced' of table 't' must be that of"),
        (extending({"table": SPLIT.name, "rows": []}, rows=[]), "no cell"),
    ],
)
def test_what_a_table_cannot_extend_is_said(broken: Settings, words: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_table("t", broken)
    assert words in str(raised.value)


def test_a_table_extends_one_beside_it_but_neither_itself_nor_without_end(tmp_path: Path) -> None:
    def write(name: str, base: str, row: str = "") -> str:
        own = f'[[rows]]\nname = "{row}"\nsettings = "split"\nCL1 = {{ strategy = "{row}" }}\n' if row else ""
        (tmp_path / f"{name}.toml").write_text(f'extends = "{base}"\n{own}')
        return str(tmp_path / f"{name}.toml")

    write("a", "quick", "ewc")
    assert load_table(write("b", "a.toml", "si")).rows == ("finetune", "joint", "hnet_ent", "ewc", "si")
    for name, base in (("c", "b"), ("d", "c")):
        load_table(write(name, f"{base}.toml"))
    with pytest.raises(UserError, match=r"Table 'e' extends more than 4 others.*: e\.toml extends d\.toml"):
        load_table(write("e", "d.toml"))
    write("a", "b.toml")
    with pytest.raises(UserError, match=r"'b' extends itself: b\.toml extends a\.toml extends b\.toml"):
        load_table(str(tmp_path / "b.toml"))


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    for name, content in (("broken.toml", b"title = "), ("binary.toml", b"\xff\xfe")):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match=f"{name} is not valid TOML"):
            load_table(str(path))
    for name, text, words in (
        ("deep.toml", "a = " + 5000 * "[", "nested too deeply"),
        ("long.toml", "a = " + 5000 * "9", "not valid TOML"),
        ("hex.toml", "a = { b = [0x" + 5000 * "f" + "] }", "'b' in 'a' in .* must be a number of at most 64 bits"),
        ("bell.toml", 'title = "\\u0007"', r"'title' in .* holds a character that cannot be shown, '\\x07'"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=words):
            load_table(str(tmp_path / name))
    with pytest.raises(UserError, match="no table file x"):
        load_table(f"{300 * 'x'}.toml")
    with pytest.raises(UserError, match=r"no table file .*absent\.toml"):
        load_table(str(tmp_path / "absent.toml"))
    with pytest.raises(UserError, match="Unknown table 'absent': known are quick"):
        load_table("absent")


@pytest.mark.parametrize("name", ["a, b", " ", "", " a", "a ", "-a", "a\nb"])
def test_a_row_that_the_command_line_could_not_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="expected a name without commas"):
        parse_table("t", content(rows=[{"name": name, "settings": "s", "CL1": {"strategy": "x"}}]))


def test_a_standard_deviation_without_a_number_of_seeds_says_too_little() -> None:
    known = {"mean": 50.0, "spread": 1.0, "spread_kind": "sd", "known": "verified", "note": "read"}
    with pytest.raises(UserError, match="'n' is missing"):
        parse_table("t", with_cell(reported=known))
    assert parse_table("t", with_cell(reported={**known, "n": 5})).cells[0].reported
