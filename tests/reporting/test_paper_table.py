"""A table for a paper: its numbers, and that `\\input` gives one float that LaTeX sets without complaint."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hnet_bench import api
from hnet_bench.interfaces import UserError
from hnet_bench.reporting.cells import Report
from hnet_bench.reporting.paper_table import paper_table

RESULTS = Path(__file__).parents[2] / "results"
PAPER = r"\documentclass[twocolumn]{article}\usepackage{booktabs}\begin{document}%s\end{document}"


def row(text: str, name: str) -> str:
    (line,) = (line for line in text.splitlines() if line.startswith(rf"{name} \&"))
    return line


def pm(spread: str) -> str:
    return rf"{{\scriptsize\,$\pm$\,{spread}}}"


def test_means_stand_with_the_chosen_spread_beside_what_is_reported(rich_report: Report) -> None:
    # Over 0.70, 0.71, 0.69, 0.70, 0.70 the deviation is the root of 0.0002 / 4, the SEM that over the root of 5.
    label = r"good \& 100 \% of \_it\_"  # which was not run in CL1
    for spread, text in (
        ("sem", f"{pm('0.32')} & 70.00 & {pm('0.20')}"),
        ("sd", f"{pm('0.71')} & 70.00 & {pm('0.20')}"),
    ):
        assert row(paper_table(rich_report, spread=spread), "good") == rf"{label} & -- & 70.00 & {text} \\"
    assert r"\pm" not in row(paper_table(rich_report, spread="none"), "good")
    measured = paper_table(rich_report, reported=False)
    assert "reported" not in measured.lower()
    assert row(measured, "good") == rf"{label} & -- & 70.00 & {pm('0.32')} \\"
    assert "Mean $\\pm$ SEM over 1 to 5 seeds." in measured


def test_metrics_that_a_table_names_stand_beside_what_is_measured(rich_report: Report) -> None:
    named = replace(rich_report, table=replace(rich_report.table, columns=("average_accuracy", "backward_transfer")))
    text = paper_table(named)
    label = r"good \& 100 \% of \_it\_"
    assert (
        row(text, "good")
        == rf"{label} & -- &  & 70.00 & {pm('0.32')} & 70.00 & {pm('0.20')} & $-$20.50 & {pm('0.32')} \\"
    )
    assert r"\multicolumn{2}{c}{backward transfer}" in text
    assert "Backward transfer: how much better each experience" in text
    assert r"\multicolumn{2}{c}{final}" in paper_table(named, reported=False)


def test_the_best_is_bold_and_no_bound(rich_report: Report) -> None:
    bold = {
        kind: re.findall(r"^(\w+) .*\\textbf", paper_table(rich_report, bold=kind), re.M)
        for kind in ("best", "tied", "none")
    }
    assert bold == {"best": ["high"], "tied": ["good", "high", "open"], "none": []}


def test_what_was_not_tested_against_the_best_is_not_passed_over(rich_report: Report) -> None:
    text = paper_table(rich_report, bold="tied")
    assert "Not tested, and not bold: what has too few seeds to be told from the best" in text
    tested = tuple(cell for cell in rich_report.cells if cell.rank != "untested" and not cell.cell.reference)
    alone = paper_table(replace(rich_report, cells=tested), bold="tied")
    assert "Not tested" not in alone
    assert "Bold: the best mean, bounds aside, and what" in text
    assert "Bold: the best mean, and what" in alone


def test_caption_label_and_what_makes_a_number_doubtful(rich_report: Report) -> None:
    text = paper_table(rich_report, caption=r"On \textbf{digits}.", label="tab:mine")
    assert r"\caption{On \textbf{digits}.}\label{tab:mine}" in text
    assert r"\dag{} recalled: written down from memory" in text
    assert row(text, "low").count(r"\textsuperscript{\dag{}}") == 1
    reduced = replace(rich_report, table=replace(rich_report.table, reduced="a tenth of the iterations"))
    assert "Reduced: a tenth of the iterations." in paper_table(reduced)
    with pytest.raises(UserError, match="label"):
        paper_table(rich_report, label="100%")


@pytest.mark.parametrize(
    ("chosen", "environment"),
    [
        ({"reported": False}, "table"),
        ({"rows": ["split_si", "split_hnet_r"], "spread": "sd", "reported": False}, "table"),
        ({"scenarios": "CL3", "bold": "tied"}, "table"),
        ({}, "table*"),
    ],
)
def test_a_table_takes_a_column_where_it_can(
    chosen: dict[str, Any], environment: str, tmp_path: Path, compiled: Callable[[str, Path], str]
) -> None:
    text = api.latex("von_oswald_2020_table_1", results=RESULTS, **chosen)
    assert re.findall(r"\\begin\{(table\*?)\}", text) == [environment]
    (tmp_path / "mine.tex").write_text(text)
    (tmp_path / "paper.tex").write_text(PAPER % r"Text. \input{mine} More.")
    assert "Overfull" not in compiled("paper", tmp_path)
    assert (tmp_path / "paper.aux").read_text().count(r"\@writefile{lot}{\contentsline {table}") == 1


def test_labels_of_any_characters_and_length_compile(
    rich_report: Report, tmp_path: Path, compiled: Callable[[str, Path], str]
) -> None:
    odd = ["[1] a", "* b", "#1 100 % $x_2$ ^~", r"\input{x} & \\ }{", "one label of many words " * 6]
    names = dict(zip(dict.fromkeys(cell.row for cell in rich_report.cells), odd, strict=False))
    cells = [
        replace(cell, cell=replace(cell.cell, label=names.get(cell.row, cell.label))) for cell in rich_report.cells
    ]
    (tmp_path / "odd.tex").write_text(PAPER % paper_table(replace(rich_report, cells=tuple(cells))))
    assert "Overfull" not in compiled("odd", tmp_path)


def test_the_command_prints_what_the_function_returns(
    user_table: Path, stored: Callable[..., Any], said: Callable[..., Any], refused: Callable[..., str]
) -> None:
    assert refused("latex mine.toml") == "No chosen cell of table 'mine' has a record in results."
    stored()
    out = said("latex mine.toml --spread sd --no-reported").out
    assert out == api.latex("mine.toml", spread="sd", reported=False)
    assert out.count(r"\begin{table") == 1
    assert "spread" in refused("latex mine.toml --spread wide")
    with pytest.raises(UserError, match="sem, sd, none"):
        api.latex("mine.toml", spread="wide")  # type: ignore[arg-type]
